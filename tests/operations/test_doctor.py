"""`scheduler doctor --liveness`, as a container's engine asks it, about real programs."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from scheduler.devchain.chain import DevelopmentChain
from scheduler.health import State
from scheduler.operations.liveness import STUCK_SECONDS, faults, signs
from scheduler.pulse import Pulse, Sign
from tests.commands import (
    Running,
    alarm_chain,
    eth_alarm,
    finished,
    free_port,
    head_of,
    pulse_of,
    refusal,
    until,
)

COMMAND = ("scheduler", "doctor", "--liveness")


@pytest.fixture(scope="module")
def chain() -> Iterator[DevelopmentChain]:
    with alarm_chain() as chain:
        yield chain


@contextmanager
def stopped(program: Running) -> Iterator[None]:
    """The process is there and does nothing, as one that hangs."""
    os.kill(program.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(program.pid, signal.SIGCONT)


def overwritten(home: Path, **changes: Any) -> None:
    """The sign of life with something else in it."""
    content = {**(pulse_of(home) or {}), **changes}
    (home / "programs" / "eth_alarm.json").write_text(json.dumps(content))


def test_a_program_that_turns_is_alive_and_one_that_hangs_is_not(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    with eth_alarm(chain, tmp_path) as program:
        until(lambda: head_of(tmp_path) >= 0)
        done = finished(tmp_path, *COMMAND)
        assert (done.returncode, done.stderr) == (0, "")
        (line,) = done.stdout.splitlines()
        assert line.startswith("alive: eth_alarm (")
        with stopped(program):
            overwritten(tmp_path, looped_at=time.time() - STUCK_SECONDS - 5)
            line = refusal(tmp_path, *COMMAND, status=1)
            assert f"eth_alarm (process {program.pid}) has not turned for 6" in line
            assert line.endswith("start it again")
    assert "no program that runs here has left a sign of life" in refusal(
        tmp_path, *COMMAND, status=1
    )


def test_a_database_that_somebody_keeps_to_himself_is_told(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    with eth_alarm(chain, tmp_path):
        until(lambda: head_of(tmp_path) >= 0)
        with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as hog:
            hog.execute("BEGIN IMMEDIATE")
            assert "database is locked; another process keeps it busy" in refusal(
                tmp_path, *COMMAND, status=1
            )
            hog.execute("ROLLBACK")
        assert finished(tmp_path, *COMMAND).returncode == 0


def test_a_node_that_is_away_is_nothing_that_a_new_start_mends(tmp_path: Path) -> None:
    address = ("-a", "0x" + "aa" * 20, "-p", str(free_port()))
    with Running(tmp_path, "eth_alarm", "scheduler", *address) as program:
        program.saw("Waiting for the node")
        until(lambda: pulse_of(tmp_path) is not None)
        assert not (tmp_path / "journal.db").exists()
        assert finished(tmp_path, *COMMAND).returncode == 0


def test_what_a_node_that_hangs_delays_is_not_taken_for_a_program_that_hangs(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    """The loop turns without heads, so its sign is renewed long before it counts as stuck."""
    with eth_alarm(chain, tmp_path):
        until(lambda: head_of(tmp_path) >= 0)
        os.kill(chain.node.process.pid, signal.SIGSTOP)
        try:
            since = time.time()
            until(lambda: (pulse_of(tmp_path) or {})["looped_at"] > since, STUCK_SECONDS / 2)
        finally:
            os.kill(chain.node.process.pid, signal.SIGCONT)


def sign(program: str, looped_at: float) -> Sign:
    return Sign(program, 1, None, looped_at, State.STARTING, 0, 0)


def test_signs_of_other_containers_on_the_same_volume_are_not_this_one_s(tmp_path: Path) -> None:
    processes = tmp_path / "proc"
    (processes / "1").mkdir(parents=True)
    (processes / "1" / "cmdline").write_bytes(b"python3\0-m\0scheduler.launch\0moc_jobs\x003\0")
    journal = tmp_path / "journal.db"
    for program in ("moc_jobs", "scheduler-prices"):
        Pulse.beside(journal, program).beat(None, {}, None)
        content = pulse_of(tmp_path, program)
        assert content is not None
        path = tmp_path / "programs" / f"{program}.json"
        path.write_text(json.dumps({**content, "pid": 1}))
    (tmp_path / "programs" / "broken.json").write_text("{")
    assert [each.program for each in signs(journal, processes)] == ["moc_jobs"]


@pytest.mark.parametrize(("age", "wrong"), [(STUCK_SECONDS, 0), (STUCK_SECONDS + 0.1, 1)])
def test_a_loop_has_six_of_its_own_beats(tmp_path: Path, age: float, wrong: int) -> None:
    found = [sign("moc_jobs", 1_000.0)]
    assert len(faults(tmp_path / "journal.db", found, 1_000.0 + age)) == wrong


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_text("something else " * 100)
    (line,) = faults(path, [sign("moc_jobs", 1_000.0)], 1_000.0)
    assert "file is not a database" in line
