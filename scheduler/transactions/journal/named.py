"""SQL kept in files: named queries and numbered migrations, one set per dialect."""

import re
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MIGRATION = re.compile(r"^(\d{4})-[\w-]+\.(\w+)\.sql$")


def queries(dialect: str) -> dict[str, str]:
    """The dialect's queries by name: what follows a line `-- name: NAME`, to the next such line."""
    text = _read(f"queries.{dialect}.sql")
    _, *parts = _NAME.split(text)
    return {
        name: body.strip().rstrip(";") for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def migrations(dialect: str) -> list[tuple[int, str]]:
    """(number, SQL) of the dialect's migrations, in the order in which they are applied."""
    folder = resources.files(__package__) / "migrations"
    found = [
        (int(match[1]), _read(f"migrations/{entry.name}"))
        for entry in folder.iterdir()
        if (match := _MIGRATION.match(entry.name)) and match[2] == dialect
    ]
    return sorted(found)


def _read(path: str) -> str:
    return (resources.files(__package__) / path).read_text(encoding="utf-8")
