"""All seven jobs in one process: the urgent first, none in the way of another, nothing in vain."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from scheduler.devchain.moc import DAY, PRICE, SETTLEMENT_SPAN
from scheduler.devchain.moc_contracts import call_data
from scheduler.devchain.moc_market import BUCKET_LIQUIDATION_PRICE, LIQUIDATION_PRICE
from tests.alarm.said import Said
from tests.moc.rig import Program, World, deployment_of, program

DAILY = call_data("dailyInratePayment()")
HOLDERS = call_data("payBitProHoldersInterestPayment()")
AVERAGE = call_data("calculateBitcoinMovingAverage()")
POKE = call_data("poke()")
SETTLE = call_data("runSettlement(uint256)", 25)
LIQUIDATE = call_data("evalLiquidation(uint256)", 25)


@pytest_asyncio.fixture
async def jobs(world: World, tmp_path: Path) -> AsyncIterator[Program]:
    async with program(world, tmp_path, deployment_of(world.at).jobs()) as running:
        yield running


def calls(world: World) -> list[tuple[int, bytes]]:
    """What we sent: the block of each transaction and its data, in their order."""
    found = []
    for receipt in world.ours():
        sent = world.request("eth_getTransactionByHash", receipt["transactionHash"])
        found.append((int(receipt["blockNumber"], 16), bytes.fromhex(sent["input"][2:])))
    return found


async def first_payments(world: World, jobs: Program) -> None:
    """Those that a new deployment has to make, out of the way."""
    await jobs.live(2)
    assert [data for _, data in calls(world)] == [DAILY, HOLDERS]
    world.mine()
    await jobs.see()


async def test_what_is_due_together_is_done_in_one_block_after_one_look(
    world: World, jobs: Program
) -> None:
    world.mine(25)
    due_at = world.head
    assert jobs.transport is not None
    await jobs.see()
    world.mine()
    assert calls(world) == [(due_at + 1, data) for data in (DAILY, HOLDERS, AVERAGE)]


async def test_with_nothing_to_do_two_messages_a_block_are_enough(
    world: World, jobs: Program
) -> None:
    """The head, as a follower without subscription asks for it, the conditions, and the nonce."""
    await first_payments(world, jobs)
    await jobs.live(4)
    assert jobs.transport is not None
    before = jobs.transport.messages
    await jobs.live(1)
    world.mine()
    assert jobs.flow.due == 0
    event = await jobs.event()
    asked = jobs.transport.messages
    assert event is not None
    await jobs.flow.on(event)
    assert jobs.transport.messages - asked <= 2
    assert before < asked


async def test_an_average_that_the_settlement_calculates_is_not_calculated_again(
    world: World, jobs: Program
) -> None:
    with world.instantly() as market:
        market.request_redemption()
    world.mine(SETTLEMENT_SPAN)
    assert world.market.view("MoCState", "shouldCalculateEma()", "bool") == (True,)
    await jobs.live(6)
    done = [data for _, data in calls(world)]
    assert done.count(SETTLE) == 1
    assert AVERAGE not in done
    assert world.market.view("MoCState", "shouldCalculateEma()", "bool") == (False,)


async def test_after_liquidation_nothing_burns_gas(world: World, jobs: Program) -> None:
    """A settlement that was due then stays enabled for ever, and does nothing."""
    with world.instantly() as market:
        market.request_redemption()
        market.set_price(LIQUIDATION_PRICE)
        market.wallet.transact(
            world.at["MoC"], call_data("evalBucketLiquidation(bytes32)", b"X2".ljust(32, b"\0"))
        )
    await jobs.live(6)
    assert LIQUIDATE in [data for _, data in calls(world)]
    world.mine(SETTLEMENT_SPAN)
    assert world.market.view("MoC", "isSettlementEnabled()", "bool") == (True,)
    await jobs.live(4)
    sent = len(calls(world))
    for _ in range(3):
        world.mine(3 * DAY)
        await jobs.live(1)
    assert SETTLE not in [data for _, data in calls(world)[sent:]]


async def test_without_a_price_what_needs_none_goes_on_and_the_rest_waits_and_resumes(
    world: World, jobs: Program, said: Said
) -> None:
    await first_payments(world, jobs)
    with world.instantly() as market:
        market.withdraw_price()
    world.mine(25)
    await jobs.live(4)
    done = [data for _, data in calls(world)]
    assert done.count(DAILY) == 2
    assert AVERAGE not in done
    waits = [line for line in said.lines if "condition cannot be read" in line]
    assert {line.partition(":")[0] for line in waits} == {"liquidation", "bucket_liquidation"}
    assert all("Oracle have no Bitcoin Price" in line for line in waits)
    assert len(waits) == 2, "each once, however long it lasts"
    with world.instantly() as market:
        market.set_price(PRICE)
    await jobs.live(3)
    assert [data for _, data in calls(world)].count(AVERAGE) == 1
    assert sum("can be read again" in line for line in said.lines) == 2


async def test_a_price_that_expired_is_withdrawn_and_said(
    world: World, jobs: Program, said: Said
) -> None:
    with world.instantly() as market:
        market.set_price(PRICE, seconds=60)
    world.request("evm_increaseTime", 120)
    world.mine()
    await jobs.live(4)
    assert [data for _, data in calls(world)].count(POKE) == 1
    assert "oracle_poke: WARNING: [POKE] Not valid price! Disabling MOC Price!" in said.lines


async def test_a_liquidation_is_ahead_of_everything_else_in_its_block(
    world: World, jobs: Program
) -> None:
    """All is due at once: what is urgent has the lowest nonce."""
    world.mine(25)
    with world.instantly() as market:
        market.set_price(BUCKET_LIQUIDATION_PRICE)
        market.set_price(LIQUIDATION_PRICE)
    await jobs.live(3)
    done = calls(world)
    assert done[0][1] == LIQUIDATE
    assert {data for _, data in done} >= {LIQUIDATE, DAILY, HOLDERS, AVERAGE}
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
