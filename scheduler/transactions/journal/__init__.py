"""The journal: everything that is sent is in it first, durably."""

from scheduler.transactions.journal.store import (
    Account,
    Attempt,
    IntentTaken,
    Journal,
    JournalUnavailable,
    NonceTaken,
    Prepared,
)

__all__ = [
    "Account",
    "Attempt",
    "IntentTaken",
    "Journal",
    "JournalUnavailable",
    "NonceTaken",
    "Prepared",
]
