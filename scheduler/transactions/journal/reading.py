"""Looks at a journal without touching it: a running program is not disturbed, no file is made."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from scheduler.transactions.journal import named
from scheduler.transactions.journal.bookings import Booking, OnItsWay, booking_of, day_of
from scheduler.transactions.journal.errors import JournalUnavailable
from scheduler.transactions.journal.holds import Hold, hold_of
from scheduler.transactions.journal.location import Location, Remote, check_library
from scheduler.transactions.journal.orders import Order, order_of
from scheduler.transactions.journal.records import (
    History,
    Name,
    Summary,
    attempt_of,
    deposit_of,
    intent_of,
    ordered_of,
    reorg_of,
    slot_of,
    summary_of,
)
from scheduler.transactions.journal.sqlite import snapshot as sqlite_snapshot
from scheduler.transactions.journal.values import Account
from scheduler.transactions.states import IntentState

TABLES = (
    "accounts",
    "intents",
    "slots",
    "placements",
    "attempts",
    "outcomes",
    "deposits",
    "holds",
    "orders",
    "reorgs",
    "past_days",
    "forgotten",
    "searches",
)


class Snapshot(Protocol):
    """A journal's database as it is at one moment."""

    dialect: str

    def schema(self) -> int:
        """The number of the newest migration that it has; 0 for no journal."""

    def size(self) -> int:
        """What it takes on a disk, bytes."""

    def rows(self, sql: str, values: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        """What a query of this dialect answers, one by one."""

    def columns(self, sql: str) -> list[str]:
        """The names of what a query without values answers, in their order."""


class Reading:
    """A journal's content as it is at one moment."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._queries = named.queries(snapshot.dialect, "reading")

    @property
    def dialect(self) -> str:
        """That of its named queries."""
        return self._snapshot.dialect

    @property
    def schema(self) -> int:
        """The number of the newest migration that it has; 0 for no journal."""
        return self._snapshot.schema()

    @property
    def size(self) -> int:
        """What it takes on a disk, bytes, without what waits to be brought into a file."""
        return self._snapshot.size()

    @property
    def newest_schema(self) -> int:
        """The same, of a journal of this release."""
        return named.newest_migration(self._snapshot.dialect)

    @property
    def tables(self) -> set[str]:
        """The names of the tables there, whether they are the journal's or not."""
        return {row["name"] for row in self._run("tables")}

    def names(self) -> list[Name]:
        """Of all intents, oldest first."""
        return [Name(**row) for row in self._run("names")]

    def how_many(self, states: Sequence[IntentState] = (), family: str | None = None) -> int:
        """Intents in one of `states` (none: in any) and of this family."""
        [row] = self._run("how_many", **_filter(states, family))
        return int(*row.values())

    def summaries(
        self,
        states: Sequence[IntentState] = (),
        family: str | None = None,
        limit: int | None = None,
    ) -> list[Summary]:
        """The newest `limit` intents in one of `states` (none: in any), newest first."""
        most = -1 if limit is None else limit
        rows = self._run("summaries", **_filter(states, family), limit=most)
        return [summary_of(row) for row in rows]

    def holds(self) -> list[Hold]:
        """What the operator holds back, oldest first."""
        return [hold_of(tuple(row.values())) for row in self._run("standing_holds")]

    def open_orders(self) -> list[Order]:
        """What the operator ordered and nobody has carried out yet, oldest first."""
        return [order_of(tuple(row.values())) for row in self._run("open_orders")]

    def has(self, key: str) -> bool:
        """Whether there is an intent with exactly this key."""
        return self._run("intent", key=key) != []

    def history(self, key: str) -> History:
        """All about the intent with this key, which the journal must have."""
        [intent] = self._run("intent", key=key)
        return History(
            intent_of(intent),
            tuple(map(slot_of, self._run("slots", key=key))),
            tuple(map(attempt_of, self._run("attempts", key=key))),
            tuple(map(ordered_of, self._run("orders", key=key))),
            tuple(map(reorg_of, self._run("reorgs", key=key))),
            tuple(map(deposit_of, self._run("deposits", key=key))),
        )

    def bookings(self) -> Iterator[Booking]:
        """What was earned and spent: that of forgotten intents by day, then each outcome's; both
        with the oldest day first."""
        for row in self._each("past_days"):
            yield day_of(tuple(row.values()))
        for row in self._each("bookings"):
            yield booking_of(tuple(row.values()))

    def on_their_way(self) -> list[OnItsWay]:
        """The slots in which something waits to be mined."""
        return [
            OnItsWay(
                Account(row["chain"], row["account"]),
                int(row["chain_id"], 16),
                int(row["reserved"]),
            )
            for row in self._run("on_their_way")
        ]

    def unknown(self) -> dict[Account, int]:
        """How many of each account's slots were consumed by what the journal does not know."""
        rows = (row.values() for row in self._run("unknown"))
        return {Account(chain, account): number for chain, account, number in rows}

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """All columns of all rows of one of TABLES, one by one, as they are stored."""
        return self._each(f"all_{table}")

    def sheet(self) -> Iterator[dict[str, Any]]:
        """A row for each attempt with its intent, slot and outcome, as they are stored."""
        return self._each("sheet")

    def columns_of_sheet(self) -> list[str]:
        """The names of the columns of `sheet`, in their order."""
        return self._snapshot.columns(self._queries["sheet"])

    def _run(self, query: str, **values: object) -> list[dict[str, Any]]:
        return list(self._each(query, **values))

    def rows_of(self, file: str, query: str, **values: object) -> list[dict[str, Any]]:
        """What a query of another FILE.DIALECT.sql answers: of whoever has queries of its own."""
        return list(self._snapshot.rows(named.queries(self._snapshot.dialect, file)[query], values))

    def _each(self, query: str, **values: object) -> Iterator[dict[str, Any]]:
        return self._snapshot.rows(self._queries[query], values)


@contextmanager
def reading(location: Location) -> Iterator[Reading]:
    """The journal there, which has this release's schema.

    Raises JournalUnavailable, and Misconfigured for a database that cannot be reached as it is
    configured.
    """
    with looking(location) as journal:
        check_readable(location, journal)
        yield journal


@contextmanager
def looking(location: Location) -> Iterator[Reading]:
    """What is there as it is, whatever its schema. Raises as `reading` does."""
    with _snapshot(location) as snapshot:
        yield Reading(snapshot)


def _snapshot(location: Location) -> AbstractContextManager[Snapshot]:
    if isinstance(location, Remote):
        check_library()
        from scheduler.transactions.journal.postgresql.snapshot import looking_at

        return looking_at(location)
    return sqlite_snapshot.looking_at(location)


def check_readable(location: Location, journal: Reading) -> None:
    """Raises JournalUnavailable where it has another schema than this release's."""
    check_is_journal(location, journal)
    if journal.schema < journal.newest_schema:
        raise JournalUnavailable(
            f"the journal {location} has schema {journal.schema}, this release reads "
            f"{journal.newest_schema}; run: scheduler journal migrate"
        )
    check_not_newer(location, journal)


def check_not_newer(location: Location, journal: Reading) -> None:
    """Raises JournalUnavailable where a newer release wrote the journal."""
    if journal.schema > journal.newest_schema:
        raise JournalUnavailable(
            f"the journal {location} was written by a newer release (schema {journal.schema}, this "
            f"one knows {journal.newest_schema}); install that release again"
        )


def check_is_journal(location: Location, journal: Reading) -> None:
    """Raises JournalUnavailable where there are tables that are not a journal's."""
    if journal.tables and not {"intents", "attempts"} <= journal.tables:
        raise JournalUnavailable(
            f"{location} is another program's database; give the right path with journal = in the "
            "configuration"
        )


def _filter(states: Sequence[IntentState], family: str | None) -> dict[str, object]:
    chosen = json.dumps([state.value for state in states]) if states else None
    return {"states": chosen, "family": family}
