"""Who looks at a journal changes nothing and disturbs nobody."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.transactions.journal import Journal, JournalUnavailable, named
from scheduler.transactions.journal.reading import TABLES, reading
from scheduler.transactions.states import IntentState, SlotState
from tests.transactions.samples import ACCOUNT, DONE, intent, prepared, receipt


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal that nobody uses: `a` is mined in the slot 0, `b` signed in the slot 1."""
    path = tmp_path / "journal.db"
    journal = Journal.open(path)
    journal.admit(ACCOUNT)
    [first, _] = journal.reserve(ACCOUNT, [prepared(0, intent("a")), prepared(1, intent("b"))])
    journal.mined(first, receipt(first), DONE)
    journal.close()
    return path


@pytest.fixture
def program(path: Path) -> Iterator[Journal]:
    """What a running program has open."""
    journal = Journal.open(path)
    yield journal
    journal.close()


def content(path: Path) -> dict[str, bytes]:
    """The files in the journal's directory."""
    return {each.name: each.read_bytes() for each in path.parent.iterdir()}


def keys(path: Path) -> list[str]:
    with reading(path) as journal:
        return [name.key for name in journal.names()]


def test_a_file_that_nobody_uses_is_read_without_making_another(path: Path) -> None:
    before = content(path)
    assert list(before) == ["journal.db"]
    assert keys(path) == ["a", "b"]
    assert content(path) == before


LOOKS_AS_NOBODY = """
import os, sys
from functools import cache
from pathlib import Path
from scheduler.transactions.journal import named
from scheduler.transactions.journal.reading import reading
# Nobody may not be allowed to read the package either.
named.queries, named.migrations = cache(named.queries), cache(named.migrations)
named.queries("sqlite", "reading"), named.migrations("sqlite")
if os.geteuid() == 0:
    os.setuid(65534)
with reading(Path(sys.argv[1])) as journal:
    print(len(journal.names()))
"""


def test_somebody_who_may_only_read_reads(path: Path) -> None:
    # Not in pytest's directory, which only its owner may enter.
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "journal.db"
        shutil.copy(path, copy)
        copy.chmod(0o444)
        copy.parent.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", LOOKS_AS_NOBODY, str(copy)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        copy.parent.chmod(0o755)
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_what_a_running_program_wrote_is_seen(path: Path, program: Journal) -> None:
    program.reserve(ACCOUNT, [prepared(2, intent("c"))])
    assert keys(path) == ["a", "b", "c"]
    program.reserve(ACCOUNT, [prepared(3, intent("d"))])
    assert keys(path) == ["a", "b", "c", "d"]


def test_a_program_writes_while_somebody_looks_who_sees_one_moment(
    path: Path, program: Journal
) -> None:
    with reading(path) as journal:
        before = journal.how_many()
        program.reserve(ACCOUNT, [prepared(2, intent("c"))])
        assert journal.how_many() == before == 2
    assert keys(path) == ["a", "b", "c"]


def test_somebody_looks_while_a_program_is_in_a_transaction(path: Path) -> None:
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE intents SET state = 'suspended' WHERE key = 'a'")
    with reading(path) as journal:
        assert [each.state for each in journal.summaries()] == [
            IntentState.IN_SLOT,
            IntentState.SUCCEEDED,
        ]
    writer.execute("COMMIT")
    writer.close()


def test_what_a_killed_program_wrote_is_seen_and_left_for_it(path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from scheduler.transactions.journal import Journal
from tests.transactions.samples import ACCOUNT, intent, prepared
journal = Journal.open(Path({str(path)!r}))
journal.reserve(ACCOUNT, [prepared(2, intent("c"))])
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[2])
    written = (path.parent / "journal.db-wal").read_bytes()
    assert keys(path) == ["a", "b", "c"]
    assert (path.parent / "journal.db-wal").read_bytes() == written


def test_a_file_that_a_program_begins_to_write_is_to_be_looked_at_again(path: Path) -> None:
    def look_while_a_program_works() -> None:
        with reading(path):
            program = Journal.open(path)
            program.reserve(ACCOUNT, [prepared(2, intent("c"))])
            program.close()

    with pytest.raises(JournalUnavailable, match="look again"):
        look_while_a_program_works()
    assert keys(path) == ["a", "b", "c"]


def test_nothing_can_be_written_through_it(path: Path, program: Journal) -> None:
    before = content(path)
    with pytest.raises(JournalUnavailable, match="readonly"), reading(path) as journal:
        list(journal._snapshot.rows("DELETE FROM outcomes", {}))
    assert content(path)["journal.db"] == before["journal.db"]


def changed(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_file_of_a_newer_release_is_not_guessed_at(path: Path) -> None:
    changed(path, "PRAGMA user_version = 99")
    with pytest.raises(JournalUnavailable, match=r"newer release \(schema 99"):
        keys(path)


def test_an_older_file_is_to_be_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = [*named.migrations("sqlite"), (99, "SELECT 1;")]
    monkeypatch.setattr(named, "migrations", lambda dialect: newer)
    with pytest.raises(JournalUnavailable, match=r"this release reads 99; run: scheduler journal"):
        keys(path)


def test_another_database_is_told_as_one(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    changed(other, "CREATE TABLE songs (title TEXT)")
    with pytest.raises(JournalUnavailable, match=r"other\.db is another program's database"):
        keys(other)


def test_what_is_no_database_is_told_as_that(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database\n" * 100)
    with pytest.raises(JournalUnavailable, match="not a database; move it away"):
        keys(text)


def test_a_path_is_taken_as_it_is_written(path: Path) -> None:
    odd = path.with_name("50% of?mode=rw#it.db")
    path.rename(odd)
    assert keys(odd) == ["a", "b"]


def test_summaries_are_the_newest_first_and_can_be_chosen(path: Path, program: Journal) -> None:
    program.reserve(ACCOUNT, [prepared(2, intent("c", family="others"))])
    with reading(path) as journal:
        assert [each.name.key for each in journal.summaries()] == ["c", "b", "a"]
        assert [each.name.key for each in journal.summaries(limit=2)] == ["c", "b"]
        assert [each.name.key for each in journal.summaries(family="others")] == ["c"]
        in_slot = [IntentState.IN_SLOT]
        assert [each.name.key for each in journal.summaries(in_slot, "tests")] == ["b"]
        assert journal.how_many(in_slot) == 2
        assert journal.how_many([IntentState.EXPIRED, IntentState.SUCCEEDED]) == 1


def test_a_history_has_what_others_have_in_the_same_slot(path: Path) -> None:
    """Only one of them can be mined."""
    changed(
        path,
        "UPDATE placements SET is_open = 0",
        "INSERT INTO placements SELECT 'a', chain, account, 1, 0 FROM placements LIMIT 1",
    )
    with reading(path) as journal:
        history = journal.history("a")
    assert [attempt.intent for attempt in history.attempts] == ["a", "b"]
    assert [(slot.nonce, slot.state) for slot in history.slots] == [
        (0, SlotState.OPEN),
        (1, SlotState.OPEN),
    ]


def test_no_table_is_forgotten(path: Path) -> None:
    with reading(path) as journal:
        assert journal.tables == set(TABLES)
