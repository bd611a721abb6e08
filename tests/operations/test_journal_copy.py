"""`scheduler journal copy`, and the other commands on a journal in a PostgreSQL database."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from scheduler.operations.facts import journal as journals
from scheduler.operations.journal_export import write_json
from scheduler.operations.page import past
from scheduler.pulse import Pulse
from scheduler.transactions.intents import Verdict
from scheduler.transactions.journal import HeldBack, Journal, JournalUnavailable, Location, Remote
from scheduler.transactions.journal.holds import Mode
from scheduler.transactions.journal.orders import What
from scheduler.transactions.journal.postgresql import copying
from scheduler.transactions.journal.pruning import BEGINNING
from scheduler.transactions.journal.reading import TABLES, reading
from scheduler.transactions.journal.searches import Search
from scheduler.transactions.states import OutcomeKind
from tests.commands import finished
from tests.postgres import Server
from tests.transactions.places import asked
from tests.transactions.samples import ACCOUNT, CHAIN, CONTRACT, intent, prepared, receipt

DAY = 86_400.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An operator's home with a journal that has something in every table."""
    now = 1_772_366_422.517
    journal = Journal.open(tmp_path / "journal.db", clock=lambda: now)
    journal.admit(ACCOUNT)
    wishes = [prepared(nonce, intent(f"tests:touch:{nonce}")) for nonce in range(6)]
    old, won, lost, *_ = journal.reserve(ACCOUNT, wishes)
    journal.mined(old, receipt(old), Verdict(OutcomeKind.SUCCEEDED, "", earned=10**24))
    journal.final(ACCOUNT, old)
    now += 100 * DAY
    journal.mined(won, receipt(won), Verdict(OutcomeKind.SUCCEEDED, "kept", staked=10**16))
    journal.final(ACCOUNT, won)
    assert journal.prunings.prune(ACCOUNT, BEGINNING, now - DAY, 9, lambda _: True)[0] == 1
    journal.mined(lost, receipt(lost), Verdict(OutcomeKind.REVERTED, 'it said "a\0b" é'))
    journal.unmined(lost)
    journal.mined(lost, receipt(lost, 6, "b"), Verdict(OutcomeKind.REVERTED, 'it said "a\0b" é'))
    journal.orders.give("tests:touch:3", What.BUMP, "ann")
    journal.holds.place("scheduler", Mode.PAUSE, "ann", "upgrade")
    journal.holds.lift("scheduler", "bob")
    journal.searches.note(CHAIN, CONTRACT, {"x": Search(7, "0x" + "b" * 64, [1, "two"])})
    journal.close()
    with reading(tmp_path / "journal.db") as opened:
        assert [table for table in TABLES if not list(opened.rows(table))] == []
    return tmp_path


@pytest.fixture
def where(database_server: Server, tmp_path: Path) -> Remote:
    return Remote(database_server.local(database_server.database()), tmp_path)


def copied(home: Path, where: Remote, code: int = 0) -> str:
    """What the command says: lines where it does well, else one line."""
    done = finished(home, "scheduler", "journal", "copy", str(home / "journal.db"), where.url)
    assert done.returncode == code, done.stderr
    if code:
        assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    else:
        assert done.stderr == ""
    return done.stdout or done.stderr


def exported(place: Path | Remote) -> list[str]:
    """What other programs get of it, in an order of its own."""
    lines: list[str] = []

    class Lines:
        write = lines.append

    with reading(place) as opened:
        write_json(opened, Lines())  # type: ignore[arg-type]
    return sorted(lines)


def test_a_copy_is_the_whole_journal_and_goes_on_where_it_was(home: Path, where: Remote) -> None:
    before = exported(home / "journal.db")
    told = copied(home, where)
    assert "1 accounts, 5 intents, 5 slots" in told
    assert f'journal = "{where}"' in told
    there = exported(where)
    # PostgreSQL keeps no NUL in a text.
    assert there == sorted(line.replace("\\u0000", "\\ufffd") for line in before)
    journal = Journal.open(where)
    [attempt] = journal.reserve(ACCOUNT, [prepared(6)])
    assert attempt.id == 7
    assert [each.nonce for each in journal.open_attempts(ACCOUNT)] == [2, 3, 4, 5, 6]
    journal.close()


def test_a_program_that_still_has_the_file_begins_nothing_new(home: Path, where: Remote) -> None:
    copied(home, where)
    journal = Journal.open(home / "journal.db")
    with pytest.raises(HeldBack, match=f"this journal was copied to {where.url.partition('?')[0]}"):
        journal.reserve(ACCOUNT, [prepared(6)])
    journal.close()
    with reading(where) as opened:
        assert opened.holds() == []


def test_a_database_that_is_not_empty_is_refused_and_left_alone(home: Path, where: Remote) -> None:
    copied(home, where)
    before = exported(where)
    told = copied(home, where, code=1)
    assert "is not empty: it has rows in accounts" in told
    assert "name a new database" in told
    assert exported(where) == before


def test_a_journal_in_use_is_not_copied(home: Path, where: Remote) -> None:
    Pulse.beside(home / "journal.db", "scheduler").beat(None, {}, None)
    told = copied(home, where, code=2)
    assert f"in use by scheduler (process {os.getpid()}); stop that first" in told
    assert asked(where, "SELECT to_regclass('intents')") == [(None,)]


def test_a_journal_that_is_written_meanwhile_is_not_copied(home: Path, where: Remote) -> None:
    with closing(sqlite3.connect(home / "journal.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert "locked" in copied(home, where, code=1)
    with reading(where) as opened:
        assert [table for table in TABLES if list(opened.rows(table))] == []


def test_a_copy_that_differs_is_not_committed(
    home: Path, where: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = copying._fill

    def changing(connection: Any, table: str, rows: Iterator[dict[str, object]]) -> None:
        other = {"reserved": "1"} if table == "slots" else {}
        fill(connection, table, ({**row, **other} for row in rows))

    monkeypatch.setattr(copying, "_fill", changing)
    with pytest.raises(JournalUnavailable, match="the copy differs from the journal"):
        copying.copy(home / "journal.db", where, "ann")
    with reading(where) as opened:
        assert [table for table in TABLES if list(opened.rows(table))] == []
    journal = Journal.open(home / "journal.db")
    assert journal.holds.standing() == []
    journal.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from unittest import mock
from scheduler.transactions.journal import Remote
from scheduler.transactions.journal.holds import Holds
from scheduler.transactions.journal.postgresql.copying import copy

def killed(*_: object) -> bool:
    os.kill(os.getpid(), signal.SIGKILL)
    return False

file, url = sys.argv[1:]
with mock.patch.object(Holds, "place", killed):
    copy(Path(file), Remote(url, Path(file).parent), "ann")
"""


def killed_between(home: Path, where: Remote) -> None:
    """A copy whose process is killed when the database has it, and the file is not held back."""
    command = [sys.executable, "-c", KILLED, str(home / "journal.db"), where.url]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    with reading(home / "journal.db") as opened:
        assert opened.holds() == []


def test_a_copy_that_was_killed_between_its_commits_is_finished_by_the_next(
    home: Path, where: Remote
) -> None:
    killed_between(home, where)
    before = exported(where)
    assert "1 accounts, 5 intents, 5 slots" in copied(home, where)
    assert exported(where) == before
    with reading(home / "journal.db") as opened:
        assert [hold.why for hold in opened.holds()] == [f"this journal was copied to {where}"]


def test_what_was_written_since_a_copy_was_killed_is_not_copied_over(
    home: Path, where: Remote
) -> None:
    """Somebody went on with the file, or with the database: which of them is right, only the
    operator knows."""
    killed_between(home, where)
    journal = Journal.open(home / "journal.db")
    journal.reserve(ACCOUNT, [prepared(6)])
    journal.close()
    assert "they are not those of the file; name a new database" in copied(home, where, code=1)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://box/journal", "write postgresql://USER@HOST/DATABASE"),
        ("postgresql://ann:secret@box/journal", "it holds no password"),
        ("postgresql://ann@box/journal?password=secret", "it holds no password"),
    ],
)
def test_a_url_that_cannot_be_is_refused_without_its_password(
    home: Path, url: str, words: str
) -> None:
    told = copied(home, Remote(url, home), code=2)
    assert words in told
    assert "secret" not in told


def test_commands_work_on_a_database_as_on_a_file(home: Path, where: Remote) -> None:
    def said(*words: str, code: int = 0) -> str:
        done = finished(home, "scheduler", *words, SCHEDULER_JOURNAL=where.url)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout + done.stderr

    assert "make it with: scheduler journal migrate" in said("pause", code=1)
    dry = ("journal", "migrate", "--dry-run")
    assert said(*dry) == f"the journal {where} would be made, with schema 1\n"
    assert said("journal", "migrate") == f"the journal {where} was made, with schema 1\n"
    for command in (dry, ("journal", "migrate")):
        assert said(*command) == f"the journal {where} has schema 1 already\n"
    asked(where, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    copied(home, where)
    assert "the newest 1 of 5" in said("journal", "list", "--limit", "1")
    assert "It was given a slot: nonce 1" in said("journal", "show", "tests:touch:1")
    lines = [json.loads(line) for line in said("journal", "export").splitlines()]
    assert {line["table"] for line in lines} == set(TABLES)
    header, *rows = said("journal", "export", "--csv").splitlines()
    assert header.startswith("key,family,kind")
    assert len(rows) == 5
    assert "begins nothing new until" in said("pause", "scheduler")
    assert "scheduler goes on" in said("resume", "scheduler")
    assert "bump was ordered by" in said("journal", "bump", "tests:touch:4", "--no-wait")
    assert said("report") == finished(home, "scheduler", "report").stdout
    assert "no account is in quarantine" in said("journal", "trust")


def test_what_watches_a_box_sees_the_same_in_a_database(home: Path, where: Remote) -> None:
    file, now = home / "journal.db", 1_781_000_000.0
    copied(home, where)
    asked(file, "DELETE FROM holds WHERE lifted_at IS NULL")
    for place in (file, where):
        # PostgreSQL keeps no NUL.
        asked(place, "UPDATE outcomes SET detail = 'it said' WHERE kind = 'reverted'")

    def watched(location: Location) -> dict[str, Any]:
        found = journals.JournalWatch(location).look(CHAIN, journals.turns(location))
        facts = {**asdict(found), "journal": asdict(found.journal)}
        for name in ("path", "size", "wal_size"):
            assert facts["journal"].pop(name) is not None
        for slot in facts["journal"]["open_slots"]:
            del slot["age"]
        # To fifteen digits, says Money.
        for sums in (facts["money"], facts["journal"]):
            for name in {"fees", "earned", "fees_paid"} & sums.keys():
                sums[name] = f"{sums[name]:.12g}"
        return facts

    assert watched(where) == watched(file)
    assert past.done(where) == past.done(file)
    assert past.days(where, now) == past.days(file, now)
    assert past.story(where, "tests:touch:1") == past.story(file, "tests:touch:1")
    assert past.story(where, "tests:touch:99") is None


def test_status_tells_of_a_journal_in_a_database(home: Path, where: Remote) -> None:
    copied(home, where)
    done = finished(home, "scheduler", "status", "--json", SCHEDULER_JOURNAL=where.url)
    status = json.loads(done.stdout)
    assert status["facts"]["journal"]["path"] == where.url
    assert status["facts"]["journal"]["intents"] == {"in_slot": 3, "reverted": 1, "succeeded": 1}
