"""Each version of the contracts, the real ones: found, executed once in its window, and judged."""

import pytest
import pytest_asyncio

from scheduler.alarm import buckets
from scheduler.alarm.calls import Unit
from scheduler.chain.heads import HeadTracker
from scheduler.devchain.scheduling import ScheduledCall
from tests.alarm.customers import CUSTOMERS, Customer
from tests.alarm.rig import Program, World
from tests.alarm.said import Said

each_version = pytest.mark.parametrize("customer", CUSTOMERS, ids=lambda each: each.version)


@pytest_asyncio.fixture
async def serving(scheduler: Program, customer: Customer) -> Program:
    """A scheduler that serves the customer's contract."""
    scheduler.serve(customer.served_by(scheduler))
    return scheduler


async def near(serving: Program, call: ScheduledCall) -> None:
    """What is seen until three blocks before the target."""
    await serving.see()
    await serving.jump_to(call.target_block - 3)


def blocks(world: World, call: ScheduledCall, account: str) -> list[int]:
    return [number for number, _ in world.executions(call, account)]


@each_version
async def test_calls_are_executed_exactly_at_their_targets(
    world: World, serving: Program, customer: Customer
) -> None:
    first = world.head + customer.lead
    calls = customer.schedule(world, first, first, first + 2)
    await near(serving, calls[0])
    await serving.watch_to(first + 5)
    for call in calls:
        assert blocks(world, call, serving.us) == [call.target_block]
        assert world.hits(call) == 1
    assert serving.outcomes() == {"succeeded": 3}


@each_version
async def test_a_target_that_fails_is_executed_paid_for_and_told(
    world: World, serving: Program, customer: Customer, said: Said
) -> None:
    [call] = customer.schedule(world, world.head + customer.lead, to=world.reverter)
    await near(serving, call)
    before = world.alarm.balance(serving.us)
    await serving.watch_to(call.target_block + 3)
    assert blocks(world, call, serving.us) == [call.target_block]
    assert "Outcome: target_failed at block" in said.of(call.address)[-1]
    assert serving.outcomes() == {"target_failed": 1}
    assert world.alarm.balance(serving.us) > before


@each_version
async def test_what_an_execution_earned_is_what_the_account_got(
    world: World, serving: Program, customer: Customer, said: Said
) -> None:
    [call] = customer.schedule(world, world.head + customer.lead)
    await near(serving, call)
    before = world.alarm.balance(serving.us)
    await serving.watch_to(call.target_block)
    line = said.of(call.address)[-1]
    cost, paid = (
        int(float(line.split(f"{word} ")[1].split(" ether")[0]) * 10**18)
        for word in ("cost", "paid")
    )
    assert world.alarm.balance(serving.us) - before == pytest.approx(paid - cost, abs=10**6)
    assert paid > cost


@each_version
@pytest.mark.parametrize("beyond", [0, 1])
async def test_the_last_block_of_a_window_is_the_last_in_which_it_is_executed(
    world: World, serving: Program, customer: Customer, beyond: int, said: Said
) -> None:
    """The real contract lets itself be executed there, and not in the block after it."""
    call = customer.shortest(world, world.head + customer.lead)
    last = call.target_block + customer.window
    world.mine_to(last - 1 + beyond)
    before = world.snapshot()
    world.rival_executes(call)
    world.mine()
    assert world.hits(call) == (0 if beyond else 1)
    world.reorg(before)
    await serving.see()
    await serving.watch_to(last + 2)
    assert blocks(world, call, serving.us) == ([] if beyond else [last])


@each_version
async def test_a_call_that_another_claimed_is_executed_when_it_is_free_for_all(
    world: World, serving: Program, customer: Customer, said: Said
) -> None:
    [call] = customer.schedule(world, world.head + customer.lead + 30)
    await serving.see()
    world.mine_to(max(world.head, call.target_block - 30))
    world.send(world.rival, call, "claim()", value=10**16)
    world.mine()
    await near(serving, call)
    await serving.watch_to(call.target_block + 15)
    assert blocks(world, call, serving.us) == []
    await serving.watch_to(call.target_block + 18)
    assert blocks(world, call, serving.us) == [call.target_block + 16]
    assert any(f"claimed by {world.rival.address}" in line for line in said.of(call.address))
    assert serving.outcomes() == {"succeeded": 1}


@each_version
async def test_a_cancelled_call_is_left_alone(
    world: World, serving: Program, customer: Customer, said: Said
) -> None:
    """v0.6 and v0.7 let themselves be cancelled only while the claims have not begun."""
    [call] = customer.schedule(world, world.head + max(customer.lead, 280))
    await serving.see()
    world.send(world.customer, call, "cancel()")
    world.mine()
    await near(serving, call)
    before = world.transactions(serving.us)
    await serving.watch_to(call.target_block + 3)
    assert "Call has been cancelled" in said.of(call.address)
    assert world.transactions(serving.us) == before


@each_version
async def test_a_call_that_a_rival_executed_is_left_alone(
    world: World, serving: Program, customer: Customer, said: Said
) -> None:
    [call] = customer.schedule(world, world.head + customer.lead)
    await near(serving, call)
    before = world.transactions(serving.us)
    world.mine_to(call.target_block - 1)
    world.rival_executes(call)
    world.mine()
    await serving.see()
    await serving.watch_to(call.target_block + 3)
    assert any(
        f"Call has already been executed by {world.rival.address}" in line
        for line in said.of(call.address)
    )
    assert world.transactions(serving.us) == before


@each_version
async def test_a_rival_ahead_in_the_same_block_makes_ours_without_effect(
    world: World, serving: Program, customer: Customer, said: Said
) -> None:
    [call] = customer.schedule(world, world.head + customer.lead)
    await near(serving, call)
    world.mine_to(call.target_block - 1)
    # In the node's order, which is that of arrival.
    world.rival_executes(call)
    await serving.see()
    await serving.watch_to(call.target_block + 3)
    assert serving.outcomes() == {"no_effect": 1}
    why = {"0.6": "aborted: ALREADY_CALLED", "0.7": "nothing happened", "1.0": "AlreadyCalled"}
    assert why[customer.version] in said.of(call.address)[-1]


@each_version
async def test_a_reorg_of_the_block_that_scheduled_a_call_takes_it_away(
    world: World, serving: Program, customer: Customer, said: Said
) -> None:
    await serving.see()
    before = world.snapshot()
    target = world.head + customer.lead + 3
    customer.schedule(world, target)
    await serving.see()
    assert serving.family.counts()["known"] == 1
    world.reorg(before)
    world.mine(2)
    await serving.see()
    assert serving.family.counts() == {"known": 0, "tracked": 0}
    [again] = customer.schedule(world, target)
    await serving.see()
    await near_or_there(serving, again)
    await serving.watch_to(target + 2)
    assert blocks(world, again, serving.us) == [target]


async def near_or_there(serving: Program, call: ScheduledCall) -> None:
    """The same, where it may have been seen already."""
    if serving.world.head < call.target_block - 3:
        await serving.jump_to(call.target_block - 3)


@each_version
async def test_calls_scheduled_before_the_start_are_found_however_far_ahead(
    world: World, serving: Program, customer: Customer
) -> None:
    """1.0 is asked for a bucket when its windows come near: this one was not asked for at first."""
    far = (buckets.AHEAD[Unit.BLOCKS] + 1) * buckets.SIZE[Unit.BLOCKS]
    soon = world.head + customer.lead
    later = soon + (far if customer.version == "1.0" else 50)
    calls = customer.schedule(world, soon, later)
    await near(serving, calls[0])
    await serving.watch_to(soon + 1)
    while world.head < later - 100:
        world.mine(90)
        await serving.see()
    await serving.jump_to(later - 3)
    await serving.watch_to(later + 1)
    for call in calls:
        assert blocks(world, call, serving.us) == [call.target_block]


@each_version
async def test_an_idle_block_costs_as_much_with_many_calls_as_with_none(
    world: World, serving: Program, customer: Customer
) -> None:
    await serving.see()
    without = await costs(serving)
    target = world.head + customer.lead + 20
    for _ in range(3):
        customer.schedule(world, *[target] * 8)
    await serving.see()
    await serving.jump_to(target - 10)
    assert serving.family.counts()["tracked"] == 24
    assert await costs(serving) == without


async def costs(serving: Program) -> list[tuple[int, int]]:
    """Messages to the node, and requests in them, for each of the next three blocks."""
    found = []
    for _ in range(3):
        serving.world.mine()
        before = serving.transport.messages, serving.transport.requests
        await serving.see()
        found.append(
            (serving.transport.messages - before[0], serving.transport.requests - before[1])
        )
    return found


async def test_all_versions_are_served_by_one_process(world: World, scheduler: Program) -> None:
    scheduler.serve(*(customer.served_by(scheduler) for customer in CUSTOMERS))
    target = world.head + 320
    calls = [call for each in CUSTOMERS for call in each.schedule(world, target, target + 1)]
    await scheduler.see()
    await scheduler.jump_to(target - 3)
    await scheduler.watch_to(target + 5)
    for call in calls:
        assert blocks(world, call, scheduler.us) == [call.target_block]
    assert scheduler.outcomes() == {"succeeded": 6}


@pytest.mark.parametrize("away", [1, 300])
async def test_after_a_restart_each_outcome_is_judged_by_its_own_contract(
    world: World, scheduler: Program, away: int
) -> None:
    """By what was mined, and the state of its block: the windows may be over."""
    versions = [customer.served_by(scheduler) for customer in CUSTOMERS]
    scheduler.serve(*versions)
    target = world.head + 320
    for customer in CUSTOMERS:
        customer.schedule(world, target, to=world.reverter)
    await scheduler.see()
    await scheduler.jump_to(target - 3)
    await scheduler.watch_to(target - 1)
    world.mine(away)
    scheduler.serve(*(customer.served_by(scheduler) for customer in CUSTOMERS))
    scheduler.tracker = HeadTracker()
    await scheduler.see()
    assert scheduler.outcomes() == {"target_failed": 3}
