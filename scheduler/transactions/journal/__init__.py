"""The journal: everything that is sent is in it first, durably."""

from scheduler.transactions.journal.accounts import Standing
from scheduler.transactions.journal.errors import (
    IntentTaken,
    JournalUnavailable,
    NonceTaken,
    Quarantined,
    SlotClosed,
    Withheld,
)
from scheduler.transactions.journal.holds import HeldBack
from scheduler.transactions.journal.location import Location, Remote, directory_of
from scheduler.transactions.journal.store import Journal
from scheduler.transactions.journal.values import (
    Account,
    Attempt,
    Mandate,
    Prepared,
    Replacement,
)

__all__ = [
    "Account",
    "Attempt",
    "HeldBack",
    "IntentTaken",
    "Journal",
    "JournalUnavailable",
    "Location",
    "Mandate",
    "NonceTaken",
    "Prepared",
    "Quarantined",
    "Remote",
    "Replacement",
    "SlotClosed",
    "Standing",
    "Withheld",
    "directory_of",
]
