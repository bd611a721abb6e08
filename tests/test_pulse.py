"""The sign of life: beside the journal, whole at any time."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scheduler.chain.model import Head
from scheduler.counters import Counters
from scheduler.health import State, Vitals
from scheduler.pulse import Pulse, Sign

HEAD = Head(328, "0x" + "ab" * 32, "0x" + "cd" * 32, 1_700_000_000, 30_000_000, 7)

WRITER = """
import sys
from pathlib import Path
from scheduler.pulse import Pulse
pulse = Pulse.beside(Path(sys.argv[1]), "scheduler")
while True:
    pulse.beat(None, {"filler": 10 ** 4000}, None)
"""


def test_it_tells_head_loop_time_work_and_trouble(tmp_path: Path) -> None:
    pulse = Pulse.beside(tmp_path / "journal.db", "scheduler")
    before = time.time()
    pulse.beat(HEAD, {"due": 2}, "the account is empty")
    content = json.loads((tmp_path / "programs" / "scheduler.json").read_text())
    assert before <= content.pop("looped_at") <= time.time()
    assert content == {
        "program": "scheduler",
        "pid": os.getpid(),
        "started_at": pulse.started_at,
        "head": {"number": 328, "hash": HEAD.hash, "timestamp": HEAD.timestamp},
        "counts": {"due": 2},
        "trouble": "the account is empty",
        "account": None,
        "mode": "live",
        "agenda": [],
        "health": {
            "state": "starting",
            "since": pulse.started_at,
            "exceptions": 0,
            "pokes": 0,
            "wrong": ["the account is empty"],
        },
        "counters": Counters().told(),
    }


def test_whoever_reads_it_finds_what_was_written(tmp_path: Path) -> None:
    pulse = Pulse.beside(tmp_path / "journal.db", "scheduler")
    assert Sign.read(pulse.path) is None
    pulse.account = "0x" + "12" * 20
    pulse.beat(HEAD, {}, None, Vitals(exceptions=1, pokes=2))
    sign = Sign.read(pulse.path)
    assert sign is not None
    assert (sign.program, sign.pid, sign.account) == ("scheduler", os.getpid(), pulse.account)
    assert (sign.state, sign.exceptions, sign.pokes) == (State.HEALTHY, 1, 2)
    assert sign.is_fresh(sign.looped_at + 29)
    assert not sign.is_fresh(sign.looped_at + 31)


@pytest.mark.parametrize("content", ["", "[]", "null", '{"program": "scheduler", "pid": 1}'])
def test_what_says_less_is_no_sign(tmp_path: Path, content: str) -> None:
    """As one of an older version."""
    (tmp_path / "scheduler.json").write_text(content)
    assert Sign.read(tmp_path / "scheduler.json") is None


def test_before_the_first_head_there_is_none_to_tell(tmp_path: Path) -> None:
    Pulse.beside(tmp_path / "journal.db", "scheduler").beat(None, {}, "Waiting")
    content = json.loads((tmp_path / "programs" / "scheduler.json").read_text())
    assert (content["head"], content["trouble"]) == (None, "Waiting")


def test_whoever_reads_it_never_finds_half_of_it_even_when_the_writer_is_killed(
    tmp_path: Path,
) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "journal.db")])
    path = tmp_path / "programs" / "scheduler.json"
    try:
        deadline = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < deadline
        seen = {json.loads(path.read_text())["looped_at"] for _ in range(300)}
    finally:
        writer.kill()
        writer.wait()
    assert len(seen) > 1
    assert json.loads(path.read_text())["program"] == "scheduler"


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    pulse = Pulse.beside(tmp_path / "away" / "journal.db", "scheduler")
    with pytest.raises(FileNotFoundError):
        pulse.beat(HEAD, {}, None)
