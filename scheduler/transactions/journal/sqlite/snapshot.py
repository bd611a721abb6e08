"""A journal's SQLite file as it is at one moment, read without touching it."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scheduler.transactions.journal.errors import JournalUnavailable, unavailable
from scheduler.transactions.journal.sqlite.database import BUSY_TIMEOUT_MS, DIALECT


class SqliteSnapshot:
    """What a read transaction sees; see Snapshot."""

    dialect = DIALECT

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def schema(self) -> int:
        [row] = self.connection.execute("PRAGMA user_version")
        return int(row[0])

    def size(self) -> int:
        [(pages,)] = self.connection.execute("PRAGMA page_count")
        [(page,)] = self.connection.execute("PRAGMA page_size")
        return int(pages * page)

    def rows(self, sql: str, values: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        return map(dict, self.connection.execute(sql, values))

    def columns(self, sql: str) -> list[str]:
        return [name for name, *_ in self.connection.execute(sql).description]

    def copy_to(self, path: Path) -> None:
        """Writes all of it into a new file, durably. Raises JournalUnavailable."""
        try:
            copy = sqlite3.connect(path)
            try:
                self.connection.backup(copy)
            finally:
                copy.close()
        except sqlite3.Error as error:
            raise unavailable(str(path), "written", error) from error


@contextmanager
def looking_at(path: Path) -> Iterator[SqliteSnapshot]:
    """The file at `path`, whatever its schema. Raises JournalUnavailable.

    All is read in one transaction, so it fits together. SQLite makes a -wal and a -shm file even
    to read in WAL mode, and only a writer removes them; so a file that nobody has opened, which
    has none, is read as one that does not change, and that it did not is checked at the end.
    """
    alone = not os.path.exists(f"{path}-wal")
    try:
        before = _version(path)
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro{'&immutable=1' if alone else ''}",
            uri=True,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_MS / 1000,
        )
    except OSError as error:
        raise JournalUnavailable(
            f"the journal {path} cannot be opened: {error.strerror}"
        ) from error
    except sqlite3.Error as error:
        raise unavailable(str(path), "opened", error) from error
    connection.row_factory = sqlite3.Row
    changed = False
    try:
        connection.execute("BEGIN")
        yield SqliteSnapshot(connection)
    except sqlite3.Error as error:
        changed = alone and _version(path) != before
        if not changed:
            raise unavailable(str(path), "read", error) from error
    else:
        changed = alone and _version(path) != before
    finally:
        connection.close()
    if changed:
        raise JournalUnavailable(f"a program began to write the journal {path}; look again")


def _version(path: Path) -> tuple[int, int]:
    """Differs when the file was written meanwhile."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size
