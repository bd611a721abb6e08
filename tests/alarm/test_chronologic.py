"""What only 1.0 has: windows of seconds, a gas limit to the unit, a price of gas that is asked."""

from random import Random
from typing import Any

import pytest
import pytest_asyncio
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from scheduler.alarm import buckets
from scheduler.alarm.calls import NEVER, Moment, Unit
from scheduler.alarm.v10 import ABORT_REASONS, ABORTED, EXECUTED, V10, abort_reason, least_gas
from scheduler.chain.model import Log
from scheduler.devchain.accounts import receipt_of
from scheduler.devchain.scheduling import ScheduledCall
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.states import Purpose
from tests.alarm.customers import request, request_of_factory
from tests.alarm.rig import EXECUTE, Program, World
from tests.alarm.said import Said

GWEI = 10**9


@pytest_asyncio.fixture
async def serving(world: World, scheduler: Program) -> Program:
    """A scheduler that serves the RequestFactory."""
    serve(scheduler)
    return scheduler


def serve(scheduler: Program) -> None:
    scheduler.serve(V10(scheduler.node, scheduler.world.chain.deployment.request_factory))


def by_block(world: World, *targets: int, **fields: Any) -> list[ScheduledCall]:
    return request(world, world.chain.deployment.block_scheduler, targets, **fields)


def by_time(world: World, *targets: int, **fields: Any) -> list[ScheduledCall]:
    wish = {"window_size": 3600, **fields}
    return request(world, world.chain.deployment.timestamp_scheduler, targets, **wish)


def now(world: World) -> int:
    return int(world.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


def mine_after(world: World, seconds: int) -> None:
    """A block that comes so many seconds after the last one."""
    world.request("evm_setNextBlockTimestamp", hex(now(world) + seconds))
    world.mine()


def mined_at(world: World, serving: Program, call: ScheduledCall) -> list[tuple[int, int]]:
    """Number and timestamp of the blocks in which we executed the call."""
    return [
        (number, int(world.request("eth_getBlockByNumber", hex(number), False)["timestamp"], 16))
        for number, _ in world.executions(call, serving.us)
    ]


async def pass_by(serving: Program, intervals: list[int]) -> list[tuple[int, int]]:
    """Blocks that come after so many seconds each, seen one by one; each with the earliest time
    that it could have had when its parent was seen."""
    world, found = serving.world, []
    for seconds in intervals:
        earliest = now(world) + serving.slot_time
        mine_after(world, seconds)
        found.append((world.head, earliest))
        await serving.see()
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_calls_by_time_are_never_early_and_as_soon_as_certain_with_blocks_of_any_length(
    world: World, serving: Program, seed: int
) -> None:
    random = Random(seed)
    start = now(world)
    calls = by_time(world, *sorted(start + 250 + random.randrange(300) for _ in range(3)))
    await serving.see()
    steps = [random.choice([1, 1, 2, 12, 13, 120]) for _ in range(60)]
    blocks = await pass_by(serving, steps)
    for call in calls:
        [(number, timestamp)] = mined_at(world, serving, call)
        assert timestamp >= call.target_block
        assert number == next(n for n, earliest in blocks if earliest >= call.target_block)
        assert world.hits(call) == 1
    assert serving.outcomes() == {"succeeded": 3}


async def test_with_slots_a_call_is_executed_in_the_first_slot_of_its_window(
    world: World, serving: Program
) -> None:
    """The next block is a slot away, or several where slots are missed."""
    serving.slot_time = 12
    serve(serving)
    slot = now(world) + 600
    in_slot, after_slot = by_time(world, slot, slot + 25)
    await serving.see()
    await pass_by(serving, [slot - 24 - now(world), 12, 12, 24, 12, 12])
    assert [time for _, time in mined_at(world, serving, in_slot)] == [slot]
    assert [time for _, time in mined_at(world, serving, after_slot)] == [slot + 36]


@pytest.mark.parametrize("late", [0, 1])
async def test_the_last_second_of_a_window_is_the_last_in_which_it_is_executed(
    world: World, serving: Program, late: int, said: Said
) -> None:
    [call] = by_time(world, now(world) + 250, window_size=300)
    last = call.target_block + 300
    mine_after(world, last - 1 + late - now(world))
    await serving.see()
    mine_after(world, 1)
    await serving.see()
    assert [time for _, time in mined_at(world, serving, call)] == ([] if late else [last])
    assert world.hits(call) == 1 - late


async def test_a_call_by_time_that_another_claimed_waits_for_its_reserved_seconds(
    world: World, serving: Program, said: Said
) -> None:
    [call] = by_time(world, now(world) + 700)
    world.send(world.rival, call, "claim()", value=10**16)
    world.mine()
    await serving.see()
    free = call.target_block + 300
    await pass_by(serving, [free - 5 - now(world), *[1] * 10])
    assert [time for _, time in mined_at(world, serving, call)] == [free]
    assert serving.outcomes() == {"succeeded": 1}


async def test_an_execution_by_time_that_is_not_mined_in_its_window_is_cancelled(
    world: World, serving: Program
) -> None:
    """The block that should have it comes when the window is over."""
    [call] = by_time(world, now(world) + 250, window_size=300)
    last = call.target_block + 300
    mine_after(world, last - 2 - now(world))
    await serving.see()
    [attempt] = serving.journal.open_attempts(serving.account)
    # It has no room in the block by which the window ends.
    world.request("anvil_dropAllTransactions")
    mine_after(world, 10)
    kind, params = attempt.intent.kind, attempt.intent.params
    assert not serving.family.still_useful(kind, params, await at_head(serving))
    await serving.see()
    world.mine()
    await serving.see()
    assert world.hits(call) == 0
    [*_, last_bid] = serving.journal.open_attempts(serving.account)
    assert last_bid.purpose is Purpose.CANCEL


async def at_head(serving: Program) -> Any:
    return await serving.node.block()


@pytest.mark.parametrize("call_gas", [50_000, 123_457, 1_000_000])
async def test_the_least_gas_limit_executes_and_a_unit_less_aborts(
    world: World, call_gas: int
) -> None:
    [call] = by_block(world, world.head + 15, call_gas=call_gas)
    world.mine_to(call.target_block)
    topics = {}
    for limit in (least_gas(call_gas), least_gas(call_gas) - 1):
        before = world.snapshot()
        sent = world.rival.send(call.address, EXECUTE, gas=limit)
        world.mine()
        logs = receipt_of(world.chain.endpoint, sent)["logs"]
        topics[limit] = [log["topics"][0] for log in logs if log["address"] == call.address]
        if topics[limit] == [ABORTED]:
            assert int(logs[0]["data"], 16) == ABORT_REASONS.index("InsufficientGas")
        world.reorg(before)
    assert topics == {least_gas(call_gas): [EXECUTED], least_gas(call_gas) - 1: [ABORTED]}


@pytest.mark.parametrize(("asked", "paid"), [(GWEI // 1000, None), (30 * GWEI, 30 * GWEI)])
async def test_no_less_than_the_price_that_a_call_asks_for_is_paid(
    world: World, serving: Program, asked: int, paid: int | None, said: Said
) -> None:
    [call] = by_block(world, world.head + 15, gas_price=asked)
    await serving.see()
    await serving.jump_to(call.target_block - 3)
    await serving.watch_to(call.target_block + 2)
    [(number, hash_)] = world.executions(call, serving.us)
    price = int(world.request("eth_getTransactionReceipt", hash_)["effectiveGasPrice"], 16)
    assert number == call.target_block
    assert price == paid if paid else price > asked
    assert serving.outcomes() == {"succeeded": 1}


@pytest.mark.parametrize("runs_on", [True, False])
async def test_what_waits_is_raised_to_what_its_call_asks_for_when_base_fees_fall(
    world: World, serving: Program, runs_on: bool
) -> None:
    """A price is base fee and tip: what was enough was mined for too little, and aborted."""

    def block(gwei: int) -> None:
        world.request("anvil_dropAllTransactions")
        world.request("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))
        world.mine()

    [call] = by_block(world, world.head + 15, gas_price=20 * GWEI)
    await serving.see()
    await serving.jump_to(call.target_block - 4)
    for _ in range(3):
        block(30)
        await serving.see()
    assert len(serving.journal.open_attempts(serving.account)) == 1
    for gwei in (26, 22, 18, 14, 10, 8):
        block(gwei)
        if runs_on:
            await serving.see()
    if not runs_on:
        serving.restart()
        await serving.see()
    world.request("anvil_setNextBlockBaseFeePerGas", hex(7 * GWEI))
    world.mine()
    await serving.see()
    [(_, hash_)] = world.executions(call, serving.us)
    price = int(world.request("eth_getTransactionReceipt", hash_)["effectiveGasPrice"], 16)
    assert price >= 20 * GWEI
    assert serving.outcomes() == {"succeeded": 1}


async def test_a_call_that_asks_for_more_than_the_operator_allows_is_left_and_told_once(
    world: World, serving: Program, said: Said
) -> None:
    serving.policy = FeePolicy(max_gas_price=20 * GWEI)
    serve(serving)
    dear, other = by_block(world, world.head + 15, gas_price=30 * GWEI) + by_block(
        world, world.head + 15
    )
    await serving.see()
    await serving.jump_to(dear.target_block - 3)
    await serving.watch_to(dear.target_block + 5)
    assert world.executions(dear, serving.us) == []
    assert len(world.executions(other, serving.us)) == 1
    assert said.of(dear.address)[3:] == [
        f"Not executing the call: no_effect: it asks for {30 * GWEI} wei per gas, above "
        "fees.max-gas-price"
    ]


async def test_a_call_that_cannot_pay_what_it_owes_is_not_executed(
    world: World, serving: Program, said: Said
) -> None:
    """It would log what it owes, and pay nothing."""
    start = world.head + 15
    poor = request_of_factory(world, Unit.BLOCKS, start, value=10**12)
    await serving.see()
    await serving.jump_to(start - 3)
    await serving.watch_to(start + 3)
    assert world.executions(poor, serving.us) == []
    assert said.of(poor.address)[-1].endswith("and pay 0 wei")
    earned = world.alarm.balance(world.rival.address)
    world.rival_executes(poor)
    world.mine()
    assert world.hits(poor) == 1
    assert world.alarm.balance(world.rival.address) < earned


async def test_requests_that_strangers_announce_are_not_believed(
    world: World, serving: Program
) -> None:
    [call] = by_block(world, world.head + 15)
    [ours] = serving.versions
    assert [entry.call for entry in await ours.walk(await at_head(serving))] == [call.address]
    elsewhere = V10(serving.node, world.counter)
    assert await elsewhere.walk(await at_head(serving)) == []


@pytest.mark.parametrize("reason", ABORT_REASONS)
def test_each_reason_of_an_abort_has_its_name(reason: str) -> None:
    number = ABORT_REASONS.index(reason)
    assert abort_reason(Log("", (ABORTED,), encode(["uint8"], [number]))) == reason


def test_a_reason_that_is_not_known_is_told_by_its_number() -> None:
    assert abort_reason(Log("", (ABORTED,), encode(["uint8"], [7]))) == "reason 7"


@given(st.sampled_from(list(Unit)), st.integers(0, 2**40), st.integers(-2 * 3600, 2 * 3600))
def test_the_buckets_of_windows_that_are_near_are_asked_for(
    unit: Unit, time: int, ahead: int
) -> None:
    size = buckets.SIZE[unit]
    nearest = max(-buckets.BACK[unit] * size, min(ahead, buckets.AHEAD[unit] * size))
    start = max(0, time + nearest)
    around = buckets.around(Moment(time, time), unit)
    assert start // size * size in around
    assert all(first % size == 0 for first in around)
    assert len(around) <= buckets.BACK[unit] + 1 + buckets.AHEAD[unit]


@pytest.mark.parametrize("unit", Unit)
async def test_buckets_are_named_as_the_contract_names_them(world: World, unit: Unit) -> None:
    factory = world.chain.deployment.request_factory
    number = {Unit.BLOCKS: 1, Unit.SECONDS: 2}[unit]
    for start in (0, 239, 240, 3_599, 3_600, 1_700_000_000):
        named = world.alarm.view(factory, "getBucket(uint256,uint8)", "int256", start, number)
        first = start // buckets.SIZE[unit] * buckets.SIZE[unit]
        [bucket] = buckets.numbers(unit, range(first, first + 1, buckets.SIZE[unit]))
        assert bucket == named
        assert buckets.of_topic(buckets.topic(bucket)) == named


async def test_a_window_without_an_end_is_one(world: World, serving: Program) -> None:
    """Numbers of the contracts have 256 bits, those of the journal 64."""
    [call] = by_block(world, world.head + 15, window_size=2**255)
    await serving.see()
    await serving.jump_to(call.target_block - 3)
    await serving.watch_to(call.target_block)
    assert [number for number, _ in world.executions(call, serving.us)] == [call.target_block]
    [attempt] = serving.journal.open_attempts(serving.account)
    assert attempt.limits.last_block == NEVER
