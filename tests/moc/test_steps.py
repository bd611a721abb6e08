"""A settlement in steps: each once, one a block, whatever happens between them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from scheduler.devchain.accounts import Role
from scheduler.devchain.moc import ETHER, SETTLEMENT_SPAN
from scheduler.jobs.abi import topic
from scheduler.moc.jobs import Task
from tests.alarm.said import Said
from tests.moc.conftest import VARIANTS
from tests.moc.rig import Program, World, deployment_of, program

pytestmark = pytest.mark.parametrize("variant", VARIANTS)

# Three accounts are deleveraged, then three requests are redeemed, one at a time.
STEPS = 6
STARTED = topic("SettlementStarted(uint256,uint256,uint256,uint256)")
COMPLETED = topic("SettlementCompleted(uint256)")


def settlement_due(world: World) -> None:
    """A settlement of six steps, if they are taken one at a time."""
    with world.instantly() as market:
        for each in (market, market.as_role(Role.CUSTOMER), market.as_role(Role.RIVAL)):
            each.trade(stable=ETHER // 10, leveraged=ETHER // 10)
            each.request_redemption()
    world.mine(SETTLEMENT_SPAN)


@pytest_asyncio.fixture
async def jobs(world: World, tmp_path: Path) -> AsyncIterator[Program]:
    """A settlement is due, and its job takes one step at a time."""
    settlement_due(world)
    one_step = {"run_settlement": Task(15, 3_500_000, steps=1)}
    async with program(world, tmp_path, deployment_of(world.at, one_step).jobs()) as running:
        yield running


def topics(world: World) -> list[list[str]]:
    """Of each transaction of ours the events of the settlement contract."""
    return [
        [log["topics"][0] for log in receipt["logs"] if log["address"] == world.at["MoCSettlement"]]
        for receipt in world.ours()
    ]


def blocks(world: World) -> list[int]:
    return [int(receipt["blockNumber"], 16) for receipt in world.ours()]


def assert_settled_once(world: World) -> None:
    found = topics(world)
    assert len(found) == STEPS
    assert STARTED in found[0]
    assert COMPLETED in found[-1]
    assert world.market.view("MoC", "isSettlementEnabled()", "bool") == (False,)


async def test_each_step_is_taken_once_in_the_block_after_the_one_before(
    world: World, jobs: Program, said: Said
) -> None:
    start = world.head
    await jobs.live(STEPS + 3)
    assert_settled_once(world)
    assert blocks(world) == list(range(start + 1, start + 1 + STEPS))
    assert jobs.outcomes() == {"succeeded": STEPS}
    # The second only deleverages an account, of which the contract says nothing.
    assert topics(world)[1] == []
    assert sum("Successfully runSettlement in Block" in line for line in said.lines) == STEPS


async def test_a_program_that_ends_after_each_step_goes_on_with_the_next(
    world: World, jobs: Program
) -> None:
    for _ in range(STEPS + 2):
        await jobs.live(1)
        jobs.restart()
        world.mine()
    assert_settled_once(world)


@pytest.mark.parametrize(("kept", "removed"), [(0, 1), (1, 2)])
async def test_a_reorg_takes_steps_back_and_they_are_taken_again_in_their_slots(
    world: World, jobs: Program, kept: int, removed: int
) -> None:
    """One: the first, while the second is in the pool. Two: one of them is in no block any more."""
    await jobs.live(kept)
    snapshot = world.request("evm_snapshot")
    await jobs.live(removed)
    # Its next step is pending by now.
    nonces = [attempt.nonce for attempt in jobs.journal.open_attempts(jobs.account)]
    assert nonces[-1] == kept + removed
    assert world.request("evm_revert", snapshot)
    world.request("anvil_dropAllTransactions")
    world.request("anvil_setCoinbase", f"0x{7:040x}")
    world.mine(removed + 1)
    await jobs.live(STEPS + 2)
    assert_settled_once(world)
    assert world.endpoint.number("eth_getTransactionCount", world.us, "pending") == STEPS


async def test_a_reorg_that_takes_the_last_step_back_brings_no_other_one_in_its_place(
    world: World, jobs: Program
) -> None:
    await jobs.live(STEPS - 1)
    snapshot = world.request("evm_snapshot")
    await jobs.live(1)
    assert_settled_once(world)
    assert world.request("evm_revert", snapshot)
    world.request("anvil_dropAllTransactions")
    world.request("anvil_setCoinbase", f"0x{7:040x}")
    world.mine(2)
    await jobs.live(3)
    assert_settled_once(world)
    assert world.endpoint.number("eth_getTransactionCount", world.us, "pending") == STEPS
