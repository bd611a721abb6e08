"""A journal is brought to the current schema by hand, and kept as it was."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from scheduler.transactions.journal import Journal, JournalUnavailable, named
from scheduler.transactions.journal.upkeep import Migrated, migrate
from tests.transactions.samples import ACCOUNT, intent, prepared

THE_NEXT = "ALTER TABLE outcomes ADD COLUMN remark TEXT;\nCREATE INDEX by_state ON intents (state);"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    journal = Journal.open(path)
    journal.admit(ACCOUNT)
    journal.reserve(ACCOUNT, [prepared(0, intent("a"))])
    journal.close()
    return path


@pytest.fixture
def newest() -> int:
    """The number of this release's newest migration."""
    number, _ = named.migrations("sqlite")[-1]
    return number


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch, newest: int) -> Callable[[str], None]:
    """Makes this release one with another migration."""

    def with_(sql: str) -> None:
        migrations = [*named.migrations("sqlite"), (newest + 1, sql)]
        monkeypatch.setattr(named, "migrations", lambda dialect: migrations)

    return with_


def dumped(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        [(version,)] = connection.execute("PRAGMA user_version").fetchall()
        return [f"schema {version}", *connection.iterdump()]
    finally:
        connection.close()


def test_a_current_journal_is_left_alone(path: Path, newest: int) -> None:
    before = dumped(path)
    assert migrate(path) == Migrated(newest, newest, None)
    assert dumped(path) == before
    assert list(path.parent.iterdir()) == [path]


def test_an_older_one_is_migrated_and_kept_as_it_was(
    path: Path, newest: int, release: Callable[[str], None]
) -> None:
    before = dumped(path)
    path.chmod(0o640)
    release(THE_NEXT)
    done = migrate(path)
    backup = path.with_name(f"journal.db.schema-{newest}")
    assert done == Migrated(newest, newest + 1, backup)
    assert dumped(backup) == before
    assert backup.stat().st_mode & 0o777 == 0o640
    assert dumped(path)[0] == f"schema {newest + 1}"
    assert {each.name for each in path.parent.iterdir()} == {path.name, backup.name}


def test_what_a_running_program_wrote_is_in_the_copy(
    path: Path, release: Callable[[str], None]
) -> None:
    program = Journal.open(path)
    program.reserve(ACCOUNT, [prepared(1, intent("b"))])
    release(THE_NEXT)
    done = migrate(path)
    assert done.backup is not None
    copy = sqlite3.connect(done.backup)
    assert copy.execute("SELECT key FROM intents").fetchall() == [("a",), ("b",)]
    copy.close()
    program.reserve(ACCOUNT, [prepared(2, intent("c"))])
    program.close()


def test_an_earlier_copy_is_kept(path: Path, newest: int, release: Callable[[str], None]) -> None:
    earlier = path.with_name(f"journal.db.schema-{newest}")
    earlier.write_text("precious")
    release(THE_NEXT)
    assert migrate(path).backup == path.with_name(f"journal.db.schema-{newest}-2")
    assert earlier.read_text() == "precious"


def test_a_migration_that_fails_leaves_the_journal_and_its_copy(
    path: Path, newest: int, release: Callable[[str], None]
) -> None:
    before = dumped(path)
    release("CREATE TABLE extra (x INTEGER) STRICT;\nCREATE TABLE intents (x TEXT);\n")
    with pytest.raises(JournalUnavailable, match="intents already exists"):
        migrate(path)
    assert dumped(path) == before
    assert dumped(path.with_name(f"journal.db.schema-{newest}")) == before


def test_a_newer_one_is_refused_and_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = dumped(path)
    with pytest.raises(JournalUnavailable, match="newer release"):
        migrate(path)
    assert dumped(path) == before
    assert list(path.parent.iterdir()) == [path]


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    with pytest.raises(JournalUnavailable, match="another program's database"):
        migrate(other)
    assert "songs" in "".join(dumped(other))
    assert "intents" not in "".join(dumped(other))
    assert list(tmp_path.iterdir()) == [other]


def test_two_queries_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two queries are named spent"):
        named.parsed(
            "-- name: spent\nSELECT 1;\n-- name: left\nSELECT 2;\n-- name: spent\nSELECT 3;"
        )
