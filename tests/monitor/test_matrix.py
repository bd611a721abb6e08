"""Each fault of a box is said by status, doctor, metrics, page and alert within 30 seconds, and
taken back within 30 seconds of its end: a matrix, which is in the output."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

import pytest

from tests.commands import until
from tests.heartbeat import cloudwatch
from tests.monitor.box import SLOT_SECONDS, Box, Relay, levels, running
from tests.monitor.faults import Fault, others, together

SECONDS = 30.0

HEARTBEAT = f"heartbeat {cloudwatch.NAME}"

TELLERS = ("status", "doctor", "metrics", "page", "alert")

# By fault, and then by teller: after how many seconds it was so.
Times = dict[str, dict[str, float]]

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk to be filled"),
]


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    with cloudwatch.running() as server:
        relay = Relay(int(server.url.rpartition(":")[2]))
        yield relay
        relay.close()


@pytest.fixture(scope="module")
def box(relay: Relay) -> Iterator[Box]:
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stack:
        for name, value in cloudwatch.variables(relay.url).items():
            environment.setenv(name, value)
        box = stack.enter_context(running(f"slot-age = {SLOT_SECONDS}"))
        # The heartbeat arrived once, and the box is as it should be.
        until(lambda: box.measured("scheduler_delivery_up", channel=HEARTBEAT) == 1.0, 60)
        yield box


class Tellers:
    """Asks status, doctor, metrics and page again and again, each by itself: a command that takes
    seconds to start on a busy machine does not keep the others from being heard."""

    def __init__(self, box: Box) -> None:
        self.heard: dict[str, tuple[float, Mapping[str, str]]] = {}
        self._ended = threading.Event()
        ways: dict[str, Callable[[], Mapping[str, str]]] = {
            "status": lambda: levels(box.status()["checks"]),
            "doctor": box.doctor,
            "metrics": box.measured_levels,
            "page": box.shown_levels,
        }
        self._threads = [threading.Thread(target=self._ask, args=way) for way in ways.items()]

    def _ask(self, name: str, way: Callable[[], Mapping[str, str]]) -> None:
        while not self._ended.wait(0.5):
            asked = time.monotonic()
            self.heard[name] = asked, way()

    def __enter__(self) -> "Tellers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def _watch(
    box: Box, tellers: Tellers, faults: Sequence[Fault], since: Mapping[str, float], wrong: bool
) -> Times:
    """After how many seconds each teller says that each fault is there, or is over.

    A command's answer counts from when it was asked for: what it takes to start Python on a busy
    machine is not what is looked at.
    """
    found: Times = {fault.name: {} for fault in faults}
    expected = {
        (fault.name, teller)
        for fault in faults
        for teller in TELLERS
        if teller != "alert" or fault.level == "fail"
    }
    limit = max(fault.threshold for fault in faults) if wrong else 0.0
    deadline = time.monotonic() + limit + 3 * SECONDS
    while len([1 for each in found.values() for _ in each]) < len(expected):
        assert time.monotonic() < deadline, f"{found}, of {sorted(expected)}"
        time.sleep(0.1)
        for teller, (asked, says) in list(tellers.heard.items()):
            for fault in faults:
                after = asked - since[fault.name]
                if after >= 0 and (says[fault.check] == fault.level) == wrong:
                    found[fault.name].setdefault(teller, after)
        for fault in faults:
            told = box.told.about(fault.check)
            if [each["kind"] for each in told] == ["began", "ended"][: 1 if wrong else 2]:
                found[fault.name]["alert"] = told[-1]["came_at"] - since[fault.name]
    return found


def _play(box: Box, faults: Sequence[Fault]) -> tuple[Times, Times]:
    """Does them all to the box, and then undoes them; when each was said, and taken back."""
    since = {}
    with Tellers(box) as tellers:
        with ExitStack() as done:
            for fault in faults:
                done.enter_context(fault.done(box))
                since[fault.name] = time.monotonic()
            said = _watch(box, tellers, faults, since, wrong=True)
        ended = time.monotonic()
        back = _watch(box, tellers, faults, dict.fromkeys(since, ended), wrong=False)
    return said, back


def _row(fault: Fault, said: Mapping[str, float], back: Mapping[str, float]) -> str:
    def cell(times: Mapping[str, float], teller: str) -> str:
        return f"{times[teller]:6.1f}" if teller in times else "     -"

    cells = "  ".join(f"{cell(said, each)} {cell(back, each)}" for each in TELLERS)
    return f"{fault.name:<22} {fault.check:<18} {cells}"


def test_every_fault_is_said_everywhere_and_taken_back(
    box: Box, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, late = [], []
    for faults in (together(relay), *others()):
        said, back = _play(box, faults)
        for fault in faults:
            rows.append(_row(fault, said[fault.name], back[fault.name]))
            late += [
                f"{fault.name}: {teller} said it after {seconds:.1f} s"
                for teller, seconds in said[fault.name].items()
                if seconds > fault.threshold + SECONDS
            ]
            late += [
                f"{fault.name}: {teller} took it back after {seconds:.1f} s"
                for teller, seconds in back[fault.name].items()
                if seconds > SECONDS
            ]
    with capsys.disabled():
        head = "  ".join(f"{each:>13}" for each in TELLERS)
        print(f"\n{'fault':<22} {'check':<18} {head}   (seconds until said, until taken back)")
        print("\n".join(rows))
    assert late == []
