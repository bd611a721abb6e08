"""The main job on geth, whose pool, simulation and subscriptions are not anvil's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scheduler.alarm.calls import Unit
from scheduler.alarm.v10 import V10
from scheduler.chain.model import Call, Head
from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.chronologic import TransactionRequest, requested_by, send_request
from scheduler.devchain.scheduling import CallRequest, ScheduledCall, schedule
from tests import nodes
from tests.alarm.customers import request_of_factory
from tests.alarm.rig import World, program
from tests.alarm.said import Said


async def test_calls_are_executed_exactly_at_their_targets_on_geth(
    tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
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
            aims, simulate = set(), scheduler.node.simulate

            async def noted(calls: Sequence[Call], on: Head, number: int, **rest: Any) -> Any:
                aims.add(number - on.number)
                return await simulate(calls, on, number, **rest)

            monkeypatch.setattr(scheduler.node, "simulate", noted)
            async for event in scheduler.node.follow():
                await scheduler.flow.on(event)
                if event.head.number >= first + 3:
                    break
        assert 2 in aims, "nothing was prepared a block ahead"
        for call in calls:
            assert [number for number, _ in world.executions(call, chain.account)] == [
                call.target_block
            ]
        assert [world.hits(call) for call in calls] == [1, 1, 0]
    outcomes = [line.split("Outcome: ")[1].split()[0] for line in said.lines if "Outcome" in line]
    assert outcomes == ["succeeded", "succeeded", "target_failed"]


async def test_requests_of_1_0_are_executed_on_geth_by_block_and_by_time(
    tmp_path: Path, said: Said
) -> None:
    with nodes.alarm_on_geth() as chain:
        world, deployed = World(chain), chain.deployment
        customer = Wallet(chain.endpoint, Role.CUSTOMER)
        first = world.head + 17
        wishes = [
            TransactionRequest(world.counter, first),
            TransactionRequest(world.counter, first, gas_price=30 * 10**9),
        ]
        sent = [send_request(customer, deployed.block_scheduler, wish) for wish in wishes]
        made = [requested_by(customer, w, h) for w, h in zip(wishes, sent, strict=True)]
        calls = [ScheduledCall(r.address, r.window_start, r.scheduled_in, 0) for r in made]
        latest = chain.endpoint.request("eth_getBlockByNumber", "latest", False)
        second = int(latest["timestamp"], 16) + 15
        timed = request_of_factory(world, Unit.SECONDS, second, value=10**17)
        async with program(world, tmp_path) as scheduler:
            scheduler.serve(V10(scheduler.node, deployed.request_factory))
            async for event in scheduler.node.follow():
                await scheduler.flow.on(event)
                if event.head.number >= first + 2 and event.head.timestamp > second + 2:
                    break
        for call in calls:
            assert [number for number, _ in world.executions(call, chain.account)] == [first]
        [(number, _)] = world.executions(timed, chain.account)
        block = chain.endpoint.request("eth_getBlockByNumber", hex(number), False)
        assert int(block["timestamp"], 16) >= second
    outcomes = [line.split("Outcome: ")[1].split()[0] for line in said.lines if "Outcome" in line]
    assert outcomes == ["succeeded"] * 3
