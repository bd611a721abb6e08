"""JSON-RPC over the Unix socket of a node on the same machine."""

import asyncio
from collections.abc import AsyncIterator

from scheduler.chain.jsonrpc import Json, Splitter
from scheduler.chain.transport_duplex import DuplexTransport, Wire

_READ_SIZE = 2**18


class IpcWire(Wire):
    """A stream socket on which messages follow one another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, body: bytes) -> None:
        self._writer.write(body + b"\n")
        await self._writer.drain()

    async def receive(self) -> AsyncIterator[Json]:
        splitter = Splitter()
        while data := await self._reader.read(_READ_SIZE):
            for message in splitter.feed(data):
                yield message

    def abort(self) -> None:
        self._writer.transport.abort()


class IpcTransport(DuplexTransport):
    async def _open(self) -> Wire:
        return IpcWire(*await asyncio.open_unix_connection(self.endpoint.path, limit=_READ_SIZE))
