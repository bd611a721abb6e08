"""Where a journal is: a file of this box, or a PostgreSQL database that several boxes share."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from scheduler.errors import Misconfigured

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


def location_from(journal: str, directory: str | None, password_file: str | None) -> Location:
    """The same as texts; `directory` and `password_file` are for a URL."""
    if not is_remote(journal):
        return Path(journal)
    return Remote(journal, Path(directory or "."), Path(password_file) if password_file else None)


def check_library() -> None:
    """Raises Misconfigured where psycopg is not installed: few boxes need it."""
    if find_spec("psycopg") is None:
        raise Misconfigured(
            "a journal in a PostgreSQL database needs the extra postgresql, which is not "
            "installed; run: pip install --require-hashes -r requirements-postgresql.txt"
        )


def is_there(location: Location) -> bool:
    """Whether a journal may be there: of a database that is known only when it is asked."""
    return isinstance(location, Remote) or location.exists()


def directory_of(location: Location) -> Path:
    """Where programs leave what is for this box alone."""
    return location.directory if isinstance(location, Remote) else location.parent
