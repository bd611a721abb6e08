"""A proxy between a program and its node, over WebSocket: it counts and clocks what passes.

What passes is handed on as it is, byte by byte; only its copies are looked at, when it is gone.
"""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.side_loop import SideLoop

SEND = "eth_sendRawTransaction"


@dataclass
class Traffic:
    """What a program asked: in how many messages, and how often for each method."""

    round_trips: int = 0
    methods: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        """Single methods, those inside batches included."""
        return self.methods.total()


@dataclass
class Reaction:
    """When the program was told of a head, and when its transactions were answered after that, in
    seconds of a clock that only goes on."""

    told: float
    answered: list[float] = field(default_factory=list)


class Proxy(SideLoop):
    """Stands in front of the node's WebSocket at `node`; programs find it at `endpoint`."""

    def __init__(self, node: str) -> None:
        self._node = node
        super().__init__()
        self._sending: set[Any] = set()
        self.endpoint = ""
        self.traffic = Traffic()
        self.reactions: dict[int, Reaction] = {}
        self._head: Reaction | None = None

    def turn(self) -> Traffic:
        """What was asked since the last turn."""
        traffic, self.traffic = self.traffic, Traffic()
        return traffic

    async def _open(self) -> None:
        self._server = await serve(
            self._converse, "127.0.0.1", 0, compression=None, max_size=None, ping_interval=None
        )
        self.endpoint = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _close(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _converse(self, program: ServerConnection) -> None:
        node = await connect(
            self._node, compression=None, max_size=None, ping_interval=None, proxy=None
        )
        asks = asyncio.ensure_future(self._asks(program, node))
        try:
            await self._answers(node, program)
        finally:
            asks.cancel()
            await node.close()
            await program.close()

    async def _asks(self, program: Any, node: Any) -> None:
        try:
            while True:
                text = await program.recv()
                await node.send(text)
                self._count(json.loads(text))
        except ConnectionClosed:
            await node.close()

    async def _answers(self, node: Any, program: Any) -> None:
        try:
            while True:
                text = await node.recv()
                now = time.perf_counter()
                await program.send(text)
                # What is long is neither a head nor the answer to a transaction alone.
                if len(text) < 100_000:
                    self._clock(json.loads(text), now)
        except ConnectionClosed:
            return

    def _count(self, message: Any) -> None:
        requests = message if isinstance(message, list) else [message]
        self.traffic.round_trips += 1
        self.traffic.methods.update(request["method"] for request in requests)
        self._sending.update(each["id"] for each in requests if each["method"] == SEND)

    def _clock(self, message: Any, now: float) -> None:
        messages = message if isinstance(message, list) else [message]
        for each in messages:
            if each.get("method") == "eth_subscription":
                head = each["params"]["result"]
                if "number" in head:
                    self._head = Reaction(now)
                    self.reactions[int(head["number"], 16)] = self._head
            elif each.get("id") in self._sending:
                self._sending.discard(each["id"])
                if self._head is not None:
                    self._head.answered.append(now)
