"""schema.sqlite.sql is what all migrations add up to."""

import re
import sqlite3
from pathlib import Path

import pytest

from scheduler.transactions.journal import Journal
from scheduler.transactions.journal.named import schema

# A word, a text in quotes, or a sign; comments are none of these.
TOKEN = re.compile(r"--[^\n]*|'[^']*'|\w+|[^\w\s]")


def normalised(connection: sqlite3.Connection) -> dict[tuple[str, str], list[str]]:
    """The tokens of each table's, index's, view's and trigger's SQL, by kind and name."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {
        (kind, name): [
            token for token in TOKEN.findall(sql.replace('"', "")) if not token.startswith("--")
        ]
        for kind, name, sql in rows
    }


def declared(sql: str) -> dict[tuple[str, str], list[str]]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(sql)
        return normalised(connection)
    finally:
        connection.close()


@pytest.fixture
def migrated(tmp_path: Path) -> dict[tuple[str, str], list[str]]:
    Journal.open(tmp_path / "journal.db").close()
    connection = sqlite3.connect(tmp_path / "journal.db")
    try:
        return normalised(connection)
    finally:
        connection.close()


def test_the_migrations_add_up_to_the_declared_schema(
    migrated: dict[tuple[str, str], list[str]],
) -> None:
    assert declared(schema("sqlite")) == migrated


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("    detail    TEXT NOT NULL,\n", ""),
        ("consumed_by TEXT,", "consumed_by BLOB,"),
        ("    UNIQUE (chain, hash),\n", ""),
        ("CHECK (gas > 0)", "CHECK (gas > 1)"),
        ("REFERENCES slots (chain, account, nonce),", "REFERENCES slots,"),
        ("CREATE INDEX outcomes_by_intent ON outcomes (intent);", ""),
        ("ON placements (intent) WHERE is_open = 1", "ON placements (intent)"),
        (") STRICT;", ");"),
    ],
)
def test_every_difference_counts(
    there: str, instead: str, migrated: dict[tuple[str, str], list[str]]
) -> None:
    assert there in schema("sqlite")
    assert declared(schema("sqlite").replace(there, instead, 1)) != migrated


def test_comments_and_line_breaks_do_not_count(
    migrated: dict[tuple[str, str], list[str]],
) -> None:
    assert declared(re.sub(r"--[^\n]*|\s+", " ", schema("sqlite"))) == migrated
