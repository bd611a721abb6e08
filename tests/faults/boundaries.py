"""The two boundaries of a running program, wrapped: its journal's file and its wire to the node.

Whatever passes one of them is a crossing with a name; a crash point is a crossing, and which of
those with this name.
"""

import json
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias
from unittest import mock

from scheduler.chain.jsonrpc import Json
from scheduler.chain.transport_duplex import DuplexTransport, Wire
from scheduler.chain.transport_http import Headers, _Channel
from scheduler.chain.transport_ipc import IpcTransport
from scheduler.chain.transport_websocket import WebSocketTransport
from scheduler.transactions import journal
from scheduler.transactions.journal.sqlite.database import DURABLE

Point: TypeAlias = tuple[str, int]

JOURNAL_SOURCES = str(Path(journal.__file__).parent)


class Crossings:
    """Counts what passes, and kills this very process at one point, so that nothing follows it."""

    def __init__(self, fatal: Point | None) -> None:
        self._fatal = fatal
        self._counts: Counter[str] = Counter()
        self.passed: list[Point] = []

    def cross(self, name: str) -> None:
        self._counts[name] += 1
        point = (name, self._counts[name])
        if point == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append(point)


class Disk(sqlite3.Connection):
    """The journal's connection: before a transaction, before its commit and behind it."""

    crossings: Crossings
    synchronous: str

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql == DURABLE:
            return super().execute(f"PRAGMA synchronous = {self.synchronous}")
        if not sql.startswith(("BEGIN", "COMMIT")):
            return super().execute(sql, *parameters)
        what = _journaled(sys._getframe(1))
        before, after = ("before", "in") if sql.startswith("BEGIN") else ("end of", "committed")
        self.crossings.cross(f"{before} {what}")
        cursor = super().execute(sql, *parameters)
        self.crossings.cross(f"{after} {what}")
        return cursor


class Watched(Wire):
    """The wire to the node: before a request leaves, when it has left, when an answer was read."""

    def __init__(self, wire: Wire, crossings: Crossings) -> None:
        self._wire = wire
        self._crossings = crossings
        self._asked: dict[int, str] = {}

    async def send(self, body: bytes) -> None:
        name, ids = _said(body)
        self._asked.update(dict.fromkeys(ids, name))
        self._crossings.cross(f"before {name}")
        await self._wire.send(body)
        self._crossings.cross(f"sent {name}")

    async def receive(self) -> AsyncIterator[Json]:
        async for message in self._wire.receive():
            first = message[0] if isinstance(message, list) else message
            name = self._asked.get(first.get("id"), first.get("method", "a refusal"))
            self._crossings.cross(f"read {name}")
            yield message

    def abort(self) -> None:
        self._wire.abort()


def wrap(crossings: Crossings, synchronous: str) -> None:
    """Puts the wrappers into this process, for ever; what it opens from now on has them."""
    disk = type("Disk", (Disk,), {"crossings": crossings, "synchronous": synchronous})
    mock.patch.object(sqlite3, "connect", partial(sqlite3.connect, factory=disk)).start()
    for transport in (IpcTransport, WebSocketTransport):
        mock.patch.object(transport, "_open", _watched(transport._open, crossings)).start()
    _wrap_http(crossings)


def _watched(
    opened: Callable[[Any], Awaitable[Wire]], crossings: Crossings
) -> Callable[[DuplexTransport], Awaitable[Wire]]:
    async def watched(transport: DuplexTransport) -> Wire:
        return Watched(await opened(transport), crossings)

    return watched


def _wrap_http(crossings: Crossings) -> None:
    """An HTTP connection carries one message after the other: what is awaited was just said."""
    post, wait = _Channel.post, _Channel._first_bytes
    said = ContextVar[str]("said")

    async def posted(
        channel: _Channel, target: str, headers: Headers, body: bytes
    ) -> tuple[int, bytes]:
        name, _ = _said(body)
        said.set(name)
        crossings.cross(f"before {name}")
        response = await post(channel, target, headers, body)
        crossings.cross(f"read {name}")
        return response

    async def waited(channel: _Channel) -> bytes:
        crossings.cross(f"sent {said.get()}")
        return await wait(channel)

    mock.patch.object(_Channel, "post", posted).start()
    mock.patch.object(_Channel, "_first_bytes", waited).start()


def _said(body: bytes) -> tuple[str, list[int]]:
    """What a message asks for, as a name, and under which ids."""
    message = json.loads(body)
    requests = message if isinstance(message, list) else [message]
    name = "+".join(sorted({request["method"] for request in requests}))
    return name, [request["id"] for request in requests]


def _journaled(frame: FrameType | None) -> str:
    """Which of the journal's methods was called from outside: its name is the transaction's."""
    name = "a transaction"
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(JOURNAL_SOURCES) and not code.co_name.startswith("_"):
            name = code.co_name
        frame = frame.f_back
    return name
