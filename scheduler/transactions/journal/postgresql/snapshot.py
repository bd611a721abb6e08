"""A journal's PostgreSQL database as it is at one moment: nobody waits for who looks at it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
from psycopg.rows import dict_row

from scheduler.errors import Misconfigured
from scheduler.transactions.journal.location import Remote
from scheduler.transactions.journal.postgresql.connection import (
    PATIENT,
    Connection,
    connect,
    is_locked_out,
    unavailable,
)
from scheduler.transactions.journal.postgresql.database import DIALECT, schema_of

# So many rows are fetched at once, of as many as there are.
_FETCHED = 500


class PostgresqlSnapshot:
    """What a read-only transaction at REPEATABLE READ sees; see Snapshot."""

    dialect = DIALECT

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._numbers = count(1)

    def schema(self) -> int:
        return schema_of(self.connection)

    def size(self) -> int:
        [(size,)] = self.connection.execute("SELECT pg_database_size(current_database())")
        return int(size)

    def rows(self, sql: str, values: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        with self.connection.cursor(f"rows_{next(self._numbers)}", row_factory=dict_row) as cursor:
            cursor.itersize = _FETCHED
            cursor.execute(sql, values)
            yield from cursor

    def columns(self, sql: str) -> list[str]:
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM ({sql}) AS asked LIMIT 0")
            return [column.name for column in cursor.description or ()]


@contextmanager
def looking_at(where: Remote) -> Iterator[PostgresqlSnapshot]:
    """The database there, whatever its schema.

    Raises JournalUnavailable, and Misconfigured for a password that the server refuses.
    """
    try:
        connection = connect(where, PATIENT)
    except psycopg.Error as error:
        refusal = unavailable(where, "opened", error)
        if is_locked_out(error):
            raise Misconfigured(str(refusal)) from error
        raise refusal from error
    try:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield PostgresqlSnapshot(connection)
    except psycopg.Error as error:
        raise unavailable(where, "read", error) from error
    finally:
        connection.close()
