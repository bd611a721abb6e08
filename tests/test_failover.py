"""Several nodes in rpc-url: one is worked with at a time, another when it fails, the first again
when it is well; and what a node does not have yet is not taken for missing."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import pytest

from scheduler import preference, programs, reach, running
from scheduler.chain.errors import NodeGone, NodeUnavailable, RpcError
from scheduler.chain.node import JsonRpcNode
from scheduler.config import Settings
from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.nodes import Node
from scheduler.errors import NotYet
from scheduler.plans import plan_of
from scheduler.reach import Reach
from tests import nodes
from tests.chain.provider import Provider, provider
from tests.commands import Running, alarm_chain, schedule_on

KEY = "0123456789abcdef-of-main"


@pytest.fixture(scope="module")
def anvil() -> Iterator[Node]:
    with nodes.anvil() as node:
        node.rpc("anvil_mine", "0x14")
        yield node


@pytest.fixture
def first(anvil: Node) -> Iterator[Provider]:
    with provider(anvil.http) as found:
        yield found


@pytest.fixture
def second(anvil: Node) -> Iterator[Provider]:
    with provider(anvil.http) as found:
        yield found


def endpoint(of: Provider) -> str:
    return of.url.rstrip("/")


def reach_of(tmp_path: Path, *providers: Provider) -> Reach:
    urls = [each.url for each in providers]
    settings = Settings.model_validate({"rpc-url": urls, "journal": tmp_path / "journal.db"})
    return Reach(plan_of("scheduler", settings, patient=True))


@asynccontextmanager
async def node_of(reach: Reach) -> AsyncIterator[JsonRpcNode]:
    found = (await reach.node()).node
    yield found
    await found.close()


@pytest.mark.parametrize(("behind", "chosen"), [(0, 0), (2, 0), (10, 1)])
async def test_the_first_is_taken_unless_it_is_behind(
    anvil: Node, first: Provider, second: Provider, tmp_path: Path, behind: int, chosen: int
) -> None:
    first.stands_at = int(anvil.rpc("eth_blockNumber"), 16) - behind
    async with node_of(reach_of(tmp_path, first, second)) as node:
        assert node.endpoint == endpoint((first, second)[chosen])


async def test_where_all_others_are_away_one_that_is_behind_is_taken(
    anvil: Node, first: Provider, second: Provider, tmp_path: Path
) -> None:
    first.is_away = True
    second.stands_at = 5
    async with node_of(reach_of(tmp_path, first, second)) as node:
        assert node.endpoint == endpoint(second)


async def test_one_that_is_slow_keeps_nobody_waiting(
    first: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "GRACE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        plan = plan_of("scheduler", Settings.model_validate({"rpc-url": [url, first.url]}), True)
        async with node_of(Reach(plan)) as node:
            assert node.endpoint == endpoint(first)


async def test_a_node_of_another_chain_is_left_out_and_told(
    first: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with nodes.anvil(chain_id=1) as other, provider(other.http) as wrong:
        plan = {"rpc-url": [wrong.url, first.url], "network": "dev"}
        where = Reach(plan_of("scheduler", Settings.model_validate(plan), True))
        async with node_of(where) as node:
            assert node.endpoint == endpoint(first)
        first.is_away = True
        with pytest.raises(NotYet, match="the node serves chain id 1, but the network dev has"):
            await where.node()
    assert f"Node {endpoint(wrong)} is left out: the node serves chain id 1" in caplog.text


async def test_of_two_chains_without_a_network_the_first_is_meant_also_later(
    first: Provider, tmp_path: Path
) -> None:
    """Whatever the numbers of their blocks: those of two chains cannot be compared."""
    with nodes.anvil(chain_id=77) as other, provider(other.http) as ahead:
        other.rpc("anvil_mine", "0x1000")
        where = reach_of(tmp_path, first, ahead)
        async with node_of(where) as node:
            assert node.endpoint == endpoint(first)
        first.is_away = True
        with pytest.raises(NotYet, match=r"the node serves another chain \(chain id 77"):
            await where.node()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is looked at more often than on a box."""
    monkeypatch.setattr(reach, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(reach, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(preference, "FIRST_DISTRUST", 0.5)


async def gone(where: Reach, node: JsonRpcNode) -> str:
    """Why the node is left, waited for."""

    async def following() -> str:
        try:
            async with aclosing(where.follow(node)) as heads:  # type: ignore[type-var]
                async for _ in heads:
                    pass
        except NodeGone as error:
            return str(error)
        raise AssertionError("heads end only in this way")

    return await asyncio.wait_for(following(), 60)


@pytest.mark.usefixtures("soon")
async def test_it_fails_over_and_goes_back_when_the_first_is_well_again(
    first: Provider, second: Provider, tmp_path: Path
) -> None:
    where = reach_of(tmp_path, first, second)
    async with node_of(where) as node:
        assert node.endpoint == endpoint(first)
        first.is_away = True
        assert "HTTP 503" in await gone(where, node)
    first.is_away = False
    # It answers, but just failed.
    async with node_of(where) as node:
        assert node.endpoint == endpoint(second)
        assert await gone(where, node) == (
            f"Node {endpoint(first)}, which is preferred, is well again"
        )
    async with node_of(where) as node:
        assert node.endpoint == endpoint(first)


@pytest.mark.usefixtures("soon")
async def test_one_that_falls_behind_is_left(
    anvil: Node, first: Provider, second: Provider, tmp_path: Path
) -> None:
    where = reach_of(tmp_path, first, second)
    async with node_of(where) as node:
        head = int(anvil.rpc("eth_blockNumber"), 16)
        first.stands_at = head
        anvil.rpc("anvil_mine", "0xa")
        assert await gone(where, node) == (
            f"Node {endpoint(first)} is at block {head}, {endpoint(second)} at block {head + 10}"
        )
    async with node_of(where) as node:
        assert node.endpoint == endpoint(second)


@pytest.fixture
def chain() -> Iterator[DevelopmentChain]:
    with alarm_chain(block_time=1) as found:
        yield found


async def test_one_whose_blocks_come_but_that_refuses_what_the_work_needs_is_left(
    chain: DevelopmentChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "FAILING_SECONDS", 1.0)
    with provider(chain.node.http) as main, provider(chain.node.http) as spare:
        settings = {
            "rpc-url": [main.url, spare.url],
            "alarm": {"addresses": [chain.deployment.scheduler]},
            "journal": tmp_path / "journal.db",
        }
        plan = plan_of("scheduler", Settings.model_validate(settings), patient=True)
        program = programs.Program(plan)
        work = await program.assemble()
        assert work.node.endpoint == endpoint(main)
        main.refuses = {"eth_getTransactionCount"}
        left = f"Node {endpoint(main)} is of no use: eth_getTransactionCount is not for"

        async def living() -> None:
            async for event in work.follow():
                with suppress(NodeUnavailable, RpcError):
                    await work.on(event)

        with pytest.raises(NodeGone, match=re.escape(left)):
            await living()
        await work.close()
        again = await program.assemble()
        assert again.node.endpoint == endpoint(spare)
        await again.close()


def test_a_call_is_executed_once_though_the_node_is_lost_and_the_next_one_lags(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    """The claim, just mined, is missing at the second node until it catches up: nothing is sent
    for that, and what follows from it is done once."""

    def sent() -> int:
        return chain.endpoint.number("eth_getTransactionCount", chain.account, "latest") - before

    before = chain.endpoint.number("eth_getTransactionCount", chain.account, "latest")
    with provider(chain.node.http, KEY) as main, provider(chain.node.http) as spare:
        config = tmp_path / "config.toml"
        urls = f'rpc-url = ["{main.url}", "{spare.url}"]\n'
        config.write_text(f'{urls}[alarm]\naddresses = ["{chain.deployment.scheduler}"]\n')
        config.chmod(0o600)
        with Running(tmp_path, "scheduler", "run", "scheduler", "--config", str(config)) as program:
            program.saw("Nothing unknown of .* is pending: work begins")
            call = schedule_on(chain, ahead=45)
            line = program.saw(r"Claim: succeeded at block \d+")
            claimed = int(re.findall(r"at block (\d+)", line)[0])
            spare.stands_at = claimed - 3
            main.is_away = True
            program.saw("HTTP 503.*; starting over with the first node that answers")
            program.saw(rf"is at block {claimed - 3}, behind block \d+")
            assert sent() == 1
            spare.stands_at = None
            program.saw("Working again")
            program.saw("Outcome: succeeded", seconds=60)
            assert program.stop() == 0
        assert (sent(), call.address in str(program.lines).lower()) == (2, True)
        assert program.errors == []
        assert KEY not in str(program.lines)
