"""The journal's SQLite file: opened durably, at this release's schema, one writer at a time."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from scheduler.transactions.journal import named
from scheduler.transactions.journal.errors import JournalUnavailable, unavailable
from scheduler.transactions.journal.sqlite.filesystem import network_file_system
from scheduler.transactions.journal.values import Row

DIALECT = "sqlite"

# How long a writer waits for another process's transaction, milliseconds. Longer than any of ours
# takes on a slow disk, shorter than a block.
BUSY_TIMEOUT_MS = 2_000

# What the -wal file may keep of the disk, bytes.
WAL_BYTES = 16 * 1024 * 1024

# A commit that finds so many pages in the -wal file, 4 MB, brings them into the database (SQLite's
# default): two more fsyncs, and as many writes, so never one that something waits for to be sent.
CHECKPOINT = "PRAGMA wal_autocheckpoint = 1000"
NO_CHECKPOINT = "PRAGMA wal_autocheckpoint = 0"

# A commit is on the disk when it returns: each costs an fsync of the WAL.
DURABLE = "PRAGMA synchronous = FULL"


class SqliteDatabase:
    """One SQLite file, its named queries and its transactions; see Database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._together = False
        self._queries = named.all_queries(DIALECT)
        [(_, _, self._path)] = connection.execute("PRAGMA database_list").fetchall()

    @classmethod
    def open(cls, path: Path) -> "SqliteDatabase":
        """Opens the file, making it and its schema where they are missing.

        Raises JournalUnavailable. WAL with synchronous=FULL: what a commit wrote survives a power
        cut (NORMAL does not; tests/faults).
        """
        network = network_file_system(path)
        if network is not None:
            raise _misplaced(path, f"{network} is a network file system")
        try:
            connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
        except sqlite3.Error as error:
            raise unavailable(str(path), "opened", error) from error
        try:
            mode = _mode_after_asking_for_wal(connection)
            if mode != "wal":
                raise _misplaced(path, f"{mode} instead of WAL mode")
            connection.execute(DURABLE)
            connection.execute("PRAGMA foreign_keys = ON")
            # What a long read made the -wal file grow to is given back afterwards.
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
            connection.execute(CHECKPOINT)
            database = cls(connection)
            database._migrate()
        except sqlite3.Error as error:
            connection.close()
            raise unavailable(str(path), "opened", error) from error
        except BaseException:
            connection.close()
            raise
        return database

    def close(self) -> None:
        self.connection.close()

    def run(self, query: str, **values: object) -> list[Row]:
        return self.connection.execute(self._queries[query], values).fetchall()

    def run_each(self, query: str, rows: Sequence[Mapping[str, object]]) -> int:
        return self.connection.executemany(self._queries[query], rows).rowcount if rows else 0

    def read(self, query: str, **values: object) -> list[Row]:
        try:
            return self.run(query, **values)
        except sqlite3.Error as error:
            raise unavailable(self._path, "read", error) from error

    @contextmanager
    def together(self, durable: bool = True, hurried: bool = False) -> Iterator[None]:
        """IMMEDIATE: whoever writes is alone from the beginning.

        One that is not `durable` costs no fsync; one that is `hurried` leaves it to those behind it
        to empty the WAL.
        """
        if self._together:
            yield
            return
        try:
            if not durable:
                self.connection.execute("PRAGMA synchronous = NORMAL")
            if hurried:
                self.connection.execute(NO_CHECKPOINT)
            try:
                with self._transaction():
                    yield
            finally:
                if not durable:
                    self.connection.execute(DURABLE)
                if hurried:
                    self.connection.execute(CHECKPOINT)
        except sqlite3.Error as error:
            raise unavailable(self._path, "written", error) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        self._together = True
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        finally:
            self._together = False

    def _migrate(self) -> None:
        """Applies the migrations that the file lacks; their number is its user_version."""
        migrations = named.migrations(DIALECT)
        newest, _ = migrations[-1]
        for number, sql in migrations:
            with self.together():
                [(version,)] = self.connection.execute("PRAGMA user_version").fetchall()
                if version > newest:
                    raise JournalUnavailable(
                        f"the journal {self._path} was written by a newer release (schema "
                        f"{version}, this one knows {newest}); install that release again"
                    )
                if number <= version:
                    continue
                for statement in _statements(sql):
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA user_version = {number}")


def _misplaced(path: Path, why: str) -> JournalUnavailable:
    return JournalUnavailable(
        f"the journal {path} cannot be kept there: {why}; give it a path on a local disk with "
        "journal = in the configuration"
    )


def check_turns(path: Path) -> None:
    """Raises JournalUnavailable unless a writer gets its turn there; nothing is written.

    A process that hangs within a transaction keeps all others from the journal, for as long as it
    lives.
    """
    connection = None
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_MS / 1000,
        )
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise unavailable(str(path), "written", error) from error
    finally:
        if connection is not None:
            connection.close()


def _mode_after_asking_for_wal(connection: sqlite3.Connection) -> str:
    """The file's journal mode: not WAL where the file system has no shared memory.

    Of programs that open a new file at the same time all but one are told at once that it is
    locked: the busy timeout does not apply to this (sqlite 3.40).
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            [(mode,)] = connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return str(mode)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _statements(sql: str) -> Iterator[str]:
    """The statements of a script one by one: executescript would commit between them."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
