"""The journal in a PostgreSQL database: one writer at a time, and no commit of unknown result."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import psycopg

from scheduler.errors import Misconfigured
from scheduler.transactions.journal import named
from scheduler.transactions.journal.errors import JournalUnavailable
from scheduler.transactions.journal.location import Remote
from scheduler.transactions.journal.postgresql.connection import (
    ANSWER_SECONDS,
    Connection,
    connect,
    is_locked_out,
    unavailable,
)
from scheduler.transactions.journal.values import Row

Result = TypeVar("Result")

DIALECT = "postgresql"

# The advisory lock of whoever writes; a database has one journal ("sked" in ASCII).
WRITER = 0x736B6564

# How often a commit whose result is unknown is asked for, seconds.
_ASK_AGAIN_SECONDS = 0.05

# A promoted standby begins a timeline of its own, in which an old number may be another's.
_TIMELINE = "left(pg_walfile_name(pg_current_wal_lsn()), 8)"


class PostgresqlDatabase:
    """One PostgreSQL database, its named queries and its transactions; see Database.

    A transaction that writes takes the journal's advisory lock first, and holds it until its commit
    is durable: whoever has it is the only writer, each of its statements sees all that was
    committed before (READ COMMITTED), and what it read is still true when it commits. That is what
    SQLite's BEGIN IMMEDIATE promises, so one code relies on one promise. SERIALIZABLE would let
    those of several accounts commit at the same time, but breaks transactions off in the middle, to
    be begun again by every caller; and boxes that share a journal mostly share one account.

    A connection that is lost is made again by itself: before a transaction begins, and for a query
    that stands alone. One that is lost in a COMMIT leaves its result unknown, and it is asked for
    before anything else happens.
    """

    def __init__(self, where: Remote) -> None:
        """Raises JournalUnavailable; Misconfigured for a password that the server refuses."""
        self._where = where
        self._together = False
        self._queries = named.all_queries(DIALECT)
        self._connection: Connection | None = None
        try:
            self._open()
        except psycopg.Error as error:
            refusal = unavailable(where, "opened", error)
            if is_locked_out(error):
                raise Misconfigured(str(refusal)) from error
            raise refusal from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def run(self, query: str, **values: object) -> list[Row]:
        return self._execute(self._queries[query], values)

    def run_each(self, query: str, rows: Sequence[Mapping[str, object]]) -> int:
        """One statement for all of them, which takes each value as a list.

        Not executemany: its pipeline ends with a message of its own (psycopg 3.3, Flush behind
        Sync), at which the server stops to count for how long the transaction is idle.
        """
        if not rows:
            return 0
        self._execute(self._queries[query], {name: [row[name] for row in rows] for name in rows[0]})
        return self._cursor.rowcount

    def read(self, query: str, **values: object) -> list[Row]:
        try:
            if self._together:
                return self.run(query, **values)
            return self._by_all_means(partial(self._execute, self._queries[query], values))
        except psycopg.Error as error:
            raise unavailable(self._where, "read", error) from error

    @contextmanager
    def together(self, durable: bool = True, hurried: bool = False) -> Iterator[None]:
        """One writer at a time, from the beginning; nothing waits here that could be hurried.

        One that is not `durable` does not wait for the server's disk.
        """
        if self._together:
            yield
            return
        number = self._begin(durable)
        self._together = True
        try:
            try:
                yield
            except BaseException:
                self._roll_back()
                raise
            self._commit(number)
        except psycopg.Error as error:
            raise unavailable(self._where, "written", error) from error
        finally:
            self._together = False

    def _begin(self, durable: bool) -> str:
        """Begins a transaction, alone; its number in the server's log of commits."""
        begin = "BEGIN" if durable else "BEGIN; SET LOCAL synchronous_commit = off"
        sql = f"{begin}; SELECT pg_advisory_xact_lock({WRITER}), pg_current_xact_id()::text"
        try:
            return self._by_all_means(partial(self._begun, sql))
        except psycopg.Error as error:
            self._roll_back()
            raise unavailable(self._where, "written", error) from error

    def _begun(self, sql: str) -> str:
        self._cursor.execute(sql)
        while self._cursor.nextset():
            pass
        [(_, number)] = self._cursor.fetchall()
        return str(number)

    def _commit(self, number: str) -> None:
        """Commits. Raises psycopg.Error where it is known that nothing was written, and
        JournalUnavailable where that cannot be found out now."""
        try:
            self._cursor.execute("COMMIT")
        except psycopg.Error as error:
            if not self._is_lost:
                raise
            if not self._was_committed(number, error):
                raise
        else:
            # PostgreSQL answers the COMMIT of a transaction that failed with a ROLLBACK, unasked.
            if self._cursor.statusmessage != "COMMIT":
                raise psycopg.InternalError("a statement failed, and all of it was taken back")

    def _was_committed(self, number: str, lost: psycopg.Error) -> bool:
        """Whether the transaction with this number was written though nobody said so.

        The server may still be at it, or be starting again. Raises JournalUnavailable where it is
        not known in time: then nothing may be sent, and the next to write waits for its end.
        """
        timeline = self._timeline
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            with suppress(psycopg.Error, JournalUnavailable):
                connection = self._open()
                connection.deadline = deadline
                self._cursor.execute(
                    f"SELECT pg_xact_status(%s::text::xid8), {_TIMELINE}", [number]
                )
                [(status, now)] = self._cursor.fetchall()
                if now == timeline and status in ("committed", "aborted"):
                    return bool(status == "committed")
                if now != timeline:
                    break
            if time.monotonic() > deadline:
                break
            time.sleep(_ASK_AGAIN_SECONDS)
        told = unavailable(self._where, "written", lost)
        raise JournalUnavailable(
            f"{told}; whether the last transaction was written is not known yet"
        ) from lost

    def _roll_back(self) -> None:
        if self._connection is None or self._connection.is_lost:
            self.close()
            return
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    @property
    def _is_lost(self) -> bool:
        return self._connection is None or self._connection.is_lost

    def _open(self) -> Connection:
        """The connection, made again if it is lost, with a journal of this release's schema."""
        if self._connection is not None and not self._connection.is_lost:
            return self._connection
        self.close()
        connection = connect(self._where)
        try:
            connection.deadline = time.monotonic() + ANSWER_SECONDS
            check_schema(self._where, schema_of(connection))
            [(self._timeline,)] = connection.execute(f"SELECT {_TIMELINE}").fetchall()
        except BaseException:
            connection.close()
            raise
        self._connection, self._cursor = connection, connection.cursor()
        return connection

    def _by_all_means(self, ask: Callable[[], Result]) -> Result:
        """What changes nothing, asked once more over a new connection if that of before was lost.

        The transaction that it begins, if any, has the rest of the time.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        is_new = self._is_lost
        try:
            self._open().deadline = deadline
            return ask()
        except psycopg.Error:
            if is_new or not self._is_lost or time.monotonic() > deadline:
                raise
            self._open().deadline = deadline
            return ask()

    def _execute(self, sql: str, values: Mapping[str, object]) -> list[Row]:
        self._cursor.execute(sql, values)
        return [] if self._cursor.description is None else self._cursor.fetchall()


def schema_of(connection: "psycopg.Connection[Any]") -> int:
    """The number of the newest migration that the database has; 0 for none."""
    [(there,)] = connection.execute("SELECT to_regclass('migrations') IS NOT NULL").fetchall()
    if not there:
        return 0
    [(number,)] = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchall()
    return int(number)


def check_schema(where: Remote, schema: int) -> None:
    """Raises JournalUnavailable unless the journal there is one of this release."""
    newest = named.newest_migration(DIALECT)
    if schema > newest:
        raise JournalUnavailable(
            f"the journal {where} was written by a newer release (schema {schema}, this one knows "
            f"{newest}); install that release again"
        )
    if schema == 0:
        raise JournalUnavailable(
            f"there is no journal in {where} yet; make it with: scheduler journal migrate, or "
            "bring one there with: scheduler journal copy"
        )
    if schema < newest:
        raise JournalUnavailable(
            f"the journal {where} has schema {schema}, this release needs {newest}; stop the "
            "programs of all boxes, then run: scheduler journal migrate"
        )
