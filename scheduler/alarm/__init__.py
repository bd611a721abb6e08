"""The Ethereum Alarm Clock: calls that a contract schedules, executed at their target block."""
