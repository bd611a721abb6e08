"""Executions are signed two blocks before their targets; what happens in between still counts."""

from collections.abc import Sequence
from typing import Any

import pytest

from scheduler.alarm.calls import Unit
from scheduler.alarm.v07 import V07
from scheduler.alarm.v10 import V10
from scheduler.chain.model import Call, CallResult, Head
from scheduler.devchain.scheduling import ScheduledCall
from tests.alarm.customers import CUSTOMERS, Customer, request, request_of_factory
from tests.alarm.rig import Program, World


class Simulations:
    """For which block something was simulated at which head, with how many calls of contracts."""

    def __init__(self, scheduler: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[int, int]] = []
        self._simulate = scheduler.node.simulate
        monkeypatch.setattr(scheduler.node, "simulate", self)

    async def __call__(
        self, calls: Sequence[Call], on: Head, number: int, **rest: Any
    ) -> list[CallResult]:
        if calls:
            self.seen.append((on.number, number))
        return await self._simulate(calls, on, number, **rest)


@pytest.fixture
def simulations(scheduler: Program, monkeypatch: pytest.MonkeyPatch) -> Simulations:
    return Simulations(scheduler, monkeypatch)


def blocks(world: World, call: ScheduledCall, account: str) -> list[int]:
    return [number for number, _ in world.executions(call, account)]


@pytest.mark.parametrize("customer", CUSTOMERS, ids=lambda each: each.version)
async def test_an_execution_is_simulated_once_and_two_blocks_before(
    world: World, scheduler: Program, simulations: Simulations, customer: Customer
) -> None:
    target = world.head + customer.lead + 1
    calls = customer.schedule(world, target, target, target)
    scheduler.serve(customer.served_by(scheduler))
    await scheduler.see()
    await scheduler.jump_to(target - 3)
    await scheduler.watch_to(target - 1)
    assert simulations.seen == [(target - 2, target)]
    assert len(scheduler.journal.open_attempts(scheduler.account)) == 3
    await scheduler.watch_to(target)
    for call in calls:
        assert blocks(world, call, scheduler.us) == [target]
    assert scheduler.outcomes() == {"succeeded": 3}


async def test_before_the_target_all_is_read_side_by_side_and_sent_in_one_message(
    world: World, scheduler: Program
) -> None:
    """What the block changed, what sending depends on, and the pool; then the bytes."""
    calls = world.schedule(*[world.head + 20] * 10)
    await scheduler.see()
    target = calls[0].target_block
    await scheduler.jump_to(target - 3)
    await scheduler.watch_to(target - 2)
    sent: list[int] = []
    send = scheduler.node.send_raw
    transport = scheduler.transport

    async def noted(raws: Sequence[bytes]) -> Any:
        sent.append(transport.messages)
        return await send(raws)

    scheduler.node.send_raw = noted  # type: ignore[method-assign]
    world.mine()
    before = transport.messages
    await scheduler.see()
    # The test's own read of the head, and these three.
    assert [messages - before for messages in sent] == [4]
    world.mine()
    assert [blocks(world, call, scheduler.us) for call in calls] == [[target]] * 10


async def test_what_is_due_does_not_wait_for_what_comes_near(
    world: World, scheduler: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At one head a call is sent, another enters its loop, and a third comes near enough to be
    read."""
    start = world.head
    first, _, last = world.schedule(start + 20, start + 21, start + 59)
    await scheduler.see()
    await scheduler.jump_to(first.target_block - 3)
    await scheduler.watch_to(first.target_block - 2)
    known = scheduler.family.counts()["tracked"]
    world.mine_to(first.target_block - 1)
    events: list[str] = []
    call, send = scheduler.node.call, scheduler.node.send_raw

    async def noted_read(calls: Sequence[Call], at: str) -> Any:
        events.extend(["read"] * bool(calls))
        return await call(calls, at)

    async def noted_sending(raws: Sequence[bytes]) -> Any:
        events.append("sent")
        return await send(raws)

    monkeypatch.setattr(scheduler.node, "call", noted_read)
    monkeypatch.setattr(scheduler.node, "send_raw", noted_sending)
    await scheduler.see()
    assert last.target_block - world.head <= 40
    assert scheduler.family.counts()["tracked"] == known + 1
    assert events[0] == "sent"
    assert "read" in events


async def test_one_that_its_claimer_executes_meanwhile_is_dropped(
    world: World, scheduler: Program, simulations: Simulations
) -> None:
    """It was about to be free for all."""
    (call,) = world.schedule(world.head + 20)
    world.make_claimed(call, world.rival.address)
    await scheduler.see()
    free = call.target_block + 16
    await scheduler.jump_to(free - 3)
    await scheduler.watch_to(free - 2)
    assert simulations.seen == [(free - 2, free)]
    world.rival_executes(call)
    await scheduler.watch_to(free + 2)
    assert world.hits(call) == 1
    assert world.executions(call, scheduler.us) == []
    assert simulations.seen == [(free - 2, free)]


def unfrozen(world: World, scheduler: Program) -> list[ScheduledCall]:
    """Requests of 1.0 that can be claimed, and cancelled, until the block before their window."""
    start = world.head + 20
    scheduler.serve(V10(scheduler.node, world.chain.deployment.request_factory))
    return [request_of_factory(world, Unit.BLOCKS, start, freeze=0, value=10**17) for _ in range(3)]


async def test_one_that_its_owner_cancels_meanwhile_is_dropped(
    world: World, scheduler: Program, simulations: Simulations
) -> None:
    gone, *kept = unfrozen(world, scheduler)
    target = gone.target_block
    await scheduler.see()
    await scheduler.jump_to(target - 3)
    await scheduler.watch_to(target - 2)
    world.send(world.customer, gone, "cancel()")
    await scheduler.watch_to(target + 1)
    assert world.executions(gone, scheduler.us) == []
    assert [blocks(world, call, scheduler.us) for call in kept] == [[target]] * 2
    assert simulations.seen == [(target - 2, target)]
    assert scheduler.outcomes() == {"succeeded": 2}


async def test_one_that_another_claims_meanwhile_is_dropped(
    world: World, scheduler: Program, simulations: Simulations
) -> None:
    gone, *kept = unfrozen(world, scheduler)
    target = gone.target_block
    await scheduler.see()
    await scheduler.jump_to(target - 3)
    await scheduler.watch_to(target - 2)
    world.send(world.rival, gone, "claim()", value=10**16)
    await scheduler.watch_to(target + 1)
    assert scheduler.family._calls._tracked[gone.address].status.claimer == world.rival.address
    assert world.executions(gone, scheduler.us) == []
    assert [blocks(world, call, scheduler.us) for call in kept] == [[target]] * 2


async def test_after_a_reorg_of_the_block_it_was_simulated_on_it_is_executed_all_the_same(
    world: World, scheduler: Program, simulations: Simulations
) -> None:
    (call,) = world.schedule(world.head + 20)
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 3)
    fork = world.snapshot()
    await scheduler.watch_to(call.target_block - 2)
    world.reorg(fork)
    world.mine_to(call.target_block - 1)
    await scheduler.see()
    assert len(simulations.seen) == 2
    world.mine()
    assert blocks(world, call, scheduler.us) == [call.target_block]


async def test_one_that_a_reorg_took_away_is_not_sent(
    world: World, scheduler: Program, simulations: Simulations
) -> None:
    fork = world.snapshot()
    (call,) = world.schedule(world.head + 20)
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 3)
    await scheduler.watch_to(call.target_block - 2)
    world.reorg(fork)
    world.mine_to(call.target_block - 1)
    await scheduler.see()
    assert scheduler.journal.open_attempts(scheduler.account) == []
    assert world.executions(call, scheduler.us) == []


async def test_calls_of_two_versions_at_one_block_are_sent_together(
    world: World, scheduler: Program, simulations: Simulations
) -> None:
    deployed, target = world.chain.deployment, world.head + 20
    (old,) = world.schedule(target)
    [new] = request(world, deployed.block_scheduler, [target])
    scheduler.serve(
        V07(scheduler.node, deployed.scheduler), V10(scheduler.node, deployed.request_factory)
    )
    await scheduler.see()
    await scheduler.jump_to(target - 3)
    await scheduler.watch_to(target + 1)
    assert [blocks(world, call, scheduler.us) for call in (old, new)] == [[target]] * 2
    assert simulations.seen == [(target - 2, target)]


class Slots:
    """Blocks that come at the chain's slots, of which some are missed."""

    def __init__(self, world: World, seconds: int) -> None:
        self._world, self._seconds = world, seconds

    @property
    def time(self) -> int:
        latest = self._world.request("eth_getBlockByNumber", "latest", False)
        return int(latest["timestamp"], 16)

    def mine(self, missed: int = 0) -> int:
        """The next block, after so many slots without one; its time."""
        then = self.time + (1 + missed) * self._seconds
        self._world.request("evm_setNextBlockTimestamp", hex(then))
        self._world.mine()
        return self.time


@pytest.mark.parametrize("missed", [0, 1, 5])
@pytest.mark.parametrize("early", [0, 5, 11])
async def test_a_call_by_time_is_ready_where_blocks_keep_their_slots(
    world: World,
    scheduler: Program,
    simulations: Simulations,
    missed: int,
    early: int,
) -> None:
    """Where one was missed before it, nobody knew that its block would be the next."""
    scheduler.slot_time = 12
    scheduler.serve(V10(scheduler.node, world.chain.deployment.request_factory))
    slots = Slots(world, 12)
    opens = slots.time + 40 * 12 - early
    made = request_of_factory(world, Unit.SECONDS, opens, value=10**17)
    while slots.time + 24 + missed * 12 < opens:
        slots.mine()
        await scheduler.see()
    at = world.head
    assert simulations.seen == ([(at, at + 2)] if missed == 0 else [])
    slots.mine(missed)
    await scheduler.see()
    assert simulations.seen == [(at, at + 2) if missed == 0 else (at + 1, at + 2)]
    assert slots.mine() >= opens
    assert blocks(world, made, scheduler.us) == [at + 2]
