"""JSON-RPC over HTTP/1.1 with kept-alive connections; as it imports `h11`, it is when used."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple, TypeAlias

import h11

from scheduler.chain.endpoint import Endpoint, reason, within
from scheduler.chain.errors import BatchRefused, NodeUnavailable, RpcError, TooManyRequests
from scheduler.chain.jsonrpc import Answer, Unintelligible, decode, results
from scheduler.chain.limits import seconds_in

CONNECTIONS = 4
"""How many requests to one endpoint are under way at once; more wait their turn."""

_READ_SIZE = 2**18

Headers: TypeAlias = list[tuple[str, str]]


class _Response(NamedTuple):
    """What a server answered; `retry_after` is the header of that name."""

    status: int
    content: bytes
    retry_after: str | None = None


class _Stale(ConnectionResetError):
    """The server closed a kept-alive connection instead of answering the next request on it."""


class _Channel:
    """One HTTP connection: a request and its response, then the next."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._state = h11.Connection(h11.CLIENT)
        self._used = False

    @property
    def usable(self) -> bool:
        """Whether another request may be written: the server has not closed its end so far."""
        return (
            self._state.our_state is h11.IDLE
            and not self._reader.at_eof()
            and not self._writer.is_closing()
        )

    async def post(self, target: str, headers: Headers, body: bytes) -> _Response:
        """The response. Raises _Stale, OSError, h11.ProtocolError."""
        request = h11.Request(method="POST", target=target, headers=headers)
        events = (request, h11.Data(data=body), h11.EndOfMessage())
        self._writer.write(b"".join(self._state.send(event) or b"" for event in events))
        first = await self._first_bytes()
        self._used = True
        self._state.receive_data(first)
        status, content, retry_after = 0, bytearray(), None
        while not isinstance(event := self._state.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                self._state.receive_data(await self._reader.read(_READ_SIZE))
            elif isinstance(event, h11.Response):
                status = event.status_code
                given = dict(event.headers).get(b"retry-after")
                retry_after = None if given is None else given.decode("latin-1")
            elif isinstance(event, h11.Data):
                content += event.data
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError
        if self._state.our_state is h11.DONE:
            self._state.start_next_cycle()
        return _Response(status, bytes(content), retry_after)

    async def _first_bytes(self) -> bytes:
        try:
            await self._writer.drain()
            data = await self._reader.read(_READ_SIZE)
        except ConnectionError as error:
            raise (_Stale() if self._used else error) from error
        if not data:
            raise _Stale if self._used else ConnectionResetError
        return data

    def abort(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self.abort()
        with suppress(OSError):
            await self._writer.wait_closed()


class HttpTransport:
    """Posts each message. Follows no redirect and uses no proxy: either would see the messages."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        self._idle: list[_Channel] = []
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._tls = ssl.create_default_context() if endpoint.secure else None
        self._headers = [("Host", endpoint.authority), ("Content-Type", "application/json")]
        if endpoint.authorization:
            self._headers.append(("Authorization", endpoint.authorization))

    async def exchange(self, body: bytes, ids: Sequence[int], repeatable: bool) -> list[Answer]:
        try:
            response = await within(self.timeout, self._post(body, repeatable))
            if response.status == HTTPStatus.TOO_MANY_REQUESTS:
                wanted = seconds_in(response.retry_after, time.time())
                raise TooManyRequests(
                    f"{self.endpoint}: it answered HTTP 429 Too Many Requests", wanted
                )
            return _answers(response.status, response.content, ids)
        except (OSError, h11.ProtocolError, Unintelligible) as error:
            raise NodeUnavailable(f"{self.endpoint}: {reason(error)}") from error

    async def _post(self, body: bytes, repeatable: bool) -> _Response:
        async with self._turns:
            try:
                return await self._post_on(self._kept() or await self._opened(), body)
            except _Stale:
                if not repeatable:
                    raise
                return await self._post_on(await self._opened(), body)

    async def _post_on(self, channel: _Channel, body: bytes) -> _Response:
        headers = [*self._headers, ("Content-Length", str(len(body)))]
        try:
            response = await channel.post(self.endpoint.path, headers, body)
        except BaseException:
            channel.abort()
            raise
        if channel.usable:
            self._idle.append(channel)
        else:
            channel.abort()
        return response

    def _kept(self) -> _Channel | None:
        while self._idle:
            channel = self._idle.pop()
            if channel.usable:
                return channel
            channel.abort()
        return None

    async def _opened(self) -> _Channel:
        return _Channel(
            *await asyncio.open_connection(
                self.endpoint.host, self.endpoint.port, ssl=self._tls, limit=_READ_SIZE
            )
        )

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()


def _answers(status: int, content: bytes, ids: Sequence[int]) -> list[Answer]:
    """What a response says. A node may explain a refusal (4xx) in an error object: then that is
    the answer. From 5xx it is not: they pass, and are not about what was asked. A gateway that
    takes no message of that size (413) refuses a batch."""
    if status == HTTPStatus.OK:
        return results(decode(content), ids)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and len(ids) > 1:
        return [BatchRefused(status, "the message is too large")] * len(ids)
    if 400 <= status < 500:
        try:
            answers = results(decode(content), ids)
        except Unintelligible:
            answers = []
        if answers and all(isinstance(answer, RpcError) for answer in answers):
            return answers
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    raise Unintelligible(f"it answered HTTP {status}{phrase}")
