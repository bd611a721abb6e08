"""The loop of a process: what it says, when, and the sign of life that it gives meanwhile."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from scheduler import service
from scheduler.chain.errors import ChainChanged, FirstBlockMissing, NodeUnavailable, RpcError
from scheduler.chain.model import Head, HeadEvent
from scheduler.errors import HeldElsewhere, Misconfigured, NotYet, StandingBy
from scheduler.health import Vitals
from scheduler.pulse import NOTHING_WRONG, Pulse
from scheduler.service import serve
from scheduler.transactions.journal import JournalUnavailable

AWAY = NodeUnavailable("http://127.0.0.1:1: nothing listens there")


class Script:
    """Stands in for a program: what each putting together and each head leads to, in order.

    After the last head no other comes, until `end` says that it was seen long enough.
    """

    def __init__(self, starts: list[Exception | None], heads: list[Exception | None]) -> None:
        self.starts = starts
        self.heads = heads
        self.closed = 0
        self.waits: list[float] = []

    async def assemble(self) -> "Script":
        outcome = self.starts.pop(0) if self.starts else None
        if outcome is not None:
            raise outcome
        return self

    async def follow(self) -> AsyncIterator[HeadEvent]:
        for number in range(1, len(self.heads) + 1):
            head = Head(number, f"0x{number}", "0x", number, 0, None)
            yield HeadEvent(head=head, added=(head,))
        await asyncio.Event().wait()

    async def on(self, event: HeadEvent) -> None:
        outcome = self.heads.pop(0)
        if outcome is not None:
            raise outcome

    def waited(self, seconds: float) -> None:
        self.waits.append(seconds)

    def counts(self) -> Mapping[str, int]:
        return {"left": len(self.heads)}

    def vitals(self) -> Vitals:
        return Vitals()

    async def close(self) -> None:
        self.closed += 1


class Observed(Pulse):
    """A pulse that ends the process after so many beats."""

    __slots__ = ("beats", "wanted")
    beats: list[tuple[int | None, str | None]]
    wanted: int

    def beat(
        self,
        head: Head | None,
        counts: Mapping[str, int],
        trouble: str | None,
        vitals: Vitals = NOTHING_WRONG,
    ) -> None:
        super().beat(head, counts, trouble, vitals)
        self.beats.append((None if head is None else head.number, trouble))
        if len(self.beats) == self.wanted:
            os.kill(os.getpid(), signal.SIGTERM)


Lived = Callable[..., Awaitable[list[tuple[int | None, str | None]]]]


@pytest.fixture
def lived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Lived:
    """Lets a script be served until so many beats were seen, and answers them."""
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(service, "PULSE_SECONDS", 0.02)
    caplog.set_level(logging.INFO, "SERVICE")

    async def live(
        script: Script, beats: int, patient: bool = True
    ) -> list[tuple[int | None, str | None]]:
        pulse = Observed(tmp_path / "scheduler.json", "scheduler")
        pulse.beats, pulse.wanted = [], beats
        await asyncio.wait_for(serve(script.assemble, pulse, patient), 60)
        return pulse.beats

    return live


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == "SERVICE"]


async def test_what_is_waited_for_is_said_once_and_shown(
    lived: Lived, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script([NotYet("the node is syncing")] * 3 + [AWAY] * 2, [None])
    waiting = "Waiting: the node is syncing"
    away = f"Waiting for the node: {AWAY}"
    beats = await lived(script, 6)
    assert beats == [(None, waiting)] * 3 + [(None, away)] * 2 + [(1, None)]
    assert said(caplog) == [waiting, away, "Everything needed is there now", "Stopping"]
    assert script.closed == 1


@pytest.mark.parametrize(
    "trouble",
    [
        NotYet("no contract"),
        FirstBlockMissing("no block 1"),
        JournalUnavailable("disk full"),
        RpcError(-32000, "two\nlines"),
    ],
    ids=lambda trouble: type(trouble).__name__,
)
async def test_by_hand_only_the_node_is_waited_for(lived: Lived, trouble: Exception) -> None:
    words = " ".join(str(trouble).split())
    with pytest.raises(NotYet, match=words.partition(" (")[0]) as raised:
        await lived(Script([AWAY, AWAY, trouble], []), 99, patient=False)
    assert "\n" not in str(raised.value)


async def test_what_only_the_operator_can_mend_ends_every_program(lived: Lived) -> None:
    with pytest.raises(Misconfigured):
        await lived(Script([NotYet("later"), Misconfigured("wrong password")], []), 99)


async def test_who_waits_for_the_lock_leaves_the_holder_s_sign_of_life_alone(
    lived: Lived, caplog: pytest.LogCaptureFixture
) -> None:
    beats = await lived(Script([HeldElsewhere("process 7 already serves")] * 3, [None]), 1)
    assert beats == [(1, None)]
    assert said(caplog)[0] == "Waiting: process 7 already serves"


async def test_who_stands_by_for_another_box_gives_a_sign_of_life_and_is_well(
    lived: Lived, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Its directory is its own box's, and to wait is what it is there for."""
    stands_by = StandingBy("one, process 7 (scheduler) already serves")
    beats = await lived(Script([stands_by] * 3, []), 3)
    assert beats == [(None, None)] * 3
    assert json.loads((tmp_path / "scheduler.json").read_text())["health"]["state"] == "healthy"
    assert said(caplog)[0] == f"Waiting: {stands_by}"


async def test_without_a_head_the_sign_of_life_is_renewed(lived: Lived, tmp_path: Path) -> None:
    beats = await lived(Script([], [None]), 4)
    assert beats == [(1, None)] * 4
    assert json.loads((tmp_path / "scheduler.json").read_text())["head"]["number"] == 1


async def test_trouble_with_a_head_is_said_once_and_does_not_end_the_work(
    lived: Lived, caplog: pytest.LogCaptureFixture
) -> None:
    full = JournalUnavailable("the disk is full")
    beats = await lived(Script([], [full, full, None]), 3)
    assert beats == [(1, "the disk is full"), (2, "the disk is full"), (3, None)]
    assert said(caplog) == ["the disk is full", "Working again", "Stopping"]


async def test_a_node_that_goes_away_while_it_is_asked_is_left_to_the_follower_to_tell(
    lived: Lived, caplog: pytest.LogCaptureFixture
) -> None:
    beats = await lived(Script([], [AWAY, None]), 2)
    assert beats == [(1, str(AWAY)), (2, None)]
    assert said(caplog) == ["Stopping"]


async def test_a_node_that_brings_heads_and_answers_nothing_is_told(
    lived: Lived, caplog: pytest.LogCaptureFixture
) -> None:
    await lived(Script([], [AWAY, AWAY, AWAY]), 3)
    assert said(caplog) == [str(AWAY), "Stopping"]


async def test_on_another_chain_it_starts_over_and_is_patient_even_by_hand(
    lived: Lived, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script([None, NotYet("no contract yet")], [ChainChanged("another chain"), None])
    beats = await lived(script, 2, patient=False)
    assert beats == [(None, "Waiting: no contract yet"), (1, None)]
    assert said(caplog)[0] == "another chain; starting over on the chain that is there now"
    assert script.closed == 2


async def test_a_program_is_told_how_long_no_head_came(lived: Lived) -> None:
    script = Script([None], [None])
    await lived(script, 4)
    assert len(script.waits) == 3
    assert script.waits == sorted(script.waits)
    assert script.waits[-1] > 0.05
