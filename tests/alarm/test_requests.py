"""What a block costs the node does not grow with the number of tracked calls."""

import pytest

from tests.alarm.rig import Program, World


async def cost_of_blocks(world: World, scheduler: Program, blocks: int) -> list[tuple[int, int]]:
    """Messages to the node, and requests in them, for each of the next blocks."""
    costs = []
    for _ in range(blocks):
        world.mine()
        messages, requests = scheduler.transport.messages, scheduler.transport.requests
        await scheduler.see()
        costs.append(
            (scheduler.transport.messages - messages, scheduler.transport.requests - requests)
        )
    return costs


@pytest.mark.parametrize("calls", [1, 10, 50])
async def test_an_idle_block_costs_as_much_with_one_call_as_with_fifty(
    world: World, scheduler: Program, calls: int
) -> None:
    await scheduler.see()
    without = await cost_of_blocks(world, scheduler, 3)
    target = world.head + 35
    while calls > 0:
        world.schedule(*[target] * min(calls, 10))
        calls -= 10
    await scheduler.see()
    assert scheduler.family.counts()["tracked"] > 0
    assert await cost_of_blocks(world, scheduler, 3) == without


@pytest.mark.parametrize("calls", [1, 40])
async def test_calls_that_come_near_cost_one_request_more_however_many_they_are(
    world: World, scheduler: Program, calls: int
) -> None:
    """Their terms and their state are read once, all together."""
    await scheduler.see()
    without = await cost_of_blocks(world, scheduler, 1)
    target = world.head + 60
    for start in range(0, calls, 10):
        world.schedule(*[target] * min(calls - start, 10))
    await scheduler.jump_to(target - 41)
    assert scheduler.family.counts() == {"known": calls, "tracked": 0}
    [(messages, requests)] = await cost_of_blocks(world, scheduler, 1)
    assert scheduler.family.counts() == {"known": calls, "tracked": calls}
    assert [(messages - 1, requests - 1)] == without


async def test_calls_that_are_due_and_cannot_be_executed_cost_one_simulation(
    world: World, scheduler: Program
) -> None:
    """As many requests for ten of them as for one, for as long as their windows last."""
    await scheduler.see()
    start = world.head
    (first,) = world.schedule(start + 12)
    rest = world.schedule(*[start + 20] * 9)
    for call in (first, *rest):
        world.request("anvil_setBalance", call.address, "0x0")
    await scheduler.see()
    await scheduler.jump_to(start + 13)
    one = await cost_of_blocks(world, scheduler, 3)
    assert scheduler.flow.due == 1
    await scheduler.watch_to(start + 21)
    ten = await cost_of_blocks(world, scheduler, 3)
    assert scheduler.flow.due == 10
    assert ten == one
