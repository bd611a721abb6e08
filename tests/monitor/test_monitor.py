"""scheduler-monitor beside a scheduler that works: what it measures, and what it leaves alone."""

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.operations.status import from_json
from scheduler.plan import MONITOR
from tests.commands import schedule_on, until
from tests.monitor.box import Box, running, stopped

LIMIT_MIB = 80

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with running(own_disk=False) as box:
        yield box


def resident(pid: int) -> float:
    """MiB of memory that the process has."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("proc(5) has a line VmRSS")


def head_of(box: Box) -> float:
    """The last block that the scheduler dealt with, as it says itself."""
    pulse = json.loads((box.data / "programs" / "scheduler.json").read_text())
    return float(pulse["head"]["number"])


def test_what_was_sent_is_measured(box: Box) -> None:
    schedule_on(box.chain, ahead=15)
    until(lambda: box.measured("scheduler_outcomes_total", outcome="succeeded") == 1.0, 90)
    text = box.metrics()
    assert box.measured("scheduler_head_to_broadcast_seconds_count", program="scheduler")
    assert (box.measured("scheduler_fees_paid_ether_total") or 0) > 0
    nonces = [box.measured("scheduler_account_nonce", state=each) for each in ("latest", "pending")]
    assert nonces[0] == nonces[1]
    assert nonces[0]
    violations = [line for line in text.splitlines() if line.startswith("scheduler_invariant")]
    assert len(violations) == 4
    assert all(line.endswith(" 0.0") for line in violations)
    status = from_json(box.command("status", "--json").stdout)
    [scheduler] = [each for each in status.facts.programs or () if each.name == "scheduler"]
    assert scheduler.done >= 1


def test_status_and_doctor_say_how_it_is(box: Box) -> None:
    done = box.command("status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    status = from_json(done.stdout)
    assert status.facts.account is not None
    assert status.facts.account.address == box.address
    assert status.facts.unread == {}
    programs = {each.name: each for each in status.facts.programs or ()}
    assert programs["scheduler"].process is not None
    assert programs["scheduler"].process.state == "RUNNING"
    shown = box.command("status")
    assert shown.returncode == 0
    assert "RUNNING" in shown.stdout
    told = box.command("doctor")
    assert told.returncode == 0, told.stdout
    assert ": 0 wrong" in told.stdout.splitlines()[-1].replace(" checks", "")


def test_what_is_exposed_is_mended_by_the_doctor(box: Box) -> None:
    box.key.chmod(0o644)
    done = box.command("doctor", "--fix")
    assert (done.returncode, done.stderr) == (0, f"mended: chmod 600 {box.key}\n")
    assert box.key.stat().st_mode & 0o777 == 0o600


def test_it_stays_small(box: Box) -> None:
    assert resident(box.pid(MONITOR)) < LIMIT_MIB


def test_the_outside_is_pinged(box: Box) -> None:
    until(lambda: box.told.pings != [], 90)


def test_a_program_that_ends_unexpectedly_is_told(box: Box) -> None:
    before = box.pid("scheduler")
    os.kill(before, signal.SIGKILL)
    until(lambda: [each["kind"] for each in box.told.about("programs.exits")] == ["began"], 60)
    [message] = box.told.about("programs.exits")
    assert f"scheduler (process {before}) ended unexpectedly" in message["reason"]
    incidents = json.loads((box.data / "monitor" / "incidents.json").read_text())
    assert "exited" in [each["kind"] for each in incidents]
    until(lambda: head_of(box) > 0 and box.pid("scheduler") != before, 90)


def test_a_monitor_that_is_killed_disturbs_no_scheduler_and_says_nothing_twice(box: Box) -> None:
    box.chain.endpoint.request("anvil_setBalance", box.address, "0x0")
    until(lambda: [each["kind"] for each in box.told.about("account.not_empty")] == ["began"], 60)
    scheduler, monitor, head = box.pid("scheduler"), box.pid(MONITOR), head_of(box)
    os.kill(monitor, signal.SIGKILL)
    until(lambda: head_of(box) > head + 2, 90)
    until(lambda: box.pid(MONITOR) not in (0, monitor), 90)
    assert box.pid("scheduler") == scheduler
    looked = "scheduler_monitor_last_look_timestamp_seconds"
    killed_at = time.time()

    def looked_again() -> bool:
        try:
            return (box.measured(looked) or 0) > killed_at + 10
        except OSError:
            return False

    until(looked_again, 60)
    assert [each["kind"] for each in box.told.about("account.not_empty")] == ["began"]
    box.chain.endpoint.request("anvil_setBalance", box.address, hex(10**19))
    until(lambda: len(box.told.about("account.not_empty")) == 2, 60)
    assert box.told.about("account.not_empty")[1]["kind"] == "ended"


def test_a_node_that_hangs_keeps_nothing_else_from_being_told(box: Box) -> None:
    with stopped(box.chain.node.process.pid):
        done = box.command("status", "--json")
        status = from_json(done.stdout)
    assert done.returncode == 1
    assert "no answer within" in status.facts.unread["node"]
    assert status.facts.journal is not None
    assert status.facts.programs is not None
    levels = {each.check: each.level.value for each in status.checks}
    assert levels["node.answers"] == "fail"
    assert levels["account.not_empty"] == "unknown"


def test_what_is_asked_for_in_vain_is_an_error_and_discloses_nothing(box: Box) -> None:
    for path in ("/../../etc/passwd", "/metrics?name[]=" + "x" * 5000, "/%00", "/nothing"):
        connection = http.client.HTTPConnection("127.0.0.1", box.metrics_port, timeout=10)
        connection.request("GET", path)
        body = connection.getresponse().read().decode()
        connection.close()
        assert "root:" not in body
        assert "Traceback" not in body


def test_it_ends_in_order_when_it_is_told_to(box: Box) -> None:
    began = time.monotonic()
    box.supervisor.control("stop", MONITOR)
    assert box.supervisor.state(MONITOR) == "STOPPED"
    assert time.monotonic() - began < 10
    assert box.log(f"{MONITOR}-stderr.log").rstrip().endswith("Stopping")
    assert box.level("telling.monitor") == "warn"
