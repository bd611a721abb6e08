"""A job's limit of gas: its own, or what the node estimates and a margin, whatever the node."""

from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.jobs.conditions import Check, Reading
from scheduler.jobs.declaration import Action, Event, Job
from tests import nodes
from tests.alarm.said import Said
from tests.jobs.rig import Keepers, program
from tests.rskj.server import in_front_of

LIMIT = 500_000


def limit(world: Keepers) -> int:
    """The gas limit of the only transaction of ours."""
    [receipt] = world.ours()
    return int(world.request("eth_getTransactionByHash", receipt["transactionHash"])["gas"], 16)


def working(world: Keepers, margin: int | None) -> Job:
    at = world.at["Worker"]
    return Job(
        "work",
        Action(at, "work()"),
        Check(Reading(at, "workable()")),
        proofs=(Event(at, "Worked(address,uint256)"),),
        gas=LIMIT,
        gas_margin=margin,
    )


@pytest.mark.parametrize(("margin", "percent"), [(None, None), (0, 100), (50, 150), (5_000, None)])
async def test_the_limit_is_the_estimate_with_its_margin_and_never_above_the_job_s_own(
    world: Keepers, tmp_path: Path, margin: int | None, percent: int | None
) -> None:
    async with program(world, tmp_path, [working(world, margin)]) as keeper:
        await keeper.live(1)
        world.do("Worker", "order()")
        action = {"from": world.us, "to": world.at["Worker"], "data": "0x322e9f04"}
        estimate = int(world.request("eth_estimateGas", action), 16)
        await keeper.live(3)
        assert keeper.outcomes() == {"succeeded": 1}
    assert limit(world) == (LIMIT if percent is None else estimate * percent // 100)


async def test_what_the_node_cannot_estimate_is_simulated_with_the_job_s_own_limit(
    world: Keepers, tmp_path: Path, said: Said
) -> None:
    """The reason is what is said, and nothing is sent."""
    always = Check(Reading(world.at["Worker"], "total()"), value=0)
    job = replace(working(world, 20), condition=always)
    async with program(world, tmp_path, [job]) as keeper:
        await keeper.live(3)
    assert world.ours() == []
    [line] = [line for line in said.lines if "is not called" in line]
    assert "simulated, it ends as reverted" in line


async def test_on_rskj_the_limit_is_estimated_as_well(tmp_path: Path) -> None:
    with nodes.anvil(**nodes.RSK_RULES) as node, in_front_of(node) as stand_in:
        world = Keepers(node)
        node.rpc("anvil_setMinGasPrice", "0x0")
        async with program(world, tmp_path, [working(world, 20)], stand_in) as keeper:
            world.do("Worker", "order()")
            await keeper.live(3)
            assert keeper.outcomes() == {"succeeded": 1}
        assert limit(world) < 100_000
        world.close()
