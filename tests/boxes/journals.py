"""Journals that boxes share."""

from pathlib import Path

from scheduler.transactions.journal import postgresql_migrations
from scheduler.transactions.journal.location import Remote
from tests.postgres import Server


def migrated(server: Server, directory: Path, port: int | None = None) -> Remote:
    """A new journal on the server; `directory` is for what programs leave on their box."""
    where = Remote(server.local(server.database()), directory)
    postgresql_migrations.apply(where)
    return where
