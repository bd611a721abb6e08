"""The logs of a range of blocks, from real nodes, and from such as refuse long questions."""

from collections.abc import AsyncIterator, Sequence

import pytest

from scheduler.chain.connection import Connection
from scheduler.chain.endpoint import Endpoint
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.jsonrpc import Answer, decode
from scheduler.chain.node import JsonRpcNode
from scheduler.chain.transport_ipc import IpcTransport
from tests.chain.contracts import COUNTED, Rig
from tests.chain.test_node import count


class Refusing(IpcTransport):
    """The way to a real node on which questions for the logs of more than `most` blocks are
    refused, or never answered; `asked` are those that were answered."""

    def __init__(self, endpoint: Endpoint, most: int, error: RpcError | TimeoutError) -> None:
        super().__init__(endpoint, timeout=10.0)
        self._most = most
        self._error = error
        self.asked: list[tuple[int, int]] = []
        self.refused = 0

    async def exchange(self, body: bytes, ids: Sequence[int], repeatable: bool) -> list[Answer]:
        message = decode(body)
        if isinstance(message, dict) and message["method"] == "eth_getLogs":
            asked = message["params"][0]
            first, last = int(asked["fromBlock"], 16), int(asked["toBlock"], 16)
            if last - first + 1 > self._most:
                self.refused += 1
                if isinstance(self._error, RpcError):
                    return [self._error]
                raise NodeUnavailable("no answer within 10 s") from self._error
            self.asked.append((first, last))
        return await super().exchange(body, ids, repeatable)


@pytest.fixture
async def blocks(rig: Rig, chain: JsonRpcNode) -> list[int]:
    """The numbers of some blocks that have a log of the counter each."""
    hashes = [count(rig) for _ in range(6)]
    found = [await chain.block(each) for each in hashes]
    return [block.number for block in found if block is not None]


@pytest.fixture(params=["too many results", "a time-out"])
async def refusing(rig: Rig, request: pytest.FixtureRequest) -> AsyncIterator[Refusing]:
    refusal = RpcError(-32005, "query returned more than 10000 results")
    error = refusal if request.param == "too many results" else TimeoutError()
    transport = Refusing(Endpoint.parse(str(rig.node.ipc)), 3, error)
    yield transport
    await transport.close()


async def read(node: JsonRpcNode, rig: Rig, first: int, last: int) -> list[int]:
    """In which blocks of the range the counter logged."""
    found, ends = [], []
    async for chunk in node.history(rig.counter, [[COUNTED]], first, last):
        assert all(log.block_number and log.block_number <= chunk.last for log in chunk.logs)
        assert all(not ends or (log.block_number or 0) > ends[-1] for log in chunk.logs)
        found += [log.block_number or 0 for log in chunk.logs]
        ends.append(chunk.last)
    assert ends[-1:] == ([last] if first <= last else [])
    return found


async def test_a_range_is_read_to_its_end(rig: Rig, chain: JsonRpcNode, blocks: list[int]) -> None:
    assert (await read(chain, rig, 0, blocks[-1]))[-len(blocks) :] == blocks
    assert await read(chain, rig, blocks[1], blocks[-2]) == blocks[1:-1]
    assert await read(chain, rig, blocks[-1] + 1, blocks[-1]) == []


async def test_what_a_node_refuses_is_asked_in_shorter_questions(
    rig: Rig, refusing: Refusing, blocks: list[int]
) -> None:
    node = JsonRpcNode(Connection(refusing))
    assert (await read(node, rig, 0, blocks[-1]))[-len(blocks) :] == blocks
    assert refusing.refused > 0
    assert max(last - first + 1 for first, last in refusing.asked) <= 3


async def test_a_node_that_refuses_a_single_block_is_told(
    rig: Rig, refusing: Refusing, blocks: list[int]
) -> None:
    refusing._most = 0
    node = JsonRpcNode(Connection(refusing))
    with pytest.raises((RpcError, NodeUnavailable)):
        await read(node, rig, 0, blocks[-1])
    assert refusing.asked == []


async def test_a_node_that_is_gone_is_told_at_once(rig: Rig) -> None:
    """Shorter questions would not bring it back."""
    transport = Refusing(Endpoint.parse(str(rig.node.ipc) + "-not-there"), 10**9, TimeoutError())
    with pytest.raises(NodeUnavailable, match="no such socket"):
        await read(JsonRpcNode(Connection(transport)), rig, 0, 100)
    assert len(transport.asked) == 1


async def test_no_more_is_read_than_is_wanted(rig: Rig, blocks: list[int]) -> None:
    transport = Refusing(Endpoint.parse(str(rig.node.ipc)), 1, RpcError(-32005, "one at a time"))
    node = JsonRpcNode(Connection(transport))
    async for _ in node.history(rig.counter, [[COUNTED]], 0, blocks[-1]):
        break
    assert len(transport.asked) == 1
    await node.close()
