"""Brings a journal to this release's schema by hand."""

import os
from dataclasses import dataclass
from pathlib import Path

from scheduler.transactions.journal.location import Location, Remote
from scheduler.transactions.journal.reading import (
    Reading,
    check_is_journal,
    check_not_newer,
    looking,
)
from scheduler.transactions.journal.sqlite import snapshot as sqlite_snapshot
from scheduler.transactions.journal.store import Journal


@dataclass(frozen=True, slots=True)
class Migrated:
    """From which schema to which; `backup` is the copy made before, None where none was."""

    before: int
    now: int
    backup: Path | None


def migrate(location: Location, dry_run: bool = False) -> Migrated:
    """Applies the migrations that the journal there lacks; copies a file first, if there are any.
    In a dry run it only says which that would be.

    In an empty PostgreSQL database it makes the journal. Raises JournalUnavailable, and
    Misconfigured for a database that cannot be reached as it is configured. A migration that fails
    leaves nothing of itself.
    """
    if isinstance(location, Remote):
        return _migrate_database(location, dry_run)
    return _migrate_file(location, dry_run)


def _migrate_database(where: Remote, dry_run: bool) -> Migrated:
    from scheduler.transactions.journal.postgresql.migrations import apply

    with looking(where) as journal:
        before, now = journal.schema, journal.newest_schema
        check_not_newer(where, journal)
        check_is_journal(where, journal)
    if before != now and not dry_run:
        apply(where)
    return Migrated(before, now, None)


def _migrate_file(path: Path, dry_run: bool) -> Migrated:
    with sqlite_snapshot.looking_at(path) as snapshot:
        journal = Reading(snapshot)
        before, now = journal.schema, journal.newest_schema
        check_not_newer(path, journal)
        check_is_journal(path, journal)
        if before == now or dry_run:
            return Migrated(before, now, None)
        backup = _free(path.with_name(f"{path.name}.schema-{before}"))
        unfinished = backup.with_name(f"{backup.name}.unfinished")
        snapshot.copy_to(unfinished)
        unfinished.chmod(path.stat().st_mode & 0o777)
        os.replace(unfinished, backup)
    Journal.open(path).close()
    return Migrated(before, now, backup)


def _free(path: Path) -> Path:
    """`path`, or the next one like it that does not exist."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
