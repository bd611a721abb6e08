"""What must be unique is unique in the database itself, whatever writes to it."""

import re
import sqlite3
from enum import Enum
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scheduler.transactions.journal import Journal, JournalUnavailable, Location, Remote
from scheduler.transactions.journal.named import migrations, newest_migration, schema
from scheduler.transactions.journal.reading import TABLES
from scheduler.transactions.states import (
    AttemptState,
    IntentState,
    OutcomeKind,
    Purpose,
    SlotState,
)
from tests.transactions.places import DIALECTS, asked
from tests.transactions.samples import ACCOUNT, DONE, intent, prepared, receipt


@pytest.fixture
def filled(place: Location) -> Location:
    """A journal with a mined attempt in the slot 0 and a signed one in the slot 1."""
    journal = Journal.open(place)
    journal.admit(ACCOUNT)
    [first, _] = journal.reserve(ACCOUNT, [prepared(0, intent("a")), prepared(1, intent("b"))])
    journal.mined(first, receipt(first), DONE)
    journal.close()
    return place


def content(place: Location) -> list[tuple[Any, ...]]:
    """All rows of all tables, as somebody sees them who knows nothing of our rules."""
    tables = [asked(place, f"SELECT * FROM {table}") for table in TABLES]
    return [row for rows in tables for row in sorted(rows, key=str)]


def refusal(place: Location, statement: str) -> str:
    """How the database refuses it, in SQLite's words."""
    with pytest.raises((sqlite3.Error, psycopg.Error)) as refused:
        asked(place, statement)
    error = refused.value
    if isinstance(error, psycopg.errors.UniqueViolation):
        found = re.match(r"Key \((.*?)\)=", error.diag.message_detail or "")
        assert found
        columns = [f"{error.diag.table_name}.{name}" for name in found[1].split(", ")]
        return f"UNIQUE constraint failed: {', '.join(columns)}"
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return "FOREIGN KEY constraint failed"
    # A text that is no JSON fits into no column of that type.
    if isinstance(error, psycopg.errors.CheckViolation | psycopg.errors.InvalidTextRepresentation):
        return "CHECK constraint failed"
    assert isinstance(error, sqlite3.Error), error
    return str(error)


def copied(table: str, **changes: str) -> str:
    """SQL that inserts a copy of the table's first row, with some columns other expressions."""
    columns = {
        "slots": "chain account nonce state consumed_by program purse reserved created_at",
        "placements": "intent chain account nonce is_open",
        "attempts": "id chain account nonce intent purpose fields raw hash state head_number "
        "block_number block_hash created_at",
        "intents": "key family kind chain contract params recipient data value gas first_block "
        "last_block urgency max_cost min_price worth_sending expects proof state created_at",
        "outcomes": "attempt intent kind detail gas_used gas_price sent earned returned is_final "
        "judged_at",
    }[table].split()
    # A new row has a number of its own.
    changes = {**({"id": "9"} if "id" in columns else {}), **changes}
    values = [changes.get(column, column) for column in columns]
    names, row = ", ".join(columns), ", ".join(values)
    first = {"attempts": "id", "intents": "key", "outcomes": "attempt"}.get(table, "nonce")
    return f"INSERT INTO {table} ({names}) SELECT {row} FROM {table} ORDER BY {first} LIMIT 1"


REFUSED = [
    ("a nonce twice", copied("slots"), "UNIQUE constraint failed: slots"),
    (
        "an intent in two open slots",
        copied("placements", nonce="1"),
        "UNIQUE constraint failed: placements.intent",
    ),
    (
        "a hash twice",
        copied("attempts", state="'broadcast'", block_number="NULL", block_hash="NULL"),
        "UNIQUE constraint failed: attempts.chain, attempts.hash",
    ),
    (
        "two mined attempts in a slot",
        copied("attempts", hash="'0xother'"),
        "UNIQUE constraint failed: attempts.chain, attempts.account, attempts.nonce",
    ),
    ("an intent twice", copied("intents"), "UNIQUE constraint failed: intents.key"),
    ("an outcome twice", copied("outcomes"), "UNIQUE constraint failed: outcomes.attempt"),
    ("an attempt without a slot", copied("attempts", nonce="9", hash="'0xother'"), "FOREIGN"),
    ("a slot of an account not admitted", copied("slots", account="'0x'"), "FOREIGN KEY"),
    ("a negative nonce", copied("slots", nonce="-1"), "CHECK"),
    ("a slot consumed by nothing", copied("slots", nonce="9", state="'consumed'"), "CHECK"),
    ("a purse that is none", copied("slots", nonce="9", purse="'loans'"), "CHECK"),
    ("an open slot that is consumed", copied("slots", nonce="9", consumed_by="'0x'"), "CHECK"),
    (
        "a mined attempt without a block",
        copied("attempts", nonce="1", hash="'0x'", block_hash="NULL", block_number="NULL"),
        "CHECK",
    ),
    (
        "a signed attempt in a block",
        copied("attempts", nonce="1", hash="'0xother'", state="'signed'"),
        "CHECK",
    ),
    ("bytes without a hash", copied("attempts", nonce="1", hash="NULL"), "CHECK"),
    (
        "a window that ends before it opens",
        copied("intents", key="'c'", last_block="0"),
        "CHECK",
    ),
    ("an intent without gas", copied("intents", key="'c'", gas="0"), "CHECK"),
    (
        "fields that are no JSON",
        copied("attempts", nonce="1", hash="'0x'", fields="'{'"),
        "CHECK",
    ),
]


@pytest.mark.parametrize(
    ("sql", "constraint"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_the_database_refuses(sql: str, constraint: str, filled: Location) -> None:
    before = content(filled)
    assert constraint in refusal(filled, sql)
    assert content(filled) == before


def test_a_replacement_fits_into_a_slot_beside_what_it_replaces(filled: Location) -> None:
    asked(
        filled,
        copied("attempts", hash="'0x'", state="'replaced'", block_hash="NULL", block_number="NULL"),
    )


def test_an_intent_fits_into_a_slot_again_when_the_earlier_one_is_closed(filled: Location) -> None:
    asked(
        filled,
        "UPDATE placements SET is_open = 0 WHERE intent = 'a'",
        copied("placements", nonce="1", is_open="1"),
    )


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("table", "column", "states"),
    [
        ("intents", "state", IntentState),
        ("slots", "state", SlotState),
        ("attempts", "state", AttemptState),
        ("attempts", "purpose", Purpose),
        ("outcomes", "kind", OutcomeKind),
    ],
)
def test_the_schema_allows_the_states_that_the_program_knows(
    table: str, column: str, states: "type[Enum] | frozenset[Enum]", dialect: str
) -> None:
    [sql] = re.findall(rf"^CREATE TABLE {table} .*?^\)", schema(dialect), re.DOTALL | re.MULTILINE)
    allowed = re.search(
        rf"^ *{column} +(?i:TEXT) NOT NULL CHECK \((.*?)\),$", sql, re.DOTALL | re.MULTILINE
    )
    assert allowed is not None
    assert set(re.findall(r"'(\w+)'", allowed[1])) == {state.value for state in states}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_migrations_are_numbered_without_gaps(dialect: str) -> None:
    numbers = [number for number, _ in migrations(dialect)]
    assert numbers == list(range(1, newest_migration("sqlite") + 1))


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_opening_again_changes_nothing(filled: Location) -> None:
    assert asked(filled, "PRAGMA user_version") == [(newest_migration("sqlite"),)]
    before = content(filled)
    Journal.open(filled).close()
    assert content(filled) == before


NEWER = {
    "sqlite": "PRAGMA user_version = 9999",
    "postgresql": "INSERT INTO migrations VALUES (9999, 0)",
}


def test_a_journal_of_a_newer_release_is_left_alone(filled: Location) -> None:
    asked(filled, NEWER["postgresql" if isinstance(filled, Remote) else "sqlite"])
    with pytest.raises(JournalUnavailable, match="newer release"):
        Journal.open(filled)


def test_a_migration_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first, *_] = migrations("sqlite")
    broken = (2, "CREATE TABLE extra (x INTEGER) STRICT;\nCREATE TABLE intents (x TEXT);\n")
    with monkeypatch.context() as patch:
        patch.setattr(
            "scheduler.transactions.journal.named.migrations", lambda dialect: [first, broken]
        )
        with pytest.raises(JournalUnavailable, match="intents"):
            Journal.open(tmp_path / "journal.db")
    connection = sqlite3.connect(tmp_path / "journal.db")
    assert connection.execute("PRAGMA user_version").fetchall() == [(1,)]
    assert connection.execute("SELECT * FROM sqlite_master WHERE name = 'extra'").fetchall() == []
    connection.close()
    Journal.open(tmp_path / "journal.db").close()
