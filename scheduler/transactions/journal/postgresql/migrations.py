"""Applies the numbered migrations to a PostgreSQL database, each whole or not at all."""

import time

import psycopg

from scheduler.transactions.journal import named
from scheduler.transactions.journal.location import Remote
from scheduler.transactions.journal.postgresql.connection import PATIENT, connect, unavailable
from scheduler.transactions.journal.postgresql.database import DIALECT, WRITER, schema_of


def apply(where: Remote) -> None:
    """Applies those that the database lacks, while nobody else writes. Raises JournalUnavailable.

    A program that waits for its turn meanwhile gives up in time, and says so.
    """
    try:
        with connect(where, PATIENT) as connection:
            for number, sql in named.migrations(DIALECT):
                with connection.transaction():
                    connection.execute(f"SELECT pg_advisory_xact_lock({WRITER})")
                    if number > schema_of(connection):
                        # Without values it goes as it is, however many statements there are.
                        connection.execute(sql)
                        connection.execute(
                            "INSERT INTO migrations VALUES (%s, %s)", [number, time.time()]
                        )
    except psycopg.Error as error:
        raise unavailable(where, "migrated", error) from error
