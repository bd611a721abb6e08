"""Brings a whole journal from a file into a PostgreSQL database, and shows that it is the same."""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from scheduler.transactions.journal.errors import JournalUnavailable
from scheduler.transactions.journal.holds import ALL, Mode
from scheduler.transactions.journal.location import Remote
from scheduler.transactions.journal.postgresql.connection import (
    PATIENT,
    Connection,
    connect,
    storable,
    unavailable,
)
from scheduler.transactions.journal.postgresql.database import WRITER
from scheduler.transactions.journal.postgresql.snapshot import PostgresqlSnapshot
from scheduler.transactions.journal.reading import TABLES, Reading, check_readable, looking
from scheduler.transactions.journal.sqlite.database import SqliteDatabase
from scheduler.transactions.journal.sqlite.snapshot import SqliteSnapshot
from scheduler.transactions.journal.store import Journal
from scheduler.transactions.journal.upkeep import migrate


@dataclass(frozen=True, slots=True)
class Content:
    """How many rows there are, by table, and what they add up to (hexadecimal), in any order."""

    counts: Mapping[str, int]
    digest: str

    def __str__(self) -> str:
        rows = ", ".join(f"{count} {table}" for table, count in self.counts.items() if count)
        return f"{rows or 'no rows'} (digest {self.digest[:16]})"


def copy(path: Path, where: Remote, who: str) -> Content:
    """Copies the journal in the file into a database that has none, or an empty one.

    Nobody writes to the file meanwhile, and the copy is there as a whole or not at all: it is read
    back and compared before it is committed. Afterwards the file is held back in the name of `who`,
    so that a program that still has it sends nothing new. Where the process ends between the two,
    the database has the very journal of the file, and the next to copy finishes it. Raises
    JournalUnavailable, and Misconfigured for a database that cannot be reached as it is configured.
    """
    with looking(path) as journal:
        check_readable(path, journal)
    migrate(where)
    database = SqliteDatabase.open(path)
    try:
        source = Journal(database, clock=time.time)
        with source.together():
            # Rows by the names of their columns, as a snapshot has them.
            database.connection.row_factory = sqlite3.Row
            content = _filled(where, Reading(SqliteSnapshot(database.connection)))
            source.holds.place(ALL, Mode.PAUSE, who, f"this journal was copied to {where}")
    finally:
        database.close()
    return content


def _filled(where: Remote, source: Reading) -> Content:
    """Fills the journal there, unless all of the source is in it already; what is in it then."""
    try:
        with connect(where, PATIENT) as connection, connection.transaction():
            connection.execute(f"SELECT pg_advisory_xact_lock({WRITER})")
            target = Reading(PostgresqlSnapshot(connection))
            expected = content_of(source)
            content = content_of(target)
            if content == expected:
                return content
            _check_empty(where, content)
            for table in TABLES:
                _fill(connection, table, source.rows(table))
            content = content_of(target)
            if content != expected:
                raise JournalUnavailable(
                    f"the copy differs from the journal: {expected} became {content}; nothing was "
                    f"written to {where}"
                )
        return content
    except psycopg.Error as error:
        raise unavailable(where, "written", error) from error


def content_of(journal: Reading) -> Content:
    """What is in all tables, the same for the same rows in either dialect."""
    counts: dict[str, int] = {}
    total = 0
    for table in TABLES:
        counts[table] = 0
        for row in journal.rows(table):
            counts[table] += 1
            total += int.from_bytes(sha256(_canonical(table, row)).digest(), "big")
    return Content(counts, f"{total % 2**256:064x}")


def _canonical(table: str, row: Mapping[str, Any]) -> bytes:
    values = {name: _plain(value) for name, value in row.items()}
    return json.dumps([table, values], sort_keys=True).encode()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return storable(value) if isinstance(value, str) else value


def _check_empty(where: Remote, content: Content) -> None:
    found = sorted(table for table, count in content.counts.items() if count)
    if found:
        raise JournalUnavailable(
            f"the journal {where} is not empty: it has rows in {', '.join(found)}, and they are "
            "not those of the file; name a new database, as docs/postgresql.md says"
        )


def _fill(connection: Connection, table: str, rows: Iterator[Mapping[str, Any]]) -> None:
    first = next(rows, None)
    if first is None:
        return
    names = list(first)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copying:
        copying.write_row(list(first.values()))
        for row in rows:
            copying.write_row(list(row.values()))
