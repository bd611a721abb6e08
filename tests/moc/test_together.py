"""All seven jobs in one process: the urgent first, none in the way of another, nothing in vain."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from scheduler.devchain.moc import DAY, PRICE, SETTLEMENT_SPAN, X2
from scheduler.devchain.moc_contracts import call_data
from scheduler.devchain.moc_market import BUCKET_LIQUIDATION_PRICE, LIQUIDATION_PRICE
from tests.alarm.said import Said
from tests.moc.conftest import VARIANTS
from tests.moc.rig import Program, World, calls, deployment_of, program

DAILY, HOLDERS, AVERAGE = "daily_inrate_payment", "pay_bitpro_holders", "calculate_bma"
LIQUIDATE, BUCKET = "liquidation", "bucket_liquidation"
SETTLE, POKE = "run_settlement", "oracle_poke"

in_all_variants = pytest.mark.parametrize("variant", VARIANTS)


@pytest_asyncio.fixture
async def jobs(world: World, tmp_path: Path) -> AsyncIterator[Program]:
    async with program(world, tmp_path, deployment_of(world.at).jobs()) as running:
        yield running


def done_by(world: World) -> list[str]:
    """The jobs for which we sent anything that is mined, in that order."""
    return [name for _, name in calls(world)]


async def first_payments(world: World, jobs: Program) -> None:
    """Those that a new deployment has to make, out of the way."""
    await jobs.live(2)
    assert done_by(world) == [DAILY, HOLDERS]
    world.mine()
    await jobs.see()


@in_all_variants
async def test_what_is_due_together_is_done_in_one_block_after_one_look(
    world: World, jobs: Program
) -> None:
    world.mine(25)
    due_at = world.head
    assert jobs.transport is not None
    await jobs.see()
    world.mine()
    assert calls(world) == [(due_at + 1, name) for name in (DAILY, HOLDERS, AVERAGE)]


async def test_with_nothing_to_do_one_message_a_block_is_enough(
    world: World, jobs: Program
) -> None:
    """The conditions of all seven jobs, and those of sending; the head comes by itself."""
    await first_payments(world, jobs)
    await jobs.live(4)
    assert jobs.transport is not None
    await jobs.live(1)
    world.mine()
    assert jobs.flow.due == 0
    event = await jobs.event()
    asked = jobs.transport.messages
    assert event is not None
    await jobs.flow.on(event)
    assert jobs.transport.messages - asked == 1


@in_all_variants
async def test_an_average_that_the_settlement_calculates_is_not_calculated_again(
    world: World, jobs: Program
) -> None:
    with world.instantly() as market:
        market.request_redemption()
    world.mine(SETTLEMENT_SPAN)
    assert world.market.view("MoCState", "shouldCalculateEma()", "bool") == (True,)
    await jobs.live(6)
    done = done_by(world)
    assert done.count(SETTLE) == 1
    assert AVERAGE not in done
    assert world.market.view("MoCState", "shouldCalculateEma()", "bool") == (False,)


@in_all_variants
async def test_after_liquidation_nothing_burns_gas(world: World, jobs: Program) -> None:
    """A settlement that was due then stays enabled for ever, and does nothing."""
    with world.instantly() as market:
        market.request_redemption()
        market.set_price(LIQUIDATION_PRICE)
        market.wallet.transact(world.at["MoC"], call_data("evalBucketLiquidation(bytes32)", X2))
    await jobs.live(6)
    world.mine(SETTLEMENT_SPAN)
    assert world.market.view("MoC", "isSettlementEnabled()", "bool") == (True,)
    await jobs.live(4)
    for _ in range(3):
        world.mine(3 * DAY)
        jobs.restart()
        await jobs.live(1)
    done = done_by(world)
    assert SETTLE not in done
    assert done.count(LIQUIDATE) == 1
    # Whatever else is done yet has its effect.
    assert jobs.outcomes() == {"succeeded": len(done)}


@in_all_variants
async def test_an_average_that_is_due_with_a_liquidation_is_calculated_by_that_alone(
    world: World, jobs: Program
) -> None:
    """It was mined behind the liquidation, in vain: their gas is too much for one simulation."""
    await first_payments(world, jobs)
    with world.instantly() as market:
        market.set_price(LIQUIDATION_PRICE)
        market.wallet.transact(world.at["MoC"], call_data("evalBucketLiquidation(bytes32)", X2))
    world.mine(25)
    for view in ("isLiquidationReached()", "shouldCalculateEma()"):
        assert world.market.view("MoCState", view, "bool") == (True,)
    due_at = world.head
    await jobs.live(4)
    since = [(block, name) for block, name in calls(world) if block > due_at]
    assert since[0] == (due_at + 1, LIQUIDATE)
    assert AVERAGE not in [name for _, name in since]
    assert world.market.view("MoCState", "shouldCalculateEma()", "bool") == (False,)
    world.mine(25)
    await jobs.live(2)
    assert done_by(world)[-1] == AVERAGE
    assert jobs.outcomes().keys() == {"succeeded"}


@in_all_variants
async def test_without_a_price_what_needs_none_goes_on_and_the_rest_waits_and_resumes(
    world: World, jobs: Program, said: Said
) -> None:
    await first_payments(world, jobs)
    with world.instantly() as market:
        market.withdraw_price()
    before = done_by(world)
    world.mine(25)
    await jobs.live(4)
    assert done_by(world) == [*before, DAILY]
    waits = [line for line in said.lines if "condition cannot be read" in line]
    assert {line.partition(":")[0] for line in waits} == {LIQUIDATE, BUCKET, AVERAGE}
    assert all("Oracle have no" in line for line in waits)
    assert len(waits) == 3, "each once, however long it lasts"
    with world.instantly() as market:
        market.set_price(PRICE)
    await jobs.live(3)
    assert done_by(world) == [*before, DAILY, AVERAGE]
    assert sum("can be read again" in line for line in said.lines) == 3


async def test_a_price_that_expired_is_withdrawn_and_said(
    world: World, jobs: Program, said: Said
) -> None:
    with world.instantly() as market:
        market.set_price(PRICE, seconds=60)
    world.request("evm_increaseTime", 120)
    world.mine()
    await jobs.live(4)
    assert done_by(world).count(POKE) == 1
    assert "oracle_poke: WARNING: [POKE] Not valid price! Disabling MOC Price!" in said.lines


@in_all_variants
async def test_a_liquidation_is_ahead_of_everything_else_in_its_block(
    world: World, jobs: Program
) -> None:
    """All is due at once: what is urgent has the lowest nonce, and calculates the average, too."""
    world.mine(25)
    with world.instantly() as market:
        market.set_price(BUCKET_LIQUIDATION_PRICE)
        market.set_price(LIQUIDATION_PRICE)
    await jobs.live(3)
    done = calls(world)
    assert done[0][1] == LIQUIDATE
    assert {name for _, name in done} >= {LIQUIDATE, DAILY, HOLDERS}
    assert AVERAGE not in {name for _, name in done}
    assert len({block for block, _ in done}) == 1


async def test_the_log_reads_as_it_did(world: World, jobs: Program, said: Said) -> None:
    await first_payments(world, jobs)
    lines = [line for line in said.lines if line.startswith("daily_inrate_payment")]
    receipt = world.ours()[0]
    number, gas = int(receipt["blockNumber"], 16), int(receipt["gasUsed"], 16)
    assert lines[:2] == [
        "daily_inrate_payment: INFO: Calling dailyInratePayment ...",
        f"daily_inrate_payment: INFO: Successfully dailyInratePayment in Block [{number}] "
        f"Hash: [{receipt['transactionHash']}] Gas used: [{gas}] From: [{world.us}]",
    ]
    assert "run_settlement: INFO: NO: runSettlement!" in said.lines
