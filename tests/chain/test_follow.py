"""Following real nodes: every block is told once, whatever happens to node and network."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from scheduler.chain.blocksage import BlockSage
from scheduler.chain.connection import connect
from scheduler.chain.errors import ChainChanged
from scheduler.chain.follow import Follower
from scheduler.chain.heads import HeadTracker
from scheduler.chain.model import Head, HeadEvent
from scheduler.chain.node import JsonRpcNode
from scheduler.devchain.nodes import Node, start_anvil, start_geth
from tests import nodes
from tests.chain.conftest import Said
from tests.chain.contracts import Rig
from tests.chain.faults import Cable, Message, Relay

QUICK = 0.3
"""Seconds of silence after which these tests doubt a subscription, instead of ten."""


class Followed:
    """Events as they come, and the canonical chain that they add up to."""

    def __init__(self, follower: Follower) -> None:
        self.events: list[HeadEvent] = []
        self.chain: list[Head] = []
        self.came_at: list[float] = []
        self._news = asyncio.Event()
        self.task = asyncio.ensure_future(self._collect(follower))

    async def _collect(self, follower: Follower) -> None:
        try:
            async for event in follower.events():
                self.came_at.append(asyncio.get_running_loop().time())
                self.events.append(event)
                if event.rebased:
                    self.chain = []
                for removed in event.removed:
                    assert self.chain.pop() == removed
                self.chain += event.added
                self._news.set()
        finally:
            self._news.set()

    async def until(self, true: Callable[[], bool], seconds: float = 60) -> None:
        """Waits for an event after which `true` holds; raises what following raised."""

        async def wait() -> None:
            while not true():
                if self.task.done():
                    self.task.result()
                self._news.clear()
                await self._news.wait()

        await asyncio.wait_for(wait(), seconds)

    async def until_at(self, node: Node) -> None:
        """Waits until the tip is the node's latest block."""
        latest = node.rpc("eth_getBlockByNumber", "latest", False)["hash"]
        await self.until(lambda: bool(self.chain) and self.chain[-1].hash == latest)

    def matches(self, node: Node) -> bool:
        """Whether the blocks told are those of the node, without a gap."""
        return all(
            node.rpc("eth_getBlockByNumber", hex(block.number), False)["hash"] == block.hash
            for block in self.chain
        ) and [block.number for block in self.chain] == list(
            range(self.chain[0].number, self.chain[-1].number + 1)
        )


@asynccontextmanager
async def followed(
    endpoint: str,
    timeout: float = 10,
    quiet: float = 10,
    tracker: HeadTracker | None = None,
    sage: BlockSage | None = None,
) -> AsyncIterator[Followed]:
    connection = connect(endpoint, timeout=timeout)
    watched = Followed(Follower(connection, sage or BlockSage(base=1), tracker, quiet))
    try:
        yield watched
    finally:
        watched.task.cancel()
        await asyncio.wait({watched.task})
        await connection.close()


def mine(node: Node, blocks: int = 1) -> None:
    node.rpc("anvil_mine", hex(blocks))


@pytest.fixture(params=["ipc", "ws", "http"])
def way(request: pytest.FixtureRequest, anvil: Node) -> str:
    return str(getattr(anvil, request.param))


async def test_every_block_is_told(rig: Rig, endpoint: str) -> None:
    async with followed(endpoint) as watched:
        await watched.until(lambda: bool(watched.events))
        assert watched.events[0].rebased
        for _ in range(3):
            rig.mined(to=rig.account)
        await watched.until_at(rig.node)
        assert watched.matches(rig.node)
        assert len(watched.chain) >= 4
        assert not any(event.rebased or event.removed for event in watched.events[1:])


async def test_reorg_is_told(anvil: Node, way: str) -> None:
    mine(anvil, 10)
    async with followed(way) as watched:
        await watched.until_at(anvil)
        mine(anvil, 5)
        await watched.until_at(anvil)
        before = watched.chain[-3:]
        anvil.rpc("anvil_reorg", 3, [])
        mine(anvil)
        await watched.until_at(anvil)
        assert watched.matches(anvil)
        assert not any(event.rebased for event in watched.events[1:])
        removed = [block for event in watched.events for block in event.removed]
        assert removed == before[::-1]


async def test_chain_that_stepped_back_and_went_another_way_is_told(anvil: Node, way: str) -> None:
    snapshot = anvil.rpc("evm_snapshot")
    async with followed(way) as watched:
        await watched.until_at(anvil)
        mine(anvil, 4)
        await watched.until_at(anvil)
        abandoned = watched.chain[-4:]
        anvil.rpc("evm_revert", snapshot)
        anvil.rpc("evm_setNextBlockTimestamp", abandoned[-1].timestamp + 100)
        mine(anvil)
        await watched.until_at(anvil)
        assert watched.events[-1].removed == tuple(abandoned[::-1])
        assert watched.events[-1].added == (watched.chain[-1],)
        assert watched.chain[-1].number < abandoned[-1].number


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_blocks_mined_while_the_connection_was_away_are_told(
    anvil: Node, scheme: str, said: Said
) -> None:
    async with Cable(anvil.port).laid() as cable:
        url = f"{scheme}://127.0.0.1:{cable.port}"
        async with followed(url) as watched:
            await watched.until_at(anvil)
            cable.cut()
            mine(anvil, 250)
            await said.something()
            cable.mend()
            await watched.until_at(anvil)
            assert watched.matches(anvil)
            assert len(watched.chain) == 251
            assert not watched.events[-1].rebased
    went, came = said.messages
    assert went.startswith(f"Node {url}: ")
    assert went.endswith(". Trying again until it works.")
    assert came.startswith(f"Node {url} works again after ")


async def test_too_long_an_absence_is_a_new_beginning(anvil: Node) -> None:
    async with (
        Cable(anvil.port).laid() as cable,
        followed(f"ws://127.0.0.1:{cable.port}", tracker=HeadTracker(gap_limit=20)) as watched,
    ):
        await watched.until_at(anvil)
        cable.cut()
        mine(anvil, 30)
        cable.mend()
        await watched.until_at(anvil)
        assert watched.events[-1].rebased
        assert watched.chain == [watched.events[-1].head]


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_silent_network_is_noticed(anvil: Node, scheme: str, said: Said) -> None:
    async with Cable(anvil.port).laid() as cable:
        url = f"{scheme}://127.0.0.1:{cable.port}"
        async with followed(url, timeout=0.3, quiet=QUICK) as watched:
            await watched.until_at(anvil)
            cable.freeze()
            mine(anvil, 3)
            await said.something()
            cable.thaw()
            await watched.until_at(anvil)
            assert watched.matches(anvil)
    went, came = said.messages
    assert went == f"Node {url}: no answer within 0.3 s. Trying again until it works."
    assert came.startswith(f"Node {url} works again after ")


async def test_dead_subscription_on_a_living_connection_is_noticed(anvil: Node, said: Said) -> None:
    """Seen with web3's subscriptions and with load balancers that lose them."""
    async with Relay(anvil.ws).running() as relay, followed(relay.url, quiet=QUICK) as watched:
        await watched.until_at(anvil)
        relay.withholds_heads = True
        mine(anvil, 2)
        await watched.until_at(anvil)
        await said.something()
        relay.withholds_heads = False
        mine(anvil, 2)
        await watched.until_at(anvil)
        assert watched.matches(anvil)
    assert said.messages[0] == (
        f"Node {relay.url}: it has newer blocks than it reports. Trying again until it works."
    )


async def test_quiet_chain_is_no_trouble(anvil: Node, said: Said) -> None:
    async with Relay(anvil.ws).running() as relay:
        async with followed(relay.url, quiet=0.05, sage=BlockSage(0.01, minimum=0.01)) as watched:
            await watched.until_at(anvil)
            await relay.asked("eth_getBlockByNumber", times=10)
            mine(anvil)
            await watched.until_at(anvil)
        assert relay.methods.count("eth_subscribe") == 1
        assert not said.messages


async def test_refused_subscription_is_told_once_and_replaced_by_polling(
    anvil: Node, said: Said
) -> None:
    relay = Relay(anvil.ws)
    relay.refuses_subscriptions = True
    async with relay.running(), followed(relay.url) as watched:
        await watched.until_at(anvil)
        mine(anvil, 3)
        await watched.until_at(anvil)
        assert watched.matches(anvil)
    assert said.messages == [
        f"Node {relay.url} refuses to report new blocks"
        " (notifications not supported (code -32601)): asking for them instead."
    ]


async def test_reported_block_costs_no_request(anvil: Node) -> None:
    async with Relay(anvil.ws).running() as relay, followed(relay.url) as watched:
        await watched.until_at(anvil)
        relay.methods.clear()
        for _ in range(5):
            mine(anvil)
            await watched.until_at(anvil)
        assert len(watched.events) == 6
        assert relay.methods == []


async def test_after_a_slow_round_the_newest_head_comes_next(anvil: Node) -> None:
    """What waits is told as one event, so that nothing is decided on a head that is past."""
    reported = asyncio.Semaphore(0)

    def counted(message: Message) -> Message:
        if message.get("method") == "eth_subscription":
            reported.release()
        return message

    async with Relay(anvil.ws).running() as relay:
        relay.edit = counted
        connection = connect(relay.url)
        async with aclosing(Follower(connection, BlockSage(base=1)).events()) as events:
            first = await anext(events)
            mine(anvil)
            await anext(events)
            mine(anvil, 5)
            for _ in range(6):
                await reported.acquire()
            # An answer on the same connection comes after what was reported before it.
            assert await connection.request("eth_blockNumber") == hex(first.head.number + 6)
            event = await anext(events)
        await connection.close()
    assert [block.number for block in event.added] == [first.head.number + n for n in range(2, 7)]
    assert event.head == event.added[-1]


async def test_polling_notices_a_block_soon(anvil: Node) -> None:
    """Every 0.1 s where blocks take one second; the bound leaves room for a busy machine."""
    async with followed(anvil.http) as watched:
        delays = []
        for _ in range(5):
            await watched.until_at(anvil)
            mined_at = asyncio.get_running_loop().time()
            mine(anvil)
            await watched.until_at(anvil)
            delays.append(watched.came_at[-1] - mined_at)
    assert statistics.median(delays) < 0.3


async def test_headers_without_minimum_gas_price_are_completed(anvil: Node) -> None:
    """Imitates rskj: its blocks carry `minimumGasPrice`, the headers that it reports do not."""
    relay = Relay(anvil.ws)

    def as_rskj(message: Message) -> Message:
        block = message.get("result")
        if isinstance(block, dict):
            block["minimumGasPrice"] = "0x3938700"
        return message

    relay.edit = as_rskj
    async with relay.running(), followed(relay.url) as watched:
        await watched.until_at(anvil)
        mine(anvil)
        await watched.until_at(anvil)
    assert [block.minimum_gas_price for block in watched.chain] == [60_000_000] * 2


async def test_reorg_that_could_not_be_checked_at_first_is_told_later(
    anvil: Node, said: Said
) -> None:
    """Whether it is a reorg or another chain is asked, and this question stays unanswered."""
    mine(anvil, 5)
    async with Relay(anvil.ws).running() as relay, followed(relay.url, timeout=0.3) as watched:
        await watched.until_at(anvil)
        mine(anvil, 3)
        await watched.until_at(anvil)
        abandoned = watched.chain[-2:]
        relay.withholds.add("eth_chainId")
        anvil.rpc("anvil_reorg", 2, [])
        await said.something()
        relay.withholds.clear()
        await watched.until_at(anvil)
        assert watched.matches(anvil)
        assert watched.events[-1].removed == tuple(abandoned[::-1])


async def test_node_that_prunes_old_blocks_is_followed() -> None:
    """Imitates geth with `--history.chain postmerge`: it has no block 0 and 1 but their headers."""
    relay_refuses = {"code": 4444, "message": "pruned history unavailable"}

    def pruned(message: Message) -> Message:
        block = message.get("result")
        if isinstance(block, dict) and "size" in block and int(block["number"], 16) < 2:
            return {"jsonrpc": "2.0", "id": message["id"], "error": relay_refuses}
        return message

    with nodes.geth() as geth:
        relay = Relay(geth.ws)
        relay.edit = pruned
        genesis = geth.rpc("eth_getBlockByNumber", "0x0", False)["hash"]
        async with relay.running(), followed(relay.url) as watched:
            await watched.until(lambda: len(watched.chain) >= 2)
            node = JsonRpcNode(connect(relay.url))
            assert (await node.identity()).genesis == genesis
            await node.close()


async def test_block_time_is_known_from_the_first_head_on(anvil: Node) -> None:
    anvil.rpc("anvil_mine", hex(50), hex(7))
    sage = BlockSage()
    async with followed(anvil.ws, sage=sage) as watched:
        await watched.until_at(anvil)
    # anvil's own clock goes on while it mines them: one block may be a second later.
    assert sage.block_time == pytest.approx(7, abs=0.05)


async def test_waits_for_a_node_that_is_not_there_yet(tmp_path: Path, said: Said) -> None:
    async with followed(str(tmp_path / "node.ipc")) as watched:
        await said.something()
        node = await asyncio.to_thread(start_anvil, tmp_path)
        try:
            await watched.until(lambda: bool(watched.chain))
        finally:
            node.stop()
    assert said.messages[0] == (
        f"Node {tmp_path}/node.ipc: there is no such socket. Trying again until it works."
    )
    assert said.messages[1].startswith(f"Node {tmp_path}/node.ipc works again after ")


@pytest.mark.parametrize("way", ["ipc", "http"])
async def test_node_restarted_with_its_data_goes_on(tmp_path: Path, way: str) -> None:
    node = start_geth(tmp_path)
    try:
        async with followed(str(getattr(node, way))) as watched:
            await watched.until(lambda: len(watched.chain) >= 3)
            node.stop()
            last = watched.chain[-1].number
            node = await asyncio.to_thread(start_geth, tmp_path, port=node.port)
            await watched.until(lambda: watched.chain[-1].number >= last + 2)
            assert watched.matches(node)
            assert not any(event.rebased for event in watched.events[1:])
    finally:
        node.stop()


@pytest.mark.parametrize("way", ["ipc", "ws", "http"])
async def test_anvil_restarted_from_scratch_is_another_chain(tmp_path: Path, way: str) -> None:
    node = start_anvil(tmp_path)
    try:
        mine(node, 3)
        async with followed(str(getattr(node, way))) as watched:
            await watched.until_at(node)
            node.stop()
            node = await asyncio.to_thread(start_anvil, tmp_path, port=node.port)
            # Started within the same second its genesis is the same.
            node.rpc("evm_increaseTime", 1_000)
            mine(node)
            with pytest.raises(ChainChanged, match="serves another chain than before"):
                await watched.until(lambda: False)
    finally:
        node.stop()


async def test_geth_restarted_from_scratch_is_another_chain(tmp_path: Path) -> None:
    """Its chain id and genesis stay the same: block 1 tells."""
    node = start_geth(tmp_path)
    try:
        async with followed(node.ws) as watched:
            await watched.until(lambda: bool(watched.chain) and watched.chain[-1].number >= 2)
            node.stop()
            (tmp_path / "geth").rename(tmp_path / "old")
            node = await asyncio.to_thread(start_geth, tmp_path, port=node.port)
            with pytest.raises(ChainChanged, match="first block"):
                await watched.until(lambda: False)
    finally:
        node.stop()
