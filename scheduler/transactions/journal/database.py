"""What the journal takes from a database: named queries, and transactions that are alone."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from scheduler.transactions.journal.location import Location, Remote, check_library
from scheduler.transactions.journal.sqlite import database as sqlite
from scheduler.transactions.journal.values import Row, Rows


class Database(Protocol):
    """A journal's tables in one dialect, opened at this release's schema."""

    def run(self, query: str, **values: object) -> list[Row]:
        """The rows of a named query, within `together`."""

    def run_each(self, query: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Runs the query once for each of the rows; how many rows it changed in all."""

    def read(self, query: str, **values: object) -> list[Row]:
        """The rows of a query that stands alone. Raises JournalUnavailable."""

    def together(self, durable: bool = True, hurried: bool = False) -> AbstractContextManager[None]:
        """One transaction of whatever is called in it; on any exception none is written.

        Nobody else writes meanwhile, so that what is read in it is still true when it is written.
        One that is not `durable` may be undone by a power cut until the next one that is. One that
        is `hurried` leaves to those behind it what can wait. Raises JournalUnavailable.
        """

    def close(self) -> None:
        """Ends it; nothing is open."""


class Tables:
    """A database's queries for those who keep the journal."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Bound once: each is called some hundred times a block.
        self._run = database.run
        self._run_each = database.run_each
        self._read = database.read
        self.together = database.together

    @property
    def rows(self) -> Rows:
        """Itself, for its parts."""
        return Rows(self._run, self._read, self.together)

    def close(self) -> None:
        self._database.close()


def opened(location: Location) -> Database:
    """The database there: a file is made where it is missing. Raises JournalUnavailable."""
    if isinstance(location, Remote):
        # Its library takes 13 MiB, which a program with a file does without.
        check_library()
        from scheduler.transactions.journal.postgresql.database import PostgresqlDatabase

        return PostgresqlDatabase(location)
    return sqlite.SqliteDatabase.open(location)


def check_turns(location: Location) -> None:
    """Raises JournalUnavailable unless a writer gets its turn there; nothing is written.

    A process that hangs within a transaction keeps all others from the journal.
    """
    if not isinstance(location, Remote):
        sqlite.check_turns(location)
        return
    database = opened(location)
    try:
        with database.together():
            pass
    finally:
        database.close()
