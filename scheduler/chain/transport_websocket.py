"""JSON-RPC over WebSocket. Importing this module imports `websockets`, so it is done when used."""

import logging
from collections.abc import AsyncIterator

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from scheduler.chain.jsonrpc import Json, decode
from scheduler.chain.transport_duplex import DuplexTransport, Wire

MAX_MESSAGE = 2**28
"""Bytes of the largest message that is accepted; the logs of a full block stay far below."""

_WRITE_LIMIT = 2**26
_PING_SECONDS = 20.0

_quiet = logging.getLogger("scheduler.chain.websocket")
# The library writes the request line and headers, which may hold keys, at level DEBUG.
_quiet.setLevel(logging.WARNING)


class _Connect(connect):
    """Connects to this endpoint and no other: a redirect is a refusal."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class WebSocketWire(Wire):
    """Each message is a text frame."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, body: bytes) -> None:
        try:
            await self._connection.send(body, text=True)
        except ConnectionClosed as error:
            raise ConnectionResetError(str(error)) from error

    async def receive(self) -> AsyncIterator[Json]:
        try:
            while True:
                yield decode(await self._connection.recv(decode=False))
        except ConnectionClosed:
            return

    def abort(self) -> None:
        self._connection.transport.abort()


class WebSocketTransport(DuplexTransport):
    """No proxy, which would see the messages, and no compression, which would delay them."""

    async def _open(self) -> Wire:
        endpoint = self.endpoint
        headers = {"Authorization": endpoint.authorization} if endpoint.authorization else None
        try:
            return WebSocketWire(
                await _Connect(
                    f"{endpoint.scheme}://{endpoint.authority}{endpoint.path}",
                    additional_headers=headers,
                    compression=None,
                    proxy=None,
                    max_size=MAX_MESSAGE,
                    write_limit=_WRITE_LIMIT,
                    open_timeout=None,
                    ping_interval=_PING_SECONDS,
                    ping_timeout=_PING_SECONDS,
                    logger=_quiet,
                )
            )
        except InvalidStatus as error:
            status = error.response.status_code
            raise ConnectionError(f"it refuses a WebSocket (HTTP {status})") from None
        except WebSocketException as error:
            raise ConnectionError(f"it speaks no WebSocket ({type(error).__name__})") from None
