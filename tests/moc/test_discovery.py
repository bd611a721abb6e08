"""From the MoC contract's address alone: its generation, what is around it, and what it lacks."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from scheduler.chain.connection import connect
from scheduler.chain.model import Head
from scheduler.chain.node import JsonRpcNode
from scheduler.config import Settings
from scheduler.errors import NotYet
from scheduler.jobs.abi import selector
from scheduler.moc.discovery import deployment_at
from scheduler.moc.jobs import TASKS
from scheduler.plans import plan_of
from scheduler.roster import roster_of
from tests.moc.conftest import VARIANTS
from tests.moc.rig import World, deployment_of


@pytest_asyncio.fixture
async def client(world: World) -> AsyncIterator[JsonRpcNode]:
    node = JsonRpcNode(connect(world.node.http))
    yield node
    await node.close()


async def head_of(node: JsonRpcNode) -> Head:
    head = await node.block()
    assert head is not None
    return head


@pytest.mark.parametrize("variant", VARIANTS)
async def test_the_jobs_of_every_generation_are_found_from_one_address(
    world: World, client: JsonRpcNode
) -> None:
    head = await head_of(client)
    assert await deployment_at(client, world.at["MoC"], TASKS, head) == deployment_of(world.at)


async def test_a_job_whose_function_was_dropped_is_off_until_it_is_there_again(
    world: World, client: JsonRpcNode
) -> None:
    dropped = selector("dailyInratePayment()").hex()
    code = world.request("eth_getCode", world.at["MoC"], "latest")
    world.request("anvil_setCode", world.at["MoC"], code.replace(dropped, "deadbeef"))
    world.mine()
    settings = Settings.model_validate({"moc": {"address": world.at["MoC"]}})
    plan = plan_of("scheduler", settings, patient=True)
    roster = await roster_of(plan, client, await head_of(client))
    assert roster.generation == "moc_base"
    assert [job.name for job in roster.on()] == [
        each for each in TASKS if each != "daily_inrate_payment"
    ]
    [(off, why)] = roster.off()
    assert off.name == "daily_inrate_payment"
    assert why == f"{world.at['MoC']} has no dailyInratePayment() in its code"
    assert await roster.change(client, await head_of(client)) is None
    world.request("anvil_setCode", world.at["MoC"], code)
    world.mine()
    assert await roster.change(client, await head_of(client)) == (
        "daily_inrate_payment has another contract: "
        f"{world.at['MoC']} has dailyInratePayment() in its code"
    )


@pytest.mark.parametrize("name", ["MoCState", "PriceFeed", "nobody"])
async def test_another_contract_or_none_is_waited_for(
    world: World, client: JsonRpcNode, name: str
) -> None:
    address = world.at.addresses.get(name, "0x" + "12" * 20)
    with pytest.raises(NotYet, match=f"what is at {address} at block .* is no MoC contract"):
        await deployment_at(client, address, TASKS, await head_of(client))
