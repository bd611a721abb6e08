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
from scheduler.transactions.journal.overview import Known, Money, Overview, Work
from scheduler.transactions.journal.reading import reading


@dataclass(frozen=True, slots=True)
class Found:
    """What was read, and what other parts of the facts are made from."""

    journal: Journal
    work: Mapping[str, Work]
    money: Money
    accounts: tuple[Known, ...]


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


def found(location: Location, chain: str | None, waits: str | None) -> Found:
    """What is in the journal, of this chain, None for any. Raises JournalUnavailable, OSError."""
    try:
        return _found(location, chain, waits)
    except JournalUnavailable:
        # A program may have begun to write in this moment, which is nothing to be told.
        return _found(location, chain, waits)


def _found(location: Location, chain: str | None, waits: str | None) -> Found:
    now = time.time()
    with reading(location) as opened:
        overview = Overview(opened, chain, now)
        accounts = tuple(overview.accounts())
        money = overview.money()
        journal = Journal(
            path=str(location),
            size=opened.size,
            wal_size=_size(Path(f"{location}-wal")),
            turns=waits,
            highest_head=max((each.highest_head for each in accounts), default=None),
            intents=overview.intents(),
            outcomes=tuple(Tally(*each) for each in overview.outcomes()),
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
                Quarantine(each.account, each.quarantine) for each in accounts if each.quarantine
            ),
            holds=tuple(
                Held(each.scope, each.mode.value, each.since, each.by, each.why)
                for each in opened.holds()
            ),
            open_orders=len(opened.open_orders()),
            losses=overview.losses(),
            strangers=sum(
                number for owner, number in opened.unknown().items() if chain in (None, owner.chain)
            ),
            fees_paid=money.fees,
            earned=money.earned,
            violations=overview.violations(),
        )
        return Found(journal, overview.work(), money, accounts)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
