"""Journals that boxes share."""

from pathlib import Path

from scheduler.transactions.journal.location import Remote
from scheduler.transactions.journal.postgresql import migrations
from tests.postgres import Server


def migrated(server: Server, directory: Path, database: str | None = None) -> Remote:
    """A journal in a new database of the server, or in this one; `directory` is for what programs
    leave on their box."""
    where = Remote(server.local(database or server.database()), directory)
    migrations.apply(where)
    return where
