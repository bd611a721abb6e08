"""The main job on geth, whose pool, simulation and subscriptions are not anvil's."""

from pathlib import Path

from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.scheduling import CallRequest, schedule
from tests import nodes
from tests.alarm.rig import World, program
from tests.alarm.said import Said


async def test_calls_are_executed_exactly_at_their_targets_on_geth(
    tmp_path: Path, said: Said
) -> None:
    with nodes.alarm_on_geth() as chain:
        world = World(chain)
        customer = Wallet(chain.endpoint, Role.CUSTOMER)
        first = world.head + 13

        calls = [
            schedule(customer, chain.deployment.scheduler, request)
            for request in (
                CallRequest(world.counter, first),
                CallRequest(world.counter, first, payment=10**16),
                CallRequest(world.reverter, first + 1),
            )
        ]
        async with program(world, tmp_path) as scheduler:
            async for event in scheduler.node.follow():
                await scheduler.flow.on(event)
                if event.head.number >= first + 3:
                    break
        for call in calls:
            assert [number for number, _ in world.executions(call, chain.account)] == [
                call.target_block
            ]
        assert [world.hits(call) for call in calls] == [1, 1, 0]
    outcomes = [line.split("Outcome: ")[1].split()[0] for line in said.lines if "Outcome" in line]
    assert outcomes == ["succeeded", "succeeded", "target_failed"]
