"""docs/journal.md names every state, every column and every command."""

import re
import sqlite3
from enum import Enum
from pathlib import Path

import pytest

from scheduler.operations.journal_commands import journal
from scheduler.transactions.journal import named
from scheduler.transactions.journal.reading import TABLES, Reading
from scheduler.transactions.journal.sqlite.snapshot import SqliteSnapshot
from scheduler.transactions.states import AttemptState, IntentState, Purpose, SlotState

PAGE = (Path(__file__).parents[2] / "docs" / "journal.md").read_text()


@pytest.fixture
def declared() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.executescript(named.schema("sqlite"))
    return connection


def cells(page: str, heading: str) -> list[str]:
    """The first cells of the table whose header begins so."""
    _, table = page.split(f"\n| {heading} |", 1)
    rows, _, _ = table.partition("\n\n")
    return re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)


@pytest.mark.parametrize(
    ("heading", "states"),
    [("intent", IntentState), ("attempt", AttemptState), ("slot", SlotState)],
)
def test_every_state_has_its_meaning(heading: str, states: type[Enum]) -> None:
    assert cells(PAGE, heading) == [state.value for state in states]


def test_every_purpose_has_its_meaning() -> None:
    assert [each.value for each in Purpose if f"`{each.value}`, to " not in PAGE] == []


def described() -> dict[str, set[str]]:
    """The names in the columns' table, by table; those of CSV are in brackets."""
    columns: dict[str, set[str]] = {}
    table = ""
    _, section = PAGE.split("\n| table |", 1)
    for first, second in re.findall(r"^\|(?: (`\w+`))? \| (.+?) \| ", section, re.MULTILINE):
        if first:
            table = first.strip("`")
        columns.setdefault(table, set()).update(re.findall(r"`(\w+)`", second))
    return {table: columns[table] for table in TABLES}


IN_CSV = {
    "slots": {"slot_state"},
    "attempts": {"attempt", "attempt_state", "signed_at"},
    "outcomes": {"outcome"},
}


@pytest.mark.parametrize("table", TABLES)
def test_every_column_has_its_meaning(table: str, declared: sqlite3.Connection) -> None:
    there = {row["name"] for row in declared.execute(f"PRAGMA table_info({table})")}
    assert described()[table] == there | IN_CSV.get(table, set())
    declared.close()


def test_csv_has_every_column_once(declared: sqlite3.Connection) -> None:
    """Those of a slot and a placement are its attempt's."""
    columns = Reading(SqliteSnapshot(declared)).columns_of_sheet()
    assert len(set(columns)) == len(columns)
    tables = ("intents", "attempts", "outcomes")
    everything = {name for table in tables for name in described()[table]} | {"slot_state"}
    # The attempt's number and the intent's key stand for these.
    assert set(columns) - {"consumed_by", "purse", "reserved"} == everything - {"id", "intent"}
    declared.close()


def test_every_command_is_named() -> None:
    named_ones = set(re.findall(r"^scheduler journal (\w+)", PAGE, re.MULTILINE))
    assert named_ones == set(journal.commands)
