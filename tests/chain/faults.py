"""What goes wrong between a program and a real node: put between the two, switched by the test."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Message = dict[str, Any]


class Cable:
    """A TCP connection that can be cut, as by a node that restarts, or frozen, as by a network
    that drops packets: nothing arrives, and nobody is told. Or a gateway whose node is gone."""

    def __init__(self, node_port: int) -> None:
        self._node_port = node_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._unavailable = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator["Cable"]:
        """Lays the cable: `port` on loopback leads to the node."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Breaks every connection; new ones are closed at once."""
        self._refusing = True
        for writer in self._writers:
            writer.transport.abort()

    def take_the_node_away(self) -> None:
        """Breaks every connection; on new ones HTTP is answered with 503."""
        self._unavailable = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._refusing = self._unavailable = False

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        """Lets bytes through again, but those of old connections are lost."""
        for writer in self._writers:
            writer.transport.abort()
        self._flowing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        if self._unavailable:
            await reader.read(65536)
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        node_reader, node_writer = await asyncio.open_connection("127.0.0.1", self._node_port)
        self._writers |= {writer, node_writer}
        for source, sink in ((reader, node_writer), (node_reader, writer)):
            task = asyncio.ensure_future(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(sink)
            sink.transport.abort()


class Relay:
    """A WebSocket in front of a real node that refuses, withholds or changes what the node says.

    `methods` are those that were asked for; messages with those in `withholds` are not passed on;
    `edit` changes each message of the node.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.methods: list[str] = []
        self._asked = asyncio.Condition()
        self.refuses_subscriptions = False
        self.withholds: set[str] = set()
        self.withholds_heads = False
        self.edit: Callable[[Message], Message] = lambda message: message
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        """Serves on `url`."""
        async with serve(self._serve, "127.0.0.1", 0) as server:
            self.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            yield self

    async def asked(self, method: str, times: int) -> None:
        """Waits until this method was asked for that often."""
        async with self._asked:
            enough = self._asked.wait_for(lambda: self.methods.count(method) >= times)
            await asyncio.wait_for(enough, 60)

    async def _serve(self, client: ServerConnection) -> None:
        async with connect(self._upstream) as node:

            async def downstream() -> None:
                with contextlib.suppress(ConnectionClosed):
                    async for text in node:
                        message = json.loads(text)
                        if isinstance(message, list):
                            await client.send(json.dumps([self.edit(one) for one in message]))
                        elif not (self.withholds_heads and "method" in message):
                            await client.send(json.dumps(self.edit(message)))

            pump = asyncio.ensure_future(downstream())
            try:
                async for text in client:
                    message = json.loads(text)
                    batch = message if isinstance(message, list) else [message]
                    asked = [one["method"] for one in batch]
                    self.methods += asked
                    async with self._asked:
                        self._asked.notify_all()
                    if self.refuses_subscriptions and asked == ["eth_subscribe"]:
                        error = {"code": -32601, "message": "notifications not supported"}
                        answer = {"jsonrpc": "2.0", "id": message["id"], "error": error}
                        await client.send(json.dumps(answer))
                    elif self.withholds.isdisjoint(asked):
                        await node.send(text)
            except ConnectionClosed:
                pass
            finally:
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)
