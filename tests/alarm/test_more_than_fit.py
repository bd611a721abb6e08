"""More calls are due at one block than the node's pool takes transactions of one account."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from scheduler.chain.model import Call, CallResult, Head
from scheduler.devchain.scheduling import DEFAULT_PAYMENT, ScheduledCall
from scheduler.errors import NotYet
from scheduler.transactions.purse import Budget
from tests.alarm.rig import EXECUTE, Program, World

SLOTS = 4


@pytest.fixture
def tried(scheduler: Program, monkeypatch: pytest.MonkeyPatch) -> dict[int, list[int]]:
    """How many executions each simulation had, by the block that it was for."""
    found: dict[int, list[int]] = {}
    simulate = scheduler.node.simulate

    async def noted(calls: Sequence[Call], on: Head, number: int, **rest: Any) -> list[CallResult]:
        found.setdefault(number, []).append(sum(call.data == EXECUTE for call in calls))
        return await simulate(calls, on, number, **rest)

    monkeypatch.setattr(scheduler.node, "simulate", noted)
    scheduler.budget = Budget(slots=SLOTS)
    scheduler.restart()
    return found


async def see_to(world: World, scheduler: Program, block: int) -> list[int]:
    """Sees one block after the other until this one; how many messages each of them took."""
    taken = []
    while world.head < block:
        world.mine()
        before = scheduler.transport.messages
        # It is told that more is due than can be sent.
        with suppress(NotYet):
            await scheduler.see()
        taken.append(scheduler.transport.messages - before)
    return taken


async def near(scheduler: Program, call: ScheduledCall) -> None:
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 3)


def places(world: World, scheduler: Program, calls: Sequence[ScheduledCall]) -> list[int]:
    """How many blocks behind its target each was executed."""
    return [
        number - call.target_block
        for call in calls
        for number, _ in world.executions(call, scheduler.us)
    ]


async def test_no_more_are_simulated_than_can_be_sent_and_the_best_paid_come_first(
    world: World, scheduler: Program, tried: dict[int, list[int]]
) -> None:
    target = world.head + 20
    calls = [world.schedule(target, payment=DEFAULT_PAYMENT + n)[0] for n in (3, 1, 4, 2, 6, 0, 5)]
    await near(scheduler, calls[0])
    await see_to(world, scheduler, target + 2)
    assert places(world, scheduler, calls) == [0, 1, 0, 1, 0, 1, 0]
    assert tried == {target: [4], target + 1: [3]}
    assert scheduler.outcomes() == {"succeeded": 7}


async def test_a_block_takes_as_many_messages_for_many_calls_as_for_some(
    world: World, scheduler: Program, tried: dict[int, list[int]]
) -> None:
    taken = []
    for number in (SLOTS + 1, 5 * SLOTS):
        target = world.head + 20
        calls = [call for _ in range(5) for call in world.schedule(*[target] * (number // 5))]
        await near(scheduler, calls[0])
        taken.append(await see_to(world, scheduler, target + 1))
        await see_to(world, scheduler, target + 6)
        assert sorted(places(world, scheduler, calls)) == [n // SLOTS for n in range(number)]
    some, many = taken
    assert max(many) == max(some)


async def test_what_cannot_be_executed_does_not_keep_back_what_can(
    world: World, scheduler: Program, tried: dict[int, list[int]]
) -> None:
    """As many that pay more have lost what they would pay it with."""
    target = world.head + 20
    poor = world.schedule(*[target] * SLOTS, payment=2 * DEFAULT_PAYMENT)
    good = world.schedule(*[target] * 2)
    for call in poor:
        world.request("anvil_setBalance", call.address, "0x0")
    await near(scheduler, good[0])
    await see_to(world, scheduler, target + 2)
    assert places(world, scheduler, good) == [0, 0]
    assert places(world, scheduler, poor) == []
