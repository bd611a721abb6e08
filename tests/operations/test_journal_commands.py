"""`scheduler journal …` as an operator types it."""

import csv
import json
import os
import pty
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from scheduler.operations import journal_listing
from scheduler.transactions.intents import Intent, Verdict
from scheduler.transactions.journal import Account, Journal, named
from scheduler.transactions.journal.reading import TABLES, reading
from scheduler.transactions.quarantine import CALM_BLOCKS
from scheduler.transactions.states import OutcomeKind, Quarantine
from tests.commands import (
    BIN,
    alarm_chain,
    environment,
    eth_alarm,
    finished,
    mine_up_to,
    refusal,
    schedule_on,
    walk_to,
)
from tests.transactions.samples import ACCOUNT, CHAIN, CONTRACT, DONE, intent, prepared, receipt

CALLS = [f"0x{number:02d}" + "ab" * 19 for number in range(3)]
NEWEST, _ = named.migrations("sqlite")[-1]
ANSWER_OF_SOMEBODY = 'x,"…"\n\x1b[2J'


def call(address: str, kind: str = "execute") -> Intent:
    key = f"alarm:{kind}:{CHAIN}:{CONTRACT}:{address}-{'7' * 16}"
    return intent(key, family="alarm", kind=kind, params={"call": address})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An operator's home with a journal: calls mined finally, reverted, and on their way."""
    journal = Journal.open(tmp_path / "journal.db", clock=lambda: 1_772_366_422.5)
    journal.admit(ACCOUNT)
    wishes = [prepared(nonce, call(address)) for nonce, address in enumerate(CALLS)]
    [first, second, _] = journal.reserve(ACCOUNT, wishes)
    journal.mined(first, receipt(first), DONE)
    journal.final(ACCOUNT, first)
    journal.mined(second, receipt(second), Verdict(OutcomeKind.REVERTED, ANSWER_OF_SOMEBODY))
    journal.close()
    return tmp_path


def journal(home: Path, *words: str, **extra: str) -> str:
    """What the command writes; it must do well, and leave the journal alone."""
    before = (home / "journal.db").read_bytes()
    done = finished(home, "scheduler", "journal", *words, **extra)
    assert (done.returncode, done.stderr) == (0, "")
    assert (home / "journal.db").read_bytes() == before
    assert {path.name for path in home.iterdir()} == {"journal.db"}
    return done.stdout


def test_in_a_pipe_the_list_has_one_line_for_each_intent_and_a_word_in_each_column(
    home: Path,
) -> None:
    header, *lines = [line.split() for line in journal(home, "list", TZ="UTC").splitlines()]
    assert header == list(journal_listing.COLUMNS)
    [third, second, first] = [dict(zip(header, line, strict=True)) for line in lines]
    assert [row["key"] for row in (first, second, third)] == CALLS
    assert first == {
        **first,
        "kind": "execute",
        "state": "succeeded",
        "nonce": "0",
        "attempts": "1",
        "block": "5",
        "outcome": "succeeded",
        "when": "2026-03-01T12:00:22+00:00",
    }
    assert second["outcome"] == "reverted?"
    assert (third["state"], third["block"], third["outcome"]) == ("in_slot", "-", "-")


def test_every_key_in_the_list_is_one_that_show_takes(home: Path) -> None:
    _, *lines = journal(home, "list").splitlines()
    for line, address in zip(lines, reversed(CALLS), strict=True):
        assert f"call {address}" in journal(home, "show", line.split()[0])


def test_the_list_can_be_chosen_by_state_and_family(home: Path) -> None:
    both = journal(home, "list", "--state", "in_slot", "--state", "reverted").splitlines()
    assert [line.split()[0] for line in both[1:]] == [CALLS[2], CALLS[1]]
    assert len(journal(home, "list", "--family", "alarm").splitlines()) == 4
    assert len(journal(home, "list", "--family", "jobs").splitlines()) == 1


def test_what_a_limit_leaves_out_is_told_beside_the_list(home: Path) -> None:
    done = finished(home, "scheduler", "journal", "list", "--limit", "1")
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == "the newest 1 of 3; for all: --limit 0\n"
    assert len(journal(home, "list", "--limit", "0").splitlines()) == 4


def test_as_json_the_list_has_whole_keys_and_real_numbers(home: Path) -> None:
    rows = [json.loads(line) for line in journal(home, "list", "--json").splitlines()]
    assert rows[2]["key"].startswith(f"alarm:execute:{CHAIN}:")
    assert (rows[2]["short"], rows[2]["nonce"], rows[2]["final"]) == (CALLS[0], 0, True)
    assert (rows[0]["block"], rows[0]["outcome"], rows[0]["final"]) == (None, None, False)


@pytest.mark.parametrize("width", [80, 120, 160])
def test_on_a_terminal_no_key_is_cut_and_no_line_is_longer(home: Path, width: int) -> None:
    reader, writer = pty.openpty()
    subprocess.run(
        [str(BIN / "scheduler"), "journal", "list"],
        env={**environment(home, {}), "COLUMNS": str(width), "TERM": "xterm"},
        stdout=writer,
        check=True,
    )
    os.close(writer)
    shown = b""
    with os.fdopen(reader, "rb", buffering=0) as terminal, suppress(OSError):
        # Linux says EIO where the other side of a terminal is closed.
        while piece := terminal.read(4096):
            shown += piece
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= width
    for line, address in zip(lines[1:], reversed(CALLS), strict=True):
        assert line.startswith(address)


def test_an_empty_journal_is_an_empty_list(tmp_path: Path) -> None:
    Journal.open(tmp_path / "journal.db").close()
    assert len(journal(tmp_path, "list").splitlines()) == 1
    assert journal_listing.table([], {}, 80).row_count == 0
    assert journal(tmp_path, "export") == ""
    line = refusal(tmp_path, "scheduler", "journal", "show", "0x12")
    assert line.endswith("it holds none at all")


def test_a_key_that_no_intent_has_is_one_line_with_the_nearest(home: Path) -> None:
    line = refusal(home, "scheduler", "journal", "show", CALLS[1][:-1] + "c")
    assert line.endswith(f"; the nearest is {CALLS[1]}")


def test_a_part_that_several_keys_have_lists_them(home: Path) -> None:
    line = refusal(home, "scheduler", "journal", "show", "execute")
    assert line == f"scheduler: 'execute' may be any of 3 intents: {', '.join(CALLS)}"


def test_foreign_words_are_shown_and_do_nothing(home: Path) -> None:
    assert r'(x,"…"\n\x1b[2J)' in journal(home, "show", CALLS[1])


def test_a_terminal_that_lacks_a_letter_shows_its_code(home: Path) -> None:
    shown = journal(home, "show", CALLS[1], PYTHONIOENCODING="latin-1")
    assert r'(x,"\u2026"\n\x1b[2J)' in shown


def test_export_has_every_row_of_every_table(home: Path) -> None:
    rows = [json.loads(line) for line in journal(home, "export", TZ="UTC").splitlines()]
    counts = {table: sum(row["table"] == table for row in rows) for table in TABLES}
    assert counts == {
        "accounts": 1,
        "intents": 3,
        "slots": 3,
        "placements": 3,
        "attempts": 3,
        "outcomes": 2,
        "deposits": 0,
        "holds": 0,
        "orders": 0,
        "reorgs": 0,
        "past_days": 0,
        "forgotten": 0,
        "searches": 0,
    }
    [wish, *_] = [row for row in rows if row["table"] == "intents"]
    assert wish["params"] == {"call": CALLS[0]}
    assert (wish["data"], wish["value"]) == ("0x0102", "0")
    assert wish["created_at"] == "2026-03-01T12:00:22+00:00"
    [attempt, *_] = [row for row in rows if row["table"] == "attempts"]
    assert bytes.fromhex(attempt["raw"][2:])[0] == 2
    assert attempt["fields"]["maxFeePerGas"] == "0x9"
    [_, outcome] = [row for row in rows if row["table"] == "outcomes"]
    assert outcome["detail"] == ANSWER_OF_SOMEBODY


def test_as_csv_each_attempt_has_a_line_with_all_that_belongs_to_it(home: Path) -> None:
    rows = list(csv.DictReader(journal(home, "export", "--csv").splitlines(keepends=True)))
    assert [row["params"] for row in rows] == [json.dumps({"call": each}) for each in CALLS]
    assert [row["outcome"] for row in rows] == ["succeeded", "reverted", ""]
    assert [row["slot_state"] for row in rows] == ["consumed", "open", "open"]
    assert rows[1]["detail"] == ANSWER_OF_SOMEBODY
    with reading(home / "journal.db") as opened:
        assert list(rows[0]) == opened.columns_of_sheet()


def test_a_reader_that_has_enough_ends_it_in_silence(home: Path) -> None:
    path = home / "journal.db"
    program = Journal.open(path)
    many = [prepared(nonce, intent(f"tests:touch:{nonce}")) for nonce in range(3, 300)]
    program.reserve(ACCOUNT, many)
    program.close()
    with subprocess.Popen(
        [str(BIN / "scheduler"), "journal", "export"],
        env=environment(home, {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


COMMANDS = [("list",), ("show", "0x12"), ("export",), ("migrate",), ("trust",)]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_missing_journal_is_one_line_with_its_path_and_key_and_is_not_made(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    line = refusal(tmp_path, "scheduler", "journal", *words)
    assert f"there is no journal at {tmp_path / 'journal.db'}; " in line
    assert 'with journal = "…" in the configuration' in line
    assert list(tmp_path.iterdir()) == []


def test_not_even_the_default_directory_is_made(tmp_path: Path) -> None:
    line = refusal(tmp_path, "scheduler", "journal", "list", SCHEDULER_JOURNAL="")
    assert "there is no journal at " in line
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_no_journal(tmp_path: Path) -> None:
    line = refusal(tmp_path, "scheduler", "journal", "list", SCHEDULER_JOURNAL=str(tmp_path))
    assert "is a directory; name a file in it" in line


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_journal_that_cannot_be_read_is_one_line_and_exit_1(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "journal.db").write_text("not a database\n" * 100)
    line = refusal(tmp_path, "scheduler", "journal", *words, status=1)
    assert "cannot be " in line
    assert "not a database; move it away" in line


def test_a_current_journal_needs_no_migration(home: Path) -> None:
    assert journal(home, "migrate").endswith(f"has schema {NEWEST} already\n")


def test_an_empty_file_becomes_a_journal_and_says_from_what_to_what(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    line = refusal(tmp_path, "scheduler", "journal", "list", status=1)
    assert line.endswith("run: scheduler journal migrate")
    dry = finished(tmp_path, "scheduler", "journal", "migrate", "--dry-run")
    assert dry.stdout == f"the journal {path} would go from schema 0 to {NEWEST}\n"
    assert path.stat().st_size == 0
    done = finished(tmp_path, "scheduler", "journal", "migrate")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"the journal {path} went from schema 0 to {NEWEST}",
        f"as it was before, it is in {path}.schema-0",
    ]
    listed = finished(tmp_path, "scheduler", "journal", "list")
    assert (listed.returncode, len(listed.stdout.splitlines())) == (0, 1)


def test_a_calls_story_is_told_while_the_program_that_executed_it_runs(tmp_path: Path) -> None:
    with alarm_chain() as chain:
        call = schedule_on(chain)
        mine_up_to(chain, call.target_block - 2 - CALM_BLOCKS)
        with eth_alarm(chain, tmp_path) as program:
            program.saw("Sleeping until")
            walk_to(chain, call.target_block, tmp_path)
            program.saw("Outcome: succeeded")
            done = finished(tmp_path, "scheduler", "journal", "show", call.address)
            assert program.stop() == 0
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("execute: succeeded\n")
    assert f"Outcome in block {call.target_block}: succeeded, " in done.stdout
    assert re.search(r"earned 0\.\d+ ether, gained 0\.\d+ ether\.", done.stdout)
    assert "Next: Its block is not final yet" in done.stdout


def test_trust_ends_the_quarantine_of_every_account(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    opened = Journal.open(path)
    other = Account(ACCOUNT.chain, "0x" + "ab" * 20)
    opened.admit(ACCOUNT)
    opened.put_in_quarantine(ACCOUNT, Quarantine.BEHIND, accounted=3)
    opened.put_in_quarantine(other, Quarantine.NEW, accounted=0)
    said = finished(tmp_path, "scheduler", "journal", "trust")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.splitlines() == [
        f"{address} is out of quarantine" for address in (ACCOUNT.address, other.address)
    ]
    assert opened.admitted(ACCOUNT)
    assert opened.admitted(other)
    opened.close()
    again = finished(tmp_path, "scheduler", "journal", "trust")
    assert again.stdout.startswith("no account is in quarantine")
