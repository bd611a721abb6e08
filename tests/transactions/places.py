"""Where the journals of tests are: in a file, or in a database of a real PostgreSQL."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.string import TextLoader

from scheduler.transactions.journal import Location, Remote
from scheduler.transactions.journal.upkeep import migrate
from tests.postgres import Server

_numbers = count(1)

DIALECTS = ("sqlite", "postgresql")


class Databases:
    """Databases of one server, each with an empty journal."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._template = server.database()
        migrate(Remote(server.local(self._template), server.directory))

    @contextmanager
    def one(self, directory: Path) -> Iterator[Remote]:
        """A database with a journal, for a box whose own files are in `directory`."""
        name = f"{self._template}_{next(_numbers)}"
        # What connects to the template while it is copied is refused; nothing does.
        self._server.sql(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy")
        try:
            yield Remote(self._server.local(name), directory)
        finally:
            self._server.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def empty(self, directory: Path) -> Remote:
        """A database that has no journal."""
        return Remote(self._server.local(self._server.database()), directory)


@contextmanager
def place_for(
    dialect: str, directory: Path, databases: Callable[[], Databases]
) -> Iterator[Location]:
    """A place for a new journal. `databases` is called only where one is needed."""
    if dialect == "sqlite":
        yield directory / "journal.db"
        return
    with databases().one(directory) as remote:
        yield remote


def asked(place: Location, *statements: str) -> list[tuple[Any, ...]]:
    """What the last of these answers somebody who knows nothing of our rules; each is committed by
    itself. Raises sqlite3.Error or psycopg.Error."""
    rows: list[tuple[Any, ...]] = []
    if isinstance(place, Remote):
        with psycopg.connect(place.url, autocommit=True) as database:
            database.adapters.register_loader("json", TextLoader)
            for statement in statements:
                cursor = database.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
        return rows
    with closing(sqlite3.connect(place, isolation_level=None)) as file:
        file.execute("PRAGMA foreign_keys = ON")
        for statement in statements:
            rows = file.execute(statement).fetchall()
    return rows
