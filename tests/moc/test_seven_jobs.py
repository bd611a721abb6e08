"""Each of the seven jobs on the real contracts: its effect, once, when its condition is true."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scheduler.devchain.moc import PRICE, SETTLEMENT_SPAN
from scheduler.devchain.moc_market import BUCKET_LIQUIDATION_PRICE, LIQUIDATION_PRICE
from scheduler.jobs.abi import topic
from scheduler.jobs.declaration import Job
from scheduler.moc.jobs import TASKS
from tests.moc.conftest import VARIANTS
from tests.moc.rig import World, deployment_of, program

pytestmark = pytest.mark.parametrize("variant", VARIANTS)


def a_price_that_liquidates_the_bucket(world: World) -> None:
    with world.instantly() as market:
        market.set_price(BUCKET_LIQUIDATION_PRICE)


def a_price_that_liquidates_all(world: World) -> None:
    with world.instantly() as market:
        market.set_price(LIQUIDATION_PRICE)


def requests_and_the_day_of_settlement(world: World) -> None:
    with world.instantly() as market:
        market.request_redemption()
    world.mine(SETTLEMENT_SPAN)


def twenty_five_blocks(world: World) -> None:
    world.mine(25)


def a_price_that_expired(world: World) -> None:
    with world.instantly() as market:
        market.set_price(PRICE, seconds=60)
    world.request("evm_increaseTime", 120)
    world.mine()


def nothing(world: World) -> None:
    """A new deployment has its payments to make."""


# By the job: what makes its condition true, and the event that proves its effect.
CASES: dict[str, tuple[Callable[[World], None], str, str]] = {
    "liquidation": (a_price_that_liquidates_all, "MoCState", "StateTransition(uint8)"),
    "bucket_liquidation": (
        a_price_that_liquidates_the_bucket,
        "MoC",
        "BucketLiquidation(bytes32)",
    ),
    "run_settlement": (
        requests_and_the_day_of_settlement,
        "MoCSettlement",
        "SettlementCompleted(uint256)",
    ),
    "daily_inrate_payment": (nothing, "MoCInrate", "InrateDailyPay(uint256,uint256,uint256)"),
    "pay_bitpro_holders": (nothing, "MoCInrate", "RiskProHoldersInterestPay(uint256,uint256)"),
    "calculate_bma": (twenty_five_blocks, "MoCState", "MovingAverageCalculation(uint256,uint256)"),
    "oracle_poke": (a_price_that_expired, "MoCMedianizer", "LogValue(bytes32)"),
}


def effects(world: World, contract: str, event: str) -> list[int]:
    """The blocks in which transactions of ours had this effect."""
    return [
        int(receipt["blockNumber"], 16)
        for receipt in world.ours()
        for log in receipt["logs"]
        if (log["address"], log["topics"][0]) == (world.at[contract], topic(event))
    ]


def only(name: str, world: World) -> list[Job]:
    return deployment_of(world.at, {name: TASKS[name]}).jobs()


@pytest.mark.parametrize("name", CASES)
async def test_a_job_is_done_once_in_the_block_after_its_condition_became_true(
    world: World, tmp_path: Path, name: str
) -> None:
    make_true, contract, event = CASES[name]
    async with program(world, tmp_path, only(name, world)) as jobs:
        if make_true is not nothing:
            await jobs.live(1)
            assert world.ours() == []
        make_true(world)
        true_at = world.head
        await jobs.live(6)
        assert jobs.outcomes() == {"succeeded": 1}
    assert effects(world, contract, event) == [true_at + 1]
    assert len(world.ours()) == 1
