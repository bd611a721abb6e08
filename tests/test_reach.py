"""Which node a plan means: where its new blocks are reported if it can be had, else as it says."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.chain import endpoint
from scheduler.chain.errors import NodeUnavailable
from scheduler.config import Settings
from scheduler.errors import NotYet
from scheduler.plan import Plan
from scheduler.plans import plan_of
from scheduler.reach import Reach, Reached
from tests import nodes
from tests.commands import free_port
from tests.rskj.server import StandIn


@pytest.fixture(scope="module")
def rskj() -> Iterator[StandIn]:
    with nodes.rskj() as stand_in:
        yield stand_in


def port(url: str) -> int:
    return int(url.split(":")[2].partition("/")[0])


@pytest.fixture
def as_usual(rskj: StandIn, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The stand-in's ports are the ones that rskj has by default."""
    monkeypatch.setattr(endpoint, "RSKJ_HTTP_PORT", port(rskj.http))
    monkeypatch.setattr(endpoint, "RSKJ_WEBSOCKET_PORT", port(rskj.ws))
    return monkeypatch


def plan(tmp_path: Path, url: str) -> Plan:
    settings = Settings.model_validate({"rpc-url": url, "journal": tmp_path / "journal.db"})
    return plan_of("scheduler", settings, patient=True)


@asynccontextmanager
async def reached(plan: Plan) -> AsyncIterator[Reached]:
    found = await Reach(plan).node()
    try:
        yield found
    finally:
        await found.node.close()


async def test_a_box_s_rskj_that_is_named_by_http_reports_its_blocks(
    rskj: StandIn, as_usual: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with (
        reached(plan(tmp_path, rskj.http)) as found,
        aclosing(found.node.follow()) as heads,  # type: ignore[type-var]
    ):
        assert found.node.endpoint == f"ws://127.0.0.1:{port(rskj.ws)}"
        first = await anext(heads)
        rskj.anvil.rpc("anvil_mine")
        assert (await anext(heads)).head.number == first.head.number + 1


async def test_where_it_reports_none_it_is_asked_as_it_was_named(
    rskj: StandIn, as_usual: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    as_usual.setattr(endpoint, "RSKJ_WEBSOCKET_PORT", free_port())
    async with reached(plan(tmp_path, rskj.http)) as found:
        assert found.node.endpoint == rskj.http


async def test_another_node_than_the_named_one_is_not_taken_for_it(
    rskj: StandIn, as_usual: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with nodes.rskj(chain_id=31) as other:
        as_usual.setattr(endpoint, "RSKJ_WEBSOCKET_PORT", port(other.ws))
        async with reached(replace(plan(tmp_path, rskj.http), chain_id=33)) as found:
            assert found.node.endpoint == rskj.http


async def test_what_is_wrong_is_told_of_the_node_that_was_named(
    rskj: StandIn, as_usual: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(NotYet, match="the node serves chain id 33"):
        await Reach(replace(plan(tmp_path, rskj.http), chain_id=30)).node()
    nobody = free_port()
    as_usual.setattr(endpoint, "RSKJ_HTTP_PORT", nobody)
    as_usual.setattr(endpoint, "RSKJ_WEBSOCKET_PORT", free_port())
    with pytest.raises(NodeUnavailable, match=f"http://127.0.0.1:{nobody}: nothing listens"):
        await Reach(plan(tmp_path, f"http://127.0.0.1:{nobody}")).node()


@pytest.mark.parametrize(
    ("named", "reporting"),
    [
        ("http://127.0.0.1:4444", "ws://127.0.0.1:4445/websocket"),
        ("http://[::1]:4444", "ws://[::1]:4445/websocket"),
        ("http://localhost:4444/", "ws://localhost:4445/websocket"),
        ("http://user:key@127.0.0.1:4444", None),
        ("https://127.0.0.1:4444", None),
        ("http://10.0.0.1:4444", None),
        ("http://127.0.0.1:8545", None),
        ("ws://127.0.0.1:4444", None),
        ("/data/geth.ipc", None),
    ],
)
def test_only_this_box_s_rskj_is_known_to_report_beside_http(
    named: str, reporting: str | None
) -> None:
    assert endpoint.Endpoint.parse(named).reporting == reporting
