"""The demonstration's witness of jobs: what it says of one is what the chain says, good or bad."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.moc import DAY, HOLDERS_SPAN, PRICE
from scheduler.devchain.moc_contracts import call_data
from scheduler.devchain.moc_evidence import TRACES, JobEvidence, JobWitness, heading, row
from scheduler.moc.jobs import TASKS
from tests import nodes
from tests.moc.rig import World

DAILY = call_data("dailyInratePayment()")
GOOD = JobEvidence("oracle_poke", "LogValue", true_at=7, mined_in=8, gas=39_829)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with nodes.anvil(gas_limit=6_800_000, chain_id=31, hardfork="cancun") as node:
        world = World(node)
        yield world
        world.close()


def witness(world: World, wallet: Wallet) -> JobWitness:
    return JobWitness(world.node.http, world.at, wallet.address, world.head)


def test_all_seven_jobs_leave_a_trace_that_is_known() -> None:
    assert list(TRACES) == list(TASKS)


def test_a_job_is_witnessed_from_the_block_that_made_it_due_to_its_effect(world: World) -> None:
    wallet = Wallet(world.endpoint, Role.CUSTOMER)
    with world.instantly():
        wallet.transact(world.at["MoC"], DAILY)
    paid_before = world.head
    assert witness(world, wallet).testify("daily_inrate_payment").mined_in == paid_before
    world.mine()

    told = witness(world, wallet)
    assert told.testify("daily_inrate_payment") == JobEvidence(
        "daily_inrate_payment", "InrateDailyPay"
    )
    world.mine(DAY + 3)
    with world.instantly():
        paid = wallet.transact(world.at["MoC"], DAILY)
    found = told.testify("daily_inrate_payment")
    mined_in = int(paid["blockNumber"], 16)
    assert (found.true_at, found.mined_in) == (paid_before + DAY + 1, mined_in)
    assert found.gas == int(paid["gasUsed"], 16)
    assert not found.is_prompt


def test_what_another_account_did_is_no_evidence(world: World) -> None:
    told = witness(world, Wallet(world.endpoint, Role.CUSTOMER))
    world.mine(HOLDERS_SPAN + 1)
    world.call_as_rival("MoC", "payBitProHoldersInterestPayment()")
    assert told.testify("pay_bitpro_holders").mined_in is None


def test_a_condition_of_several_views_is_read(world: World) -> None:
    wallet = Wallet(world.endpoint, Role.CUSTOMER)
    told = witness(world, wallet)
    with world.instantly() as market:
        market.set_price(PRICE, seconds=60)
    world.request("evm_increaseTime", 120)
    world.mine()
    due_at = world.head
    with world.instantly():
        wallet.transact(world.at["MoCMedianizer"], call_data("poke()"))
    found = told.testify("oracle_poke")
    assert (found.true_at, found.mined_in, found.is_prompt) == (due_at, due_at + 1, True)


def test_a_row_shows_the_blocks_the_event_and_the_gas() -> None:
    assert row(GOOD).split() == ["oracle_poke", "7", "8", "LogValue", "39829"]
    assert row(JobEvidence("oracle_poke", "LogValue")).split() == [
        "oracle_poke",
        "-",
        "-",
        "-",
        "0",
    ]
    assert len(heading()) == len(row(GOOD))
    assert GOOD.is_prompt
    assert not replace(GOOD, mined_in=9).is_prompt
    assert not replace(GOOD, true_at=None).is_prompt
