"""`scheduler pause|resume|drain` as an operator types them, with a real program."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.evidence import Witness
from scheduler.plan import PROGRAMS
from scheduler.transactions.journal import Journal
from tests.commands import (
    Running,
    alarm_chain,
    eth_alarm,
    finished,
    pulse_of,
    refusal,
    schedule_on,
    until,
    walk_to,
)
from tests.transactions.samples import ACCOUNT, prepared

AHEAD = 12


@pytest.fixture(scope="module")
def chain() -> Iterator[DevelopmentChain]:
    with alarm_chain() as chain:
        yield chain


def said(home: Path, *words: str) -> list[str]:
    """What the command says; it must do well."""
    done = finished(home, "scheduler", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def trouble(home: Path) -> str:
    pulse = pulse_of(home)
    return str(pulse and pulse["trouble"])


def sent(home: Path) -> int:
    with closing(sqlite3.connect(home / "journal.db")) as journal:
        [(count,)] = journal.execute("SELECT count(*) FROM attempts").fetchall()
    return int(count)


def test_what_is_due_while_it_is_paused_is_executed_after_resume(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    call = schedule_on(chain, ahead=AHEAD)
    with eth_alarm(chain, tmp_path) as program:
        program.saw(f"Tracking call: {call.address}")
        assert said(tmp_path, "pause", "eth_alarm", "--why", "node upgrade") == [
            "eth_alarm begins nothing new until: scheduler resume eth_alarm"
        ]
        walk_to(chain, call.target_block + 2, tmp_path)
        assert len(program.having(r"eth_alarm is held back by .* \(node upgrade\)")) == 1
        assert "scheduler resume eth_alarm" in trouble(tmp_path)
        assert "\n" not in finished(tmp_path, "scheduler", "journal", "list").stderr.strip()
        program.kill()
    assert sent(tmp_path) == 0
    with eth_alarm(chain, tmp_path) as program:
        program.saw("held back")
        walk_to(chain, call.target_block + 4, tmp_path)
        assert sent(tmp_path) == 0
        assert said(tmp_path, "resume", "eth_alarm") == [
            "eth_alarm goes on: what is due is sent with the next block"
        ]
        walk_to(chain, call.target_block + 5, tmp_path)
        program.saw("Working again")
        program.saw("Outcome: succeeded")
        until(lambda: trouble(tmp_path) == "None")
    assert Witness(chain.node.http).testify(call, chain.deployment.counter).effects == 1


def test_drain_waits_for_what_is_in_flight_and_begins_nothing_new(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    first, second = (schedule_on(chain, ahead=AHEAD) for _ in range(2))
    assert second.target_block == first.target_block + 1
    chain.endpoint.request("evm_setAutomine", False)
    try:
        with eth_alarm(chain, tmp_path) as program:
            program.saw("Heartbeat")
            walk_to(chain, first.target_block - 1, tmp_path)
            program.saw("Transaction accepted")
            with Running(tmp_path, "scheduler", "drain", "eth_alarm") as drain:
                drain.saw("1 transaction in flight")
                walk_to(chain, second.target_block + 1, tmp_path)
                drain.saw("^nothing of eth_alarm is in flight")
                drain.saw(f"to stop eth_alarm: kill {program.pid}")
                assert drain.ended() == 0
            assert program.stop() == 0
    finally:
        chain.endpoint.request("evm_setAutomine", True)
    assert sent(tmp_path) == 1
    assert said(tmp_path, "drain", "--all")[-1] == "nothing is in flight"


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """An operator's home with one transaction in flight, and no program that runs."""
    journal = Journal.open(tmp_path / "journal.db")
    journal.admit(ACCOUNT)
    journal.reserve(ACCOUNT, [prepared(0)], "eth_alarm")
    journal.close()
    return tmp_path


def test_a_drain_that_nobody_looks_after_says_so_and_ends_when_its_time_is_over(
    stopped: Path,
) -> None:
    done = finished(stopped, "scheduler", "drain", "eth_alarm", "--timeout", "0.2")
    assert done.returncode == 1
    assert "no program runs that looks after it: start one" in done.stdout
    [line] = done.stderr.splitlines()
    assert "1 transaction of eth_alarm is still in flight (nonce 0 of" in line
    assert finished(stopped, "scheduler", "drain", "scheduler").returncode == 0


def test_the_same_twice_does_no_harm_and_the_journal_knows_who_did_it(stopped: Path) -> None:
    assert said(stopped, "pause")[-1] == "1 transaction in flight is looked after"
    assert said(stopped, "pause", "--all")[0].startswith("already so: all programs are held back")
    assert said(stopped, "resume") == [
        "all programs go on: what is due is sent with the next block"
    ]
    assert said(stopped, "resume") == ["no program was held back"]
    assert said(stopped, "resume", "scheduler") == ["scheduler was not held back"]
    rows = map(json.loads, said(stopped, "journal", "export"))
    [hold] = [row for row in rows if row["table"] == "holds"]
    assert (hold["scope"], hold["mode"]) == ("all", "pause")
    assert hold["placed_by"] == hold["lifted_by"] != ""


def test_one_that_is_resumed_while_all_are_held_back_does_not_go_on(stopped: Path) -> None:
    said(stopped, "pause", "scheduler")
    said(stopped, "pause", "--all")
    line = refusal(stopped, "scheduler", "resume", "scheduler", status=1)
    assert "scheduler does not go on yet: all programs are held back" in line
    assert line.endswith("scheduler resume --all")


def test_wrong_usage_is_one_line(stopped: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    line = refusal(stopped, "scheduler", "pause", "shceduler")
    assert line == f"scheduler: no program 'shceduler': there are {', '.join(PROGRAMS)}"
    assert "not both" in refusal(stopped, "scheduler", "drain", "scheduler", "--all")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert "there is no journal at" in refusal(elsewhere, "scheduler", "resume")
    assert list(elsewhere.iterdir()) == []
