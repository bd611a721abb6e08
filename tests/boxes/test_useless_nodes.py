"""A box that cannot do the work, as where its node reports blocks and does nothing else, lets
another box, which may have a better one, do it."""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from scheduler import programs, running
from scheduler.chain.errors import NodeGone, NodeUnavailable, RpcError
from scheduler.config import Settings
from scheduler.errors import NotYet, StandingBy
from scheduler.plans import plan_of
from scheduler.reach import Reach
from scheduler.running import Running
from scheduler.service import Work
from scheduler.transactions import leases
from scheduler.transactions.journal import JournalUnavailable
from scheduler.transactions.journal.store import Journal
from scheduler.transactions.leases import Leases
from tests import nodes
from tests.boxes.elsewhere import elsewhere
from tests.boxes.journals import migrated
from tests.chain.provider import Provider, provider
from tests.jobs.rig import Keepers
from tests.postgres import Server


@pytest.fixture
def world() -> Iterator[Keepers]:
    """A block every second, and work to do."""
    with nodes.anvil() as node:
        found = Keepers(node)
        found.do("Worker", "order()")
        found.request("evm_setIntervalMining", 1)
        yield found
        found.close()


class Boxes:
    """Programs of boxes with one journal, each with a node of its own, all in this process."""

    def __init__(self, world: Keepers, journal: str, directory: Path) -> None:
        self._world, self._journal, self._directory = world, journal, directory
        self._made: list[Leases] = []

    def close(self) -> None:
        for each in self._made:
            each.close()

    def program(self, box: str, *ways: Provider, **more: Any) -> programs.Program:
        job = more | {
            "name": "work",
            "contract": self._world.at["Worker"],
            "call": "work()",
            "when": "workable()",
            "gas-limit": 500_000,
        }
        settings = Settings.model_validate(
            {
                "rpc-url": [way.url for way in ways],
                "account": self._world.us,
                "journal": self._journal,
                "jobs": [job],
            }
        )
        plan = replace(plan_of("scheduler", settings, patient=True), directory=str(self._directory))
        made = programs.Program(plan)
        made._leases = made._locks = Leases(plan.location(), plan.program, elsewhere(box))
        self._made.append(made._leases)
        return made


@pytest.fixture
def boxes(world: Keepers, database_server: Server, tmp_path: Path) -> Iterator[Boxes]:
    found = Boxes(world, migrated(database_server, tmp_path).url, tmp_path)
    yield found
    found.close()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node is left sooner than on a box, and others have their turn for the rest of the test."""
    monkeypatch.setattr(running, "FAILING_SECONDS", 1.0)
    monkeypatch.setattr(leases, "GIVE_WAY_SECONDS", 600.0)


async def gone(work: Work) -> str:
    """Why the node is left, waited for, and with it all that was held."""
    try:
        async for event in work.follow():
            with suppress(NodeUnavailable, RpcError, NotYet):
                await work.on(event)
    except NodeGone as error:
        return str(error)
    finally:
        await work.close()
    raise AssertionError("heads end only in this way")


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("refused", ["eth_getTransactionCount", "eth_sendRawTransaction"])
async def test_another_box_has_the_work_then(boxes: Boxes, world: Keepers, refused: str) -> None:
    with provider(world.node.http) as bad, provider(world.node.http) as good:
        one, other = boxes.program("one", bad), boxes.program("other", good)
        work = await one.assemble()
        with pytest.raises(StandingBy):
            await other.assemble()
        bad.refuses = {refused}
        assert re.search(f"is of no use: {refused} is not for", await gone(work))
        with pytest.raises(NotYet, match="gives others their turn, as its node does not do what"):
            await one.assemble()
        taken = await other.assemble()
        async for event in taken.follow():
            with suppress(NotYet):
                await taken.on(event)
            if world.effects("Worker", "Worked(address,uint256)"):
                break
        await taken.close()
    assert world.sent() == 1


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("away", [False, True])
async def test_first_the_box_tries_each_node_of_its_own(
    boxes: Boxes, world: Keepers, away: bool
) -> None:
    with provider(world.node.http) as one, provider(world.node.http) as other:
        program = boxes.program("one", one, other)
        one.refuses = other.refuses = {"eth_getTransactionCount"}
        other.is_away = away
        for _ in range(1 if away else 2):
            await gone(await program.assemble())
        with pytest.raises(NotYet, match="gives others their turn"):
            await program.assemble()


def reach_of(journal: str) -> Reach:
    settings = Settings.model_validate({"rpc-url": "http://127.0.0.1:1", "journal": journal})
    found = Reach(plan_of("scheduler", settings, patient=True))
    found._current = 0
    return found


def turns(monkeypatch: pytest.MonkeyPatch, heads: int, seconds: float) -> list[float]:
    """When others have their turn, of so many heads in vain, so many seconds apart."""
    now, found = 1_000.0, []
    monkeypatch.setattr("scheduler.reach.time.monotonic", lambda: now)
    reach = reach_of("postgresql://scheduler@db/scheduler")
    for _ in range(heads):
        if reach.yields():
            found.append(now)
        now += seconds
    return found


def test_where_no_other_box_takes_it_that_is_tried_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert turns(monkeypatch, 180, 1.0) == [1_000.0, 1_030.0, 1_090.0]


def test_the_pause_between_two_turns_does_not_make_them_more_often_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The longest of the pauses counted as time in which all went well."""
    pauses = [after - before for before, after in pairwise(turns(monkeypatch, 700, 12.0))]
    assert len(pauses) > 8
    assert pauses == sorted(pauses)


async def test_what_cannot_be_read_at_the_start_leaves_the_work_to_others(
    boxes: Boxes, world: Keepers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leases were kept for ever: a box that had failed once stood in its own way."""

    def broken(*_: object) -> NoReturn:
        raise JournalUnavailable("the connection is gone")

    with provider(world.node.http) as way:
        one, other = (boxes.program(name, way, every={"blocks": 10}) for name in ("one", "other"))
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "newest_in_series", broken)
            with pytest.raises(JournalUnavailable):
                await one.assemble()
        await (await other.assemble()).close()
        await (await one.assemble()).close()


Judged = tuple[Running, Callable[[float, Exception | None], Awaitable[bool]]]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Judged:
    """A program that runs, of which no more is there than what judges a node; and what says, after
    so many seconds and a head that ended like this, whether the node is left."""
    now = 1_000.0
    flow = SimpleNamespace(rejection=None)
    way = SimpleNamespace(has_better=lambda: True, failed=lambda: None, works=lambda: None)
    made: Any = Running.__new__(Running)
    made.flow, made.reach, made.leases, made.failing_since = flow, way, None, None
    made.node = SimpleNamespace(endpoint="node")
    monkeypatch.setattr("scheduler.running.time.monotonic", lambda: now)

    async def left(seconds: float, end: Exception | None) -> bool:
        nonlocal now
        now += seconds

        async def on(event: object) -> None:
            if end is not None:
                raise end

        monkeypatch.setattr(Running, "_on", lambda self, event: on(event))
        try:
            await made.on(None)
        except NodeGone:
            return True
        except (NotYet, RpcError):
            pass
        return False

    return made, left


BLIP, KEPT_BACK = RpcError(-32000, "a blip"), NotYet("the budget of the day is spent")


async def test_two_blips_with_an_hour_between_them_are_no_useless_node(judged: Any) -> None:
    """What was kept back meanwhile ended nothing: the second one counted from the first."""
    _, left = judged
    assert not await left(0, BLIP)
    for _ in range(300):
        assert not await left(12, KEPT_BACK)
    assert not await left(12, BLIP)
    assert await left(61, BLIP)


async def test_a_node_that_takes_nothing_is_left_though_something_is_kept_back(judged: Any) -> None:
    program, left = judged
    program.flow.rejection = "not for you"
    assert [await left(seconds, KEPT_BACK) for seconds in (12, 12, 60)] == [False, False, True]


def test_a_box_without_others_keeps_its_node(tmp_path: Path) -> None:
    assert not reach_of(str(tmp_path / "journal.db")).yields()
