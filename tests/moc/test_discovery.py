"""From the MoC contract's address alone: its generation, what is around it, and what it lacks."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from scheduler.chain.connection import connect
from scheduler.chain.model import Head
from scheduler.chain.node import JsonRpcNode
from scheduler.errors import NotYet
from scheduler.jobs.abi import selector
from scheduler.moc.discovery import jobs_at
from scheduler.moc.jobs import TASKS
from tests.alarm.said import Said
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
    found = await jobs_at(client, world.at["MoC"], TASKS, await head_of(client))
    assert found == deployment_of(world.at).jobs()


async def test_a_job_whose_function_was_dropped_is_off_and_said_to_be(
    world: World, client: JsonRpcNode, said: Said
) -> None:
    dropped = selector("dailyInratePayment()").hex()
    code = world.request("eth_getCode", world.at["MoC"], "latest")
    world.request("anvil_setCode", world.at["MoC"], code.replace(dropped, "deadbeef"))
    world.mine()
    found = await jobs_at(client, world.at["MoC"], TASKS, await head_of(client))
    assert [job.name for job in found] == [each for each in TASKS if each != "daily_inrate_payment"]
    (line,) = [line for line in said.lines if "is off" in line]
    assert line == (
        f"MOC: INFO: daily_inrate_payment is off: {world.at['MoC']} has no dailyInratePayment()"
    )


@pytest.mark.parametrize("name", ["MoCState", "PriceFeed", "nobody"])
async def test_another_contract_or_none_is_waited_for(
    world: World, client: JsonRpcNode, name: str
) -> None:
    address = world.at.addresses.get(name, "0x" + "12" * 20)
    with pytest.raises(NotYet, match=f"what is at {address} at block .* is no MoC contract"):
        await jobs_at(client, address, TASKS, await head_of(client))
