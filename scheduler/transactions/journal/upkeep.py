"""Brings a journal to this release's schema by hand, with a copy of it as it was."""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from scheduler.transactions.journal import named
from scheduler.transactions.journal.database import DIALECT
from scheduler.transactions.journal.errors import unavailable
from scheduler.transactions.journal.reading import check_is_journal, check_not_newer, looking
from scheduler.transactions.journal.store import Journal


@dataclass(frozen=True, slots=True)
class Migrated:
    """From which schema to which; `backup` is the copy made before, None where nothing was done."""

    before: int
    now: int
    backup: Path | None


def migrate(path: Path) -> Migrated:
    """Applies the migrations that the file at `path` lacks; copies it first, if there are any.

    Raises JournalUnavailable. A migration that fails leaves nothing of itself.
    """
    newest, _ = named.migrations(DIALECT)[-1]
    with looking(path) as journal:
        before = journal.schema
        check_not_newer(path, before)
        check_is_journal(path, journal)
        if before == newest:
            return Migrated(before, newest, None)
        backup = _free(path.with_name(f"{path.name}.schema-{before}"))
        unfinished = backup.with_name(f"{backup.name}.unfinished")
        try:
            journal.copy_to(unfinished)
        except sqlite3.Error as error:
            raise unavailable(str(unfinished), "written", error) from error
        unfinished.chmod(path.stat().st_mode & 0o777)
        os.replace(unfinished, backup)
    Journal.open(path).close()
    return Migrated(before, newest, backup)


def _free(path: Path) -> Path:
    """`path`, or the next one like it that does not exist."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
