"""Looks at a journal without touching it: a running program is not disturbed, no file is made."""

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scheduler.transactions.journal import named
from scheduler.transactions.journal.bookings import Booking, OnItsWay, booking_of, day_of
from scheduler.transactions.journal.database import BUSY_TIMEOUT_MS, DIALECT
from scheduler.transactions.journal.errors import JournalUnavailable, unavailable
from scheduler.transactions.journal.holds import Hold, hold_of
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


class Reading:
    """A journal's content as it is at one moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queries = named.queries(DIALECT, "reading")

    @property
    def schema(self) -> int:
        """The number of the newest migration that the file has; 0 for no journal."""
        [(number,)] = self._run("schema")
        return int(number)

    @property
    def tables(self) -> set[str]:
        """The names of the tables in the file, whether they are the journal's or not."""
        return {row["name"] for row in self._run("tables")}

    def names(self) -> list[Name]:
        """Of all intents, oldest first."""
        return [Name(**row) for row in self._run("names")]

    def how_many(self, states: Sequence[IntentState] = (), family: str | None = None) -> int:
        """Intents in one of `states` (none: in any) and of this family."""
        [(count,)] = self._run("how_many", **_filter(states, family))
        return int(count)

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
        return [hold_of(tuple(row)) for row in self._run("standing_holds")]

    def open_orders(self) -> list[Order]:
        """What the operator ordered and nobody has carried out yet, oldest first."""
        return [order_of(row) for row in self._run("open_orders")]

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
        rows = self._run("unknown")
        return {Account(chain, account): number for chain, account, number in rows}

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """All columns of all rows of one of TABLES, one by one, as they are stored."""
        return self._each(f"all_{table}")

    def sheet(self) -> Iterator[dict[str, Any]]:
        """A row for each attempt with its intent, slot and outcome, as they are stored."""
        return self._each("sheet")

    def columns_of_sheet(self) -> list[str]:
        """The names of the columns of `sheet`, in their order."""
        cursor = self._connection.execute(self._queries["sheet"])
        return [name for name, *_ in cursor.description]

    def copy_to(self, path: Path) -> None:
        """Writes all of it into a new file, durably. Raises sqlite3.Error."""
        copy = sqlite3.connect(path)
        try:
            self._connection.backup(copy)
        finally:
            copy.close()

    def run(self, sql: str, **values: object) -> list[sqlite3.Row]:
        """The rows of a query of whoever has queries of its own."""
        return self._connection.execute(sql, values).fetchall()

    def _run(self, query: str, **values: object) -> list[sqlite3.Row]:
        return self.run(self._queries[query], **values)

    def _each(self, query: str) -> Iterator[dict[str, Any]]:
        for row in self._connection.execute(self._queries[query]):
            yield dict(row)


@contextmanager
def reading(path: Path) -> Iterator[Reading]:
    """The journal in the file at `path`, which has this release's schema.

    Raises JournalUnavailable.
    """
    with looking(path) as journal:
        newest, _ = named.migrations(DIALECT)[-1]
        if journal.schema < newest:
            check_is_journal(path, journal)
            raise JournalUnavailable(
                f"the journal {path} has schema {journal.schema}, this release reads {newest}; "
                "run: scheduler journal migrate"
            )
        check_not_newer(path, journal.schema)
        yield journal


@contextmanager
def looking(path: Path) -> Iterator[Reading]:
    """The file at `path` as it is, whatever its schema. Raises JournalUnavailable.

    All is read in one transaction, so it fits together. SQLite makes a -wal and a -shm file even
    to read in WAL mode, and only a writer removes them; so a file that nobody has opened, which
    has none, is read as one that does not change, and that it did not is checked at the end.
    """
    alone = not os.path.exists(f"{path}-wal")
    try:
        before = _version(path)
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro{'&immutable=1' if alone else ''}",
            uri=True,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_MS / 1000,
        )
    except OSError as error:
        raise JournalUnavailable(
            f"the journal {path} cannot be opened: {error.strerror}"
        ) from error
    except sqlite3.Error as error:
        raise unavailable(str(path), "opened", error) from error
    connection.row_factory = sqlite3.Row
    changed = False
    try:
        connection.execute("BEGIN")
        yield Reading(connection)
    except sqlite3.Error as error:
        changed = alone and _version(path) != before
        if not changed:
            raise unavailable(str(path), "read", error) from error
    else:
        changed = alone and _version(path) != before
    finally:
        connection.close()
    if changed:
        raise JournalUnavailable(f"a program began to write the journal {path}; look again")


def check_not_newer(path: Path, schema: int) -> None:
    """Raises JournalUnavailable where a newer release wrote the journal."""
    newest, _ = named.migrations(DIALECT)[-1]
    if schema > newest:
        raise JournalUnavailable(
            f"the journal {path} was written by a newer release (schema {schema}, this one knows "
            f"{newest}); install that release again"
        )


def check_is_journal(path: Path, journal: Reading) -> None:
    """Raises JournalUnavailable where the file has tables that are not a journal's."""
    if journal.tables and not {"intents", "attempts"} <= journal.tables:
        raise JournalUnavailable(
            f"{path} is another program's database; give the right path with journal = in the "
            "configuration"
        )


def _version(path: Path) -> tuple[int, int]:
    """Differs when the file was written meanwhile."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _filter(states: Sequence[IntentState], family: str | None) -> dict[str, object]:
    chosen = json.dumps([state.value for state in states]) if states else None
    return {"states": chosen, "family": family}
