"""The journal of the box, as a reader finds it."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scheduler.operations.facts.model import Held, Journal, OpenSlot, Quarantine, Tally
from scheduler.transactions.journal import JournalUnavailable
from scheduler.transactions.journal.database import check_turns
from scheduler.transactions.journal.location import Location
from scheduler.transactions.journal.overview import Holder, Known, Money, Overview, Work
from scheduler.transactions.journal.reading import reading

COUNTING_SHARE = 0.02
"""At most so much of the time is spent counting what is in a journal."""

COUNTED_SECONDS = 20.0
"""Counts are no older than that, whatever they take: what they tell is told within 30 seconds."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Over the whole journal, which takes the longer the more is in it."""

    intents: Mapping[str, int]
    outcomes: tuple[Tally, ...]
    losses: int
    violations: Mapping[str, int]
    money: Money
    work: Mapping[str, Work]


@dataclass(frozen=True, slots=True)
class Found:
    """What was read, and what other parts of the facts are made from."""

    journal: Journal
    work: Mapping[str, Work]
    money: Money
    accounts: tuple[Known, ...]
    holders: tuple[Holder, ...]


def turns(location: Location) -> str | None:
    """What keeps a writer from its turn, None where nothing does; where there is no journal, and
    where this user may not write it, either."""
    if isinstance(location, Path) and not os.access(location, os.W_OK):
        return None
    try:
        check_turns(location)
    except JournalUnavailable as error:
        return str(error)
    return None


class JournalWatch:
    """Reads one journal again and again."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._counts: Counts | None = None
        self._chain: str | None = None
        self._count_again_at = 0.0

    def look(self, chain: str | None, waits: str | None) -> Found:
        """What is in it now, of this chain, None for any; `waits` is what keeps a writer from its
        turn. Raises JournalUnavailable, OSError."""
        try:
            return self._found(chain, waits)
        except JournalUnavailable:
            # A program may have begun to write in this moment, which is nothing to be told.
            return self._found(chain, waits)

    def _counted(self, overview: Overview, chain: str | None) -> Counts:
        began = time.monotonic()
        if self._counts is None or chain != self._chain or began >= self._count_again_at:
            self._counts, self._chain = _counts(overview), chain
            took = time.monotonic() - began
            self._count_again_at = began + min(took / COUNTING_SHARE, COUNTED_SECONDS)
        return self._counts

    def _found(self, chain: str | None, waits: str | None) -> Found:
        now = time.time()
        with reading(self._location) as opened:
            overview = Overview(opened, chain, now)
            accounts = tuple(overview.accounts())
            counts = self._counted(overview, chain)
            journal = Journal(
                path=str(self._location),
                size=opened.size,
                wal_size=_size(Path(f"{self._location}-wal")),
                turns=waits,
                highest_head=max((each.highest_head for each in accounts), default=None),
                intents=counts.intents,
                outcomes=counts.outcomes,
                open_slots=tuple(
                    OpenSlot(
                        each.account,
                        each.nonce,
                        each.program,
                        each.intent,
                        each.created_at,
                        max(0.0, now - each.created_at),
                        each.mined,
                    )
                    for each in overview.open_slots()
                ),
                suspended=tuple(overview.suspended()),
                quarantines=tuple(
                    Quarantine(each.account, each.quarantine)
                    for each in accounts
                    if each.quarantine
                ),
                holds=tuple(
                    Held(each.scope, each.mode.value, each.since, each.by, each.why)
                    for each in opened.holds()
                ),
                open_orders=len(opened.open_orders()),
                losses=counts.losses,
                strangers=sum(
                    number
                    for owner, number in opened.unknown().items()
                    if chain in (None, owner.chain)
                ),
                fees_paid=counts.money.fees,
                earned=counts.money.earned,
                violations=counts.violations,
            )
            return Found(journal, counts.work, counts.money, accounts, tuple(overview.holders()))


def _counts(overview: Overview) -> Counts:
    return Counts(
        overview.intents(),
        tuple(Tally(*each) for each in overview.outcomes()),
        overview.losses(),
        overview.violations(),
        overview.money(),
        overview.work(),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
