"""What a cold start reads of a RequestFactory's log, and what a restart need not read again."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import pytest

from scheduler.alarm import buckets, request_log
from scheduler.alarm.calls import Moment, Unit
from scheduler.alarm.request_log import DEPTH, RequestLog
from scheduler.alarm.v10 import V10
from scheduler.chain.errors import NodeUnavailable
from scheduler.chain.model import Head, LogChunk
from scheduler.chain.node import JsonRpcNode
from scheduler.devchain.scheduling import ScheduledCall
from scheduler.transactions.journal.searches import Search
from tests.alarm.customers import request
from tests.alarm.rig import Program, World
from tests.alarm.said import Said


@dataclass
class Watched:
    """A program's node; of each history that it is asked for, the first block is noted. Where
    `breaks_behind` says so, the connection breaks after this block."""

    node: JsonRpcNode
    firsts: list[int] = field(default_factory=list)
    breaks_behind: int | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self.node, name)

    async def history(
        self, address: str, topics: Sequence[Sequence[str] | None], first: int, last: int
    ) -> AsyncGenerator[LogChunk, None]:
        self.firsts.append(first)
        async for chunk in self.node.history(address, topics, first, last):
            yield chunk
            if self.breaks_behind is not None and chunk.last > self.breaks_behind:
                raise NodeUnavailable("the connection broke")


class Reader:
    """Searches as a program does that was just started, with the journal that there is."""

    def __init__(self, world: World, scheduler: Program) -> None:
        self.world = world
        self.scheduler = scheduler
        self.node = Watched(scheduler.node)

    async def found(self, wanted: Sequence[int] | None = None) -> set[str]:
        """The requests of these buckets, or of those that a program asks for at the head."""
        head = await self.head()
        log = RequestLog(self.node, self.world.chain.deployment.request_factory)  # type: ignore[arg-type]
        log.resume(self.scheduler.journal.searches, self.scheduler.chain)
        return {entry.call for entry in await log.search(wanted or near(head), head)}

    async def head(self) -> Head:
        head = await self.scheduler.node.block()
        assert head is not None
        return head

    @property
    def noted(self) -> dict[str, int]:
        """Up to which block the log was searched, by bucket."""
        factory = self.world.chain.deployment.request_factory
        found = self.scheduler.journal.searches.of(self.scheduler.chain, factory)
        return {bucket: search.number for bucket, search in found.items()}


def near(head: Head) -> list[int]:
    now = Moment.at(head)
    return [number for unit in Unit for number in buckets.numbers(unit, buckets.around(now, unit))]


def serve(scheduler: Program) -> None:
    """Begins anew with the journal that there is, and the factory."""
    version = V10(scheduler.node, scheduler.world.chain.deployment.request_factory)
    version.resume(scheduler.journal.searches, scheduler.chain)
    scheduler.serve(version)


@pytest.fixture
async def reader(world: World, scheduler: Program) -> Reader:
    return Reader(world, scheduler)


def schedule(world: World, *ahead: int) -> list[ScheduledCall]:
    """Requests whose windows begin so many blocks ahead."""
    targets = [world.head + blocks for blocks in ahead]
    return request(world, world.chain.deployment.block_scheduler, targets)


def addresses(*calls: Sequence[ScheduledCall]) -> set[str]:
    return {call.address for each in calls for call in each}


async def test_a_restart_reads_on_where_the_last_search_was_noted(
    world: World, reader: Reader
) -> None:
    old = schedule(world, 300, 320)
    world.mine(DEPTH + 10)
    young = schedule(world, 200)
    assert await reader.found() == addresses(old, young)
    assert set(reader.noted.values()) == {world.head - DEPTH}
    noted = world.head - DEPTH
    world.mine(5)
    later = schedule(world, 100)
    assert await reader.found() == addresses(old, young, later)
    assert reader.node.firsts == [0, noted + 1]


async def test_what_was_found_and_is_over_is_not_found_again(world: World, reader: Reader) -> None:
    [call] = request(
        world, world.chain.deployment.block_scheduler, [world.head + 20], window_size=16
    )
    world.mine(DEPTH - 40)
    assert await reader.found() == {call.address}
    world.mine(call.target_block + 16 - world.head)
    assert await reader.found() == {call.address}
    world.mine()
    assert await reader.found() == set()


async def test_a_bucket_that_was_not_searched_is_read_from_the_beginning(
    world: World, reader: Reader
) -> None:
    [near_by] = schedule(world, 20)
    [far] = schedule(world, 20 + 240)
    world.mine(DEPTH)
    one, other = (-(call.target_block - call.target_block % 240) for call in (near_by, far))
    assert await reader.found([one]) == {near_by.address}
    assert await reader.found([one, other]) == {near_by.address, far.address}
    noted = world.head - DEPTH
    assert reader.node.firsts == [0, noted + 1, 0]
    assert reader.noted == {str(one): noted, str(other): noted}


async def test_a_search_that_broke_off_goes_on(
    world: World, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = schedule(world, 400)
    world.mine(40)
    second = schedule(world, 350)
    world.mine(DEPTH + 50)
    monkeypatch.setattr(request_log, "NOTE_SECONDS", 0.0)
    reader.node.breaks_behind = 200
    with pytest.raises(NodeUnavailable):
        await reader.found()
    reader.node.breaks_behind = None
    assert await reader.found() == addresses(first, second)
    start, again = reader.node.firsts
    assert start == 0
    assert 200 < again <= first[0].scheduled_in


async def test_a_reorg_below_the_noted_block_has_it_read_again(
    world: World, reader: Reader
) -> None:
    snapshot = world.snapshot()
    gone = schedule(world, 300)
    world.mine(DEPTH + 2)
    assert await reader.found() == addresses(gone)
    noted = world.head - DEPTH
    world.reorg(snapshot)
    there = schedule(world, 310)
    world.mine(DEPTH + 2)
    assert world.head >= noted
    assert await reader.found() == addresses(there)
    assert reader.node.firsts == [0, 0]


async def test_a_reorg_above_the_noted_block_costs_nothing(world: World, reader: Reader) -> None:
    stays = schedule(world, 300)
    world.mine(DEPTH + 2)
    snapshot = world.snapshot()
    gone = schedule(world, 305)
    world.mine(3)
    assert await reader.found() == addresses(stays, gone)
    noted = world.head - DEPTH
    world.reorg(snapshot)
    there = schedule(world, 310)
    assert await reader.found() == addresses(stays, there)
    assert reader.node.firsts == [0, noted + 1]


async def test_a_chain_that_is_behind_the_note_is_read_from_the_beginning(
    world: World, reader: Reader
) -> None:
    snapshot = world.snapshot()
    world.mine(2 * DEPTH)
    assert await reader.found() == set()
    world.reorg(snapshot)
    there = schedule(world, 30)
    assert await reader.found() == addresses(there)
    assert reader.node.firsts == [0, 0]


async def test_buckets_that_are_over_are_forgotten(
    world: World, scheduler: Program, reader: Reader
) -> None:
    schedule(world, 20)
    world.mine(DEPTH)
    long_ago, elsewhere = Search(1, "0x01", []), Search(2, "0x02", [])
    factory, searches = world.chain.deployment.request_factory, scheduler.journal.searches
    searches.note(scheduler.chain, factory, {"3600": long_ago})
    searches.note(scheduler.chain, world.counter, {"3600": elsewhere})
    serve(scheduler)
    await scheduler.see()
    assert set(reader.noted) == {str(bucket) for bucket in near(await reader.head())}
    assert searches.of(scheduler.chain, world.counter) == {"3600": elsewhere}


async def test_a_long_search_says_how_far_it_is(
    world: World, reader: Reader, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.progress.LINE_SECONDS", 0.0)
    await reader.found()
    assert said.lines[-1] == (
        f"SCHEDULER: INFO: Reading requests: 100 % of blocks 0 … {world.head:,}"
    )
