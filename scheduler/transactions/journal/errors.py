"""How the journal can refuse: it is not there, or what was to be written is taken."""

import sqlite3
from collections.abc import Sequence

from scheduler.errors import NotYet

# What SQLite says (its error strings, 3.37 and later), and what the operator does about it.
_REMEDIES = (
    ("locked", "another process keeps it busy; see which: fuser -v {path}"),
    ("full", "make room on its volume; see how much there is: df -h {path}"),
    ("readonly", "make it and its directory this user's own; see whose they are: ls -la {path}*"),
    ("unable to open", "its directory must be this user's own; see: ls -ld $(dirname {path})"),
    ("I/O error", "see what is wrong with its volume: df -h {path}; dmesg | tail"),
    ("not a database", "move it away, or give the right path with journal = in the configuration"),
    ("malformed", "stop what uses it, and put a backup of it in its place"),
)


class JournalUnavailable(Exception):
    """The journal cannot be read or written now; nothing may be sent. Says why and what to do."""


class Quarantined(NotYet):
    """New intents of this account get no slots: its journal may not know what is on its way."""


class NonceTaken(Exception):
    """Another transaction was given this nonce meanwhile: sign again with the next."""


class SlotClosed(Exception):
    """The slot `nonce` is not to be taken over any more: mined, consumed, or bid for since."""

    def __init__(self, nonce: int) -> None:
        super().__init__(f"nonce {nonce} has moved on")
        self.nonce = nonce


class IntentTaken(Exception):
    """The intent is in a slot already, or has its outcome. `key` says which."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is in a slot already, or has its outcome")
        self.key = key


class Withheld(Exception):
    """The account may not promise what these intents could cost. `shortage` says what lacks."""

    def __init__(self, keys: Sequence[str], shortage: str) -> None:
        super().__init__(shortage)
        self.keys = keys
        self.shortage = shortage


def unavailable(path: str, what: str, error: sqlite3.Error) -> JournalUnavailable:
    """The journal at `path` cannot be `what` (opened, read, written), as an operator reads it."""
    text = str(error)
    remedies = [remedy.format(path=path) for sign, remedy in _REMEDIES if sign in text]
    return JournalUnavailable(
        "; ".join([f"the journal {path} cannot be {what}: {text}", *remedies])
    )
