"""Real nodes shared by the tests of one file, and connections to them of each test's own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from scheduler.chain.connection import connect
from scheduler.chain.node import JsonRpcNode
from tests import nodes
from tests.chain.contracts import Rig


@pytest.fixture(scope="module", params=["anvil", "geth"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """Anvil, which mines on demand, and geth, which mines every second."""
    with nodes.anvil() if request.param == "anvil" else nodes.geth() as node:
        yield Rig(node)


@pytest.fixture(params=["ipc", "ws", "http"])
def endpoint(request: pytest.FixtureRequest, rig: Rig) -> str:
    """Each way to reach the node."""
    return str(getattr(rig.node, request.param))


@pytest.fixture
async def chain(rig: Rig) -> AsyncIterator[JsonRpcNode]:
    """The node through its IPC socket."""
    node = JsonRpcNode(connect(str(rig.node.ipc), timeout=60))
    yield node
    await node.close()


class Said(logging.Handler):
    """What an operator would read of the logger CHAIN, from INFO on."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self._news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        self._news.set()

    async def something(self) -> None:
        """Waits until anything was said."""
        await asyncio.wait_for(self._news.wait(), 60)


@pytest.fixture
def said() -> Iterator[Said]:
    """Collects what is logged during the test."""
    logger, handler = logging.getLogger("CHAIN"), Said()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)
