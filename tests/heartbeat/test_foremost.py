"""Where scheduler-monitor sends the heartbeat, no program does; when it has gone, they do again."""

import json
import os
import time
from pathlib import Path

import pytest

from scheduler.heartbeat.cloudwatch import NotSent
from scheduler.heartbeat.delivery import DIRECTORY
from scheduler.heartbeat.sender import Sender
from scheduler.heartbeat.settings import Settings
from scheduler.operations.facts import records
from scheduler.pulse import Pulse

SETTINGS = Settings(f"foremost-{os.getpid()}", "us-west-1", 0.0)


class Taken:
    """Imitates CloudWatch where it takes what it is given, or is away; the way there is tested with
    moto's server."""

    def __init__(self) -> None:
        self.values: list[int] = []
        self.away = False

    def put(self, value: int) -> None:
        if self.away:
            raise NotSent("no route to it")
        self.values.append(value)


@pytest.fixture
def pulse(tmp_path: Path) -> Pulse:
    pulse = Pulse.beside(tmp_path / "journal.db", "moc_jobs")
    pulse.account = "0x" + os.urandom(20).hex()
    pulse.beat(None, {}, None)
    return pulse


def sender(pulse: Pulse, taken: Taken, foremost: bool) -> Sender:
    return Sender(SETTINGS, taken, pulse.path, os.getpid(), foremost)  # type: ignore[arg-type]


def test_the_foremost_takes_the_sending_and_gives_it_back(pulse: Pulse) -> None:
    theirs, ours = Taken(), Taken()
    program, monitor = sender(pulse, theirs, False), sender(pulse, ours, True)
    program.look(time.time())
    assert len(theirs.values) == 1
    # It claims to be the foremost, and the program lets go when it looks next.
    monitor.look(time.time())
    assert ours.values == []
    program.look(time.time())
    monitor.look(time.time())
    program.look(time.time())
    assert (len(theirs.values), len(ours.values)) == (1, 1)
    monitor.let_go()
    program.look(time.time())
    assert (len(theirs.values), len(ours.values)) == (2, 1)
    program.let_go()


def test_a_second_foremost_sends_nothing(pulse: Pulse) -> None:
    first, second = Taken(), Taken()
    one, other = sender(pulse, first, True), sender(pulse, second, True)
    one.look(time.time())
    other.look(time.time())
    assert (len(first.values), len(second.values)) == (1, 0)
    one.let_go()
    other.look(time.time())
    assert len(second.values) == 1
    other.let_go()


def test_whether_it_arrives_is_noted_beside_the_journal(pulse: Pulse, tmp_path: Path) -> None:
    taken = Taken()
    each = sender(pulse, taken, False)
    each.look(time.time())
    [delivery] = records.deliveries(tmp_path / "journal.db")
    assert (delivery.channel, delivery.why) == (f"heartbeat {SETTINGS.name}", None)
    taken.away = True
    each.look(time.time())
    [delivery] = records.deliveries(tmp_path / "journal.db")
    assert delivery.why == "no route to it"
    # Of a program that has ended, nobody minds what it could not send.
    [path] = (tmp_path / DIRECTORY).iterdir()
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "at": time.time() - 61}))
    assert records.deliveries(tmp_path / "journal.db") == ()
    each.let_go()
