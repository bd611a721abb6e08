"""SQL kept in files: named queries, numbered migrations and their sum, one set per dialect."""

import re
from importlib import resources

# The parts of the journal that have queries of their own, by the names of their files.
PARTS = ("deposits", "holds", "orders", "pruning", "searches")

# Those of journals that several boxes share.
SHARED_PARTS = {"postgresql": ("leases",)}

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MIGRATION = re.compile(r"^(\d{4})-[\w-]+\.(\w+)\.sql$")


def queries(dialect: str, file: str = "queries") -> dict[str, str]:
    """A file's queries by name: what follows a line `-- name: NAME`, to the next such line.

    `queries` is what the programs do with the journal, `reading` what looks at it. Raises
    ValueError where two have one name.
    """
    return parsed(_read(f"{file}.{dialect}.sql"))


def all_queries(dialect: str) -> dict[str, str]:
    """What the programs do with the journal; those of its parts are named PART.NAME."""
    found = queries(dialect)
    for part in (*PARTS, *SHARED_PARTS.get(dialect, ())):
        found |= {f"{part}.{name}": sql for name, sql in queries(dialect, part).items()}
    return found


def parsed(sql: str) -> dict[str, str]:
    """The named queries in `sql`; see `queries`."""
    _, *parts = _NAME.split(sql)
    found: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in found:
            raise ValueError(f"two queries are named {name}")
        found[name] = body.strip().rstrip(";")
    return found


def migrations(dialect: str) -> list[tuple[int, str]]:
    """(number, SQL) of the dialect's migrations, in the order in which they are applied."""
    folder = resources.files(__package__) / "migrations"
    found = [
        (int(match[1]), _read(f"migrations/{entry.name}"))
        for entry in folder.iterdir()
        if (match := _MIGRATION.match(entry.name)) and match[2] == dialect
    ]
    return sorted(found)


def newest_migration(dialect: str) -> int:
    """The number of the last one, which is that of this release's schema."""
    return migrations(dialect)[-1][0]


def schema(dialect: str) -> str:
    """The SQL of what all migrations add up to."""
    return _read(f"schema.{dialect}.sql")


def _read(path: str) -> str:
    return (resources.files(__package__) / path).read_text(encoding="utf-8")
