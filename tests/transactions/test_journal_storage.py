"""The journal's file: durable, shared by processes, and refused in plain words when it cannot be
written; then nothing of what was to be written is there."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.transactions.journal import Journal, JournalUnavailable
from scheduler.transactions.journal.sqlite.database import SqliteDatabase
from tests.transactions.samples import ACCOUNT, DONE, intent, prepared, receipt

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal.open(path)
    journal.admit(ACCOUNT)
    yield journal
    journal.close()


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """Those that are opened from now on, the newest last."""
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noticed(*arguments: object, **options: object) -> sqlite3.Connection:
        connections.append(connect(*arguments, **options))  # type: ignore[call-overload]
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", noticed)
    return connections


def settings(connection: sqlite3.Connection) -> list[object]:
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "wal_autocheckpoint")
    return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]


SETTINGS = ["wal", 2, 1, 2000, 1000]


def test_every_commit_is_synced_to_the_disk(
    connections: list[sqlite3.Connection], path: Path
) -> None:
    """WAL with synchronous=FULL (2): NORMAL would lose commits in a power cut."""
    journal = Journal.open(path)
    assert settings(connections[0]) == SETTINGS
    journal.close()


def test_a_journal_that_was_locked_for_a_note_still_syncs_the_commits_behind_it(
    connections: list[sqlite3.Connection], path: Path
) -> None:
    """What a node took is noted without a sync; where that could not be written, it stayed so."""
    journal = Journal.open(path)
    journal.admit(ACCOUNT)
    [attempt] = journal.reserve(ACCOUNT, [prepared(0)])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalUnavailable, match="locked"):
        journal.broadcast([(attempt, "0x")])
    with pytest.raises(JournalUnavailable, match="locked"):
        journal.reserve(ACCOUNT, [prepared(1)])
    other.close()
    assert settings(connections[0]) == SETTINGS
    journal.close()


def test_no_reservation_waits_for_a_checkpoint(journal: Journal, path: Path) -> None:
    """It leaves what is in the WAL, however much, to a transaction that nothing waits for."""
    before = path.read_bytes()
    large = prepared(0, intent(data=bytes(5_000_000)))
    [attempt] = journal.reserve(ACCOUNT, [large])
    assert path.read_bytes() == before
    journal.broadcast([(attempt, "0x")])
    assert len(path.read_bytes()) > len(before) + 5_000_000


def test_a_journal_without_wal_is_refused() -> None:
    """As on a file system without shared memory; a database in memory has no WAL either."""
    with pytest.raises(JournalUnavailable, match="memory instead of WAL"):
        Journal.open(Path(":memory:"))


def test_what_was_committed_survives_sigkill(path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from scheduler.transactions.journal import Journal
from tests.transactions.samples import ACCOUNT, prepared
journal = Journal.open(Path({str(path)!r}))
journal.admit(ACCOUNT)
journal.reserve(ACCOUNT, [prepared(0), prepared(1)])
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False, cwd=_root())
    journal = Journal.open(path)
    assert [attempt.nonce for attempt in journal.open_attempts(ACCOUNT)] == [0, 1]
    journal.close()


RESERVES = """
import sys
from pathlib import Path
from scheduler.transactions.journal import Journal, NonceTaken
from tests.transactions.samples import ACCOUNT, intent, prepared

path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
journal = Journal.open(path)
journal.admit(ACCOUNT)
conflicts = 0
for number in range(count):
    while True:
        nonce = journal.next_nonce(ACCOUNT)
        try:
            journal.reserve(ACCOUNT, [prepared(nonce, intent(f"{name}:{number}"))])
            break
        except NonceTaken:
            conflicts += 1
print(conflicts)
"""


def test_processes_that_reserve_at_the_same_time_never_share_a_nonce(path: Path) -> None:
    """They also make the file together."""
    processes, each = 4, 25
    running = [
        subprocess.Popen(
            [sys.executable, "-c", RESERVES, str(path), f"process {number}", str(each)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_root(),
        )
        for number in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    answers = []
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in running:
        answer, _ = process.communicate(timeout=60)
        answers.append((process.returncode, answer))
    assert [code for code, _ in answers] == [0] * processes, answers

    journal = Journal.open(path)
    attempts = journal.open_attempts(ACCOUNT)
    journal.close()
    assert [attempt.nonce for attempt in attempts] == list(range(processes * each))
    assert len({attempt.intent.key for attempt in attempts}) == processes * each
    assert len({attempt.hash for attempt in attempts}) == processes * each


def test_a_locked_journal_is_told_and_nothing_is_written(journal: Journal, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(JournalUnavailable, match=r"locked; .* fuser -v .*journal\.db"):
        journal.reserve(ACCOUNT, [prepared(0)])
    assert time.monotonic() - began > 1.5, "another's commit is waited for"
    other.execute("ROLLBACK")
    other.close()
    assert journal.open_attempts(ACCOUNT) == []
    journal.reserve(ACCOUNT, [prepared(0)])


def test_a_full_volume_is_told_and_nothing_is_written(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    Journal.open(path).close()
    connection.execute("PRAGMA foreign_keys = ON")
    journal = Journal(SqliteDatabase(connection), clock=time.time)
    journal.admit(ACCOUNT)
    [(pages,)] = connection.execute("PRAGMA page_count").fetchall()
    connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    many = [prepared(nonce) for nonce in range(100)]
    with pytest.raises(JournalUnavailable, match="full; make room on its volume"):
        journal.reserve(ACCOUNT, many)
    assert journal.open_attempts(ACCOUNT) == []
    assert journal.next_nonce(ACCOUNT) == 0
    connection.execute("PRAGMA max_page_count = 1000000")
    assert len(journal.reserve(ACCOUNT, many)) == 100
    journal.close()


FAILS_TO_WRITE = """
import resource, signal, sys
from pathlib import Path
from scheduler.transactions.journal import Journal, JournalUnavailable
from tests.transactions.samples import ACCOUNT, prepared

path = Path(sys.argv[1])
journal = Journal.open(path)
journal.admit(ACCOUNT)
journal.reserve(ACCOUNT, [prepared(0)])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = path.with_name("journal.db-wal").stat().st_size + 5000
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
try:
    journal.reserve(ACCOUNT, [prepared(nonce) for nonce in range(1, 100)])
except JournalUnavailable as error:
    print(error)
print([attempt.nonce for attempt in journal.open_attempts(ACCOUNT)])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
journal.reserve(ACCOUNT, [prepared(1)])
journal.close()
"""


def test_a_write_that_fails_half_way_leaves_nothing(path: Path) -> None:
    """The kernel refuses to make the file longer in the middle of a commit."""
    done = _run(FAILS_TO_WRITE, path)
    error, nonces = done.stdout.splitlines()
    assert "disk I/O error; see what is wrong with its volume" in error
    assert nonces == "[0]"
    assert (done.returncode, done.stderr) == (0, "")
    journal = Journal.open(path)
    assert [attempt.nonce for attempt in journal.open_attempts(ACCOUNT)] == [0, 1]
    journal.close()


OPENS_AS_NOBODY = f"""
import os, sys
from pathlib import Path
from scheduler.transactions.journal import Journal, JournalUnavailable
if os.geteuid() == 0:
    os.setuid({NOBODY})
try:
    Journal.open(Path(sys.argv[1]))
except JournalUnavailable as error:
    print(error)
"""


@pytest.mark.parametrize("file", ["journal.db", "missing.db"])
def test_a_journal_that_may_not_be_written_is_told(file: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        Journal.open(directory / "journal.db").close()
        (directory / "journal.db").chmod(0o444)
        directory.chmod(0o555)
        done = _run(OPENS_AS_NOBODY, directory / file)
        directory.chmod(0o755)
    assert done.stderr == ""
    [line] = done.stdout.splitlines()
    assert str(directory / file) in line
    assert "see" in line


def test_what_is_no_journal_is_told(path: Path) -> None:
    path.write_text("this is no database\n" * 100)
    with pytest.raises(JournalUnavailable, match="not a database; move it away"):
        Journal.open(path)


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match=r"unable to open .* directory must be"):
        Journal.open(tmp_path / "missing" / "journal.db")


def test_reading_fails_in_the_same_words(journal: Journal, path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("DROP TABLE outcomes")
    other.close()
    with pytest.raises(JournalUnavailable, match=f"the journal {path} cannot be read"):
        journal.outcome_counts(ACCOUNT.chain)


def test_two_journals_of_one_file_see_each_others_commits(journal: Journal, path: Path) -> None:
    other = Journal.open(path)
    [attempt] = journal.reserve(ACCOUNT, [prepared(0)])
    other.mined(attempt, receipt(attempt), DONE)
    [seen] = journal.open_attempts(ACCOUNT)
    assert seen.block_number == 5
    other.close()


def _run(script: str, *arguments: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=_root(),
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )


def _root() -> Path:
    """Where the tests can be imported from."""
    return Path(__file__).parents[2]
