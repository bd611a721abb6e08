"""Gets on-chain work done on time, once, and proves it."""

__version__ = "0.1.0"
