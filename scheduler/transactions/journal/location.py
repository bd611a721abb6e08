"""Where a journal is: a file of this box, or a PostgreSQL database that several boxes share."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class Remote:
    """A PostgreSQL database, as libpq takes it: a URL without a password, so that it can be shown.

    The password is the first line of `password_file`; where that is None, libpq looks for it where
    it always does (PGPASSWORD, PGPASSFILE, ~/.pgpass). What programs leave for this box alone, such
    as signs of life, is in `directory`.
    """

    url: str
    directory: Path
    password_file: Path | None = None

    def __str__(self) -> str:
        return self.url


Location: TypeAlias = Path | Remote


def is_remote(text: str) -> bool:
    """Whether what is configured as the journal is a URL, and not a path."""
    return text.lower().startswith(SCHEMES)


def directory_of(location: Location) -> Path:
    """Where programs leave what is for this box alone."""
    return location.directory if isinstance(location, Remote) else location.parent
