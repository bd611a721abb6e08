"""The jobs on the other nodes: rskj, which prices the old way and cannot simulate, and geth."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from scheduler.chain.connection import Connection
from scheduler.chain.jsonrpc import Answer
from scheduler.devchain.chain import fund
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.moc import DAY, SETTLEMENT_SPAN, X2
from scheduler.devchain.moc_contracts import call_data
from scheduler.devchain.moc_market import LIQUIDATION_PRICE
from tests import nodes
from tests.moc.rig import Program, World, calls, deployment_of, program
from tests.moc.test_together import AVERAGE, DAILY, HOLDERS, LIQUIDATE, SETTLE
from tests.rskj.server import StandIn, in_front_of


@pytest.fixture
def stand_in() -> Iterator[tuple[World, StandIn]]:
    with nodes.anvil(**nodes.RSK_RULES, history=100) as node, in_front_of(node) as found:
        world = World(node)
        node.rpc("anvil_setMinGasPrice", "0x0")
        yield world, found
        world.close()


@pytest_asyncio.fixture
async def on_rskj(stand_in: tuple[World, StandIn], tmp_path: Path) -> AsyncIterator[Program]:
    world, rskj = stand_in
    async with program(world, tmp_path, deployment_of(world.at).jobs(), rskj) as jobs:
        yield jobs


class Counted:
    """A connection's messages, in those that poll for a new block and the others."""

    def __init__(self, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        self.polls = self.messages = 0
        exchange = connection._transport.exchange

        async def counted(body: bytes, ids: Sequence[int], repeatable: bool) -> list[Answer]:
            asked = json.loads(body)
            if isinstance(asked, dict) and asked["params"] == ["latest", False]:
                self.polls += 1
            else:
                self.messages += 1
            return await exchange(body, ids, repeatable)

        monkeypatch.setattr(connection._transport, "exchange", counted)


@pytest.mark.parametrize(("way", "messages"), [("ws", 2), ("http", 1)])
async def test_on_rskj_an_idle_block_costs_all_seven_jobs_at_most_two_messages(
    stand_in: tuple[World, StandIn],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    messages: int,
) -> None:
    """Over WebSocket the block itself, since its report lacks the price, and all else; over HTTP
    the block is what the polls for it answer."""
    world, rskj = stand_in
    async with program(world, tmp_path, deployment_of(world.at).jobs(), rskj, way=way) as jobs:
        world.mine(25)
        await jobs.live(5)
        counted = Counted(jobs.node._connection, monkeypatch)
        costs = []
        before = 0
        async for event in jobs.node.follow():
            await jobs.flow.on(event)
            costs.append(counted.messages - before)
            before = counted.messages
            if len(costs) == 6:
                break
            world.mine()
        # The first is not linked to one before it: what tells the chain is read then, too.
        assert costs[1:] == [messages] * 5
        assert jobs.flow.due == 0
        assert len(jobs.jobs) == 7
        assert (counted.polls >= 5) == (way == "http")


async def test_on_rskj_what_is_due_is_done_once_with_legacy_transactions(on_rskj: Program) -> None:
    world = on_rskj.world
    world.mine(25)
    await on_rskj.live(5)
    assert sorted(name for _, name in calls(world)) == sorted([DAILY, HOLDERS, AVERAGE])
    assert on_rskj.outcomes() == {"succeeded": 3}
    for receipt in world.ours():
        sent = world.request("eth_getTransactionByHash", receipt["transactionHash"])
        assert int(sent["type"], 16) == 0


async def test_on_rskj_a_settlement_is_followed_by_no_average_and_after_liquidation_by_nothing(
    on_rskj: Program,
) -> None:
    """Nothing is simulated there: what is known of the contracts keeps vain calls back."""
    world = on_rskj.world
    with world.instantly() as market:
        market.request_redemption()
    world.mine(SETTLEMENT_SPAN)
    await on_rskj.live(5)
    assert [name for _, name in calls(world)].count(SETTLE) == 1
    assert on_rskj.outcomes() == {"succeeded": len(calls(world))}
    with world.instantly() as market:
        market.set_price(LIQUIDATION_PRICE)
        market.wallet.transact(world.at["MoC"], call_data("evalBucketLiquidation(bytes32)", X2))
    await on_rskj.live(3)
    world.mine(SETTLEMENT_SPAN)
    await on_rskj.live(3)
    world.mine(2 * DAY)
    await on_rskj.live(3)
    assert [name for _, name in calls(world)].count(LIQUIDATE) == 1
    assert [name for _, name in calls(world)].count(SETTLE) == 1


async def test_on_geth_what_is_due_is_done_once(tmp_path: Path) -> None:
    with nodes.geth() as node:
        endpoint = Endpoint(node.http)
        fund(endpoint)
        endpoint.close()
        world = World(node)
        jobs = deployment_of(world.at).jobs()
        async with program(world, tmp_path, jobs, accounted=world.sent()) as running:
            start = world.head
            async for event in running.node.follow():
                await running.flow.on(event)
                if event.head.number >= start + 6:
                    break
            assert running.outcomes() == {"succeeded": len(calls(world))}
        done = [name for _, name in calls(world)]
        assert {done.count(DAILY), done.count(HOLDERS)} == {1}
        assert set(done) <= {DAILY, HOLDERS, AVERAGE}
        world.close()
