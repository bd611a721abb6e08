"""What goes wrong with one job is that job's alone, is tried again in time, and burns little."""

from pathlib import Path

import pytest

from scheduler.errors import NotYet
from scheduler.health import Vitals, together
from scheduler.jobs.abi import selector
from scheduler.transactions.retries import FIRST_PAUSE
from tests.alarm.said import Said
from tests.moc.rig import CONFIRMATIONS, World, calls, deployment_of, program
from tests.moc.test_together import AVERAGE, BUCKET, DAILY, HOLDERS, LIQUIDATE, in_all_variants

# Runtime code that does nothing, whatever is called.
SILENT = "0x00"


async def test_a_job_that_would_revert_is_not_sent_said_once_and_keeps_no_other_back(
    world: World, tmp_path: Path, said: Said
) -> None:
    """Its condition stays true: only the action fails."""
    code = world.request("eth_getCode", world.at["MoCInrate"], "latest")
    broken = code.replace(selector("payBitProHoldersInterestPayment()").hex(), "deadbeef")
    world.request("anvil_setCode", world.at["MoCInrate"], broken)
    world.mine()
    async with program(world, tmp_path, deployment_of(world.at).jobs()) as jobs:
        await jobs.live(5)
        assert [name for _, name in calls(world) if name != AVERAGE] == [DAILY]
        refused = [line for line in said.lines if "is not called, though" in line]
        assert len(refused) == 1
        assert "payBitProHoldersInterestPayment" in refused[0]
        (wrong,) = together(family.vitals() for family in jobs.families).wrong
        assert wrong.startswith("pay_bitpro_holders: payBitProHoldersInterestPayment is not called")
        world.request("anvil_setCode", world.at["MoCInrate"], code)
        await jobs.live(3)
        assert together(family.vitals() for family in jobs.families) == Vitals()
    assert [name for _, name in calls(world) if name != AVERAGE] == [DAILY, HOLDERS]


async def test_what_was_mined_in_vain_is_tried_again_after_a_pause_and_not_for_ever(
    world: World, tmp_path: Path
) -> None:
    """The contract does nothing whenever it is really called, and its condition stays true."""
    daily = deployment_of(world.at).jobs()[3]
    code = world.request("eth_getCode", world.at["MoC"], "latest")
    async with program(world, tmp_path, [daily]) as jobs:
        await jobs.see()
        while jobs.outcomes() != {"no_effect": 3}:
            world.request("anvil_setCode", world.at["MoC"], SILENT)
            world.mine()
            world.request("anvil_setCode", world.at["MoC"], code)
            await jobs.see_what_is_new()
        await jobs.live(CONFIRMATIONS)
        for _ in range(3):
            world.mine(500)
            with pytest.raises(NotYet, match="failed too often and is suspended"):
                await jobs.see()
        vain = [block for block, _ in calls(world)]
        assert len(vain) == 3
        assert jobs.families[0].vitals().exceptions == 3
        assert [vain[1] - vain[0], vain[2] - vain[1]] == [FIRST_PAUSE, 4 * FIRST_PAUSE]


async def test_a_race_that_was_lost_is_no_failure_of_the_next_time(
    world: World, tmp_path: Path
) -> None:
    """The same job is done when it is due again, at once."""
    holders = deployment_of(world.at).jobs()[4]
    async with program(world, tmp_path, [holders]) as jobs:
        # Ahead of ours in its block, which is simulated on the one before.
        world.market.wallet.send(world.at["MoC"], holders.action.sample, gas=400_000)
        await jobs.see()
        world.mine()
        await jobs.live(4)
        assert jobs.outcomes() in ({"reverted": 1}, {"no_effect": 1})
        assert jobs.families[0].vitals() == Vitals()
        world.mine(150)
        due_at = world.head
        await jobs.live(3)
    assert calls(world)[-1] == (due_at + 1, HOLDERS)


@in_all_variants
async def test_a_liquidation_is_mined_although_cheap_work_is_stuck(
    world: World, tmp_path: Path
) -> None:
    """The price of gas rose beyond what the payments were sent with."""
    world.mine(25)
    async with program(world, tmp_path, deployment_of(world.at).jobs()) as jobs:
        await jobs.see()
        assert len(jobs.journal.open_attempts(jobs.account)) == 3
        world.request("anvil_setNextBlockBaseFeePerGas", hex(10**11))
        world.mine()
        assert world.ours() == []
        world.liquidate_at_any_gas_price()
        world.mine()
        assert world.market.view("MoCState", "isLiquidationReached()", "bool") == (True,)
        true_at = world.head
        await jobs.live(8)
        assert jobs.outcomes().keys() <= {"succeeded", "expired"}
    done = calls(world)
    assert done[:2] == [(true_at + 1, LIQUIDATE), (true_at + 1, BUCKET)]
    assert sorted(name for _, name in done[2:]) == ["", DAILY, HOLDERS]
    # A liquidation calculates the average, too, so that one was cancelled.
    assert world.market.view("MoCState", "shouldCalculateEma()", "bool") == (False,)
