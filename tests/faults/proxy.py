"""The proxy before a node: whatever way a program takes to it, every message passes here.

It lets a recorder look at what the program says, and a fault disturb what either side says.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from scheduler.chain.endpoint import Endpoint
from scheduler.chain.errors import METHOD_NOT_FOUND
from scheduler.chain.transport_duplex import Wire
from scheduler.chain.transport_ipc import IpcTransport
from scheduler.chain.transport_websocket import WebSocketTransport
from tests.faults.recorder import Recorder
from tests.faults.troubles import Disturbance, Fault, Message
from tests.side_loop import SideLoop

WAYS = ("ipc", "http", "ws")

# Seconds that what a killed program has said may take to be answered, before its line is closed.
LAST_WORDS = 10.0

# Almost an answer.
GARBAGE = b'{"jsonrpc": "2.0", "id": 1, result}'


class Proxy(SideLoop):
    """Stands in front of the node at `node`, its socket's path or WebSocket, for one `way`.

    With `signs` false the node has no eth_signTransaction. Programs find it at `endpoint`.
    """

    def __init__(
        self,
        node: str,
        way: str,
        directory: Path,
        recorder: Recorder,
        fault: Fault | None = None,
        signs: bool = True,
    ) -> None:
        self._node = node
        self._way = way
        self._path = directory / "ipc"
        self._recorder = recorder
        self._fault = fault or Fault()
        self._signs = signs
        super().__init__()
        self._lines = count(1)
        self._messages = count(1)
        self.endpoint = ""

    async def _open(self) -> None:
        self._server: Any
        if self._way == "ipc":
            self._server = await asyncio.start_unix_server(self._ipc, self._path, limit=2**26)
            self.endpoint = str(self._path)
        elif self._way == "http":
            self._server = await asyncio.start_server(self._http, "127.0.0.1", 0, limit=2**26)
            self.endpoint = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        else:
            self._server = await serve(self._ws, "127.0.0.1", 0, compression=None, max_size=None)
            port = next(iter(self._server.sockets)).getsockname()[1]
            self.endpoint = f"ws://127.0.0.1:{port}"

    async def _close(self) -> None:
        self._server.close()
        await asyncio.sleep(0)  # what was accepted just now begins, and ends in good order
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed in the loop's next turn

    async def _ipc(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def said() -> AsyncIterator[bytes]:
            while (line := await reader.readline()).endswith(b"\n"):
                yield line
            # What a killed program left half said is no message for the node either.

        async def say(text: bytes) -> None:
            writer.write(text + b"\n")

        with suppress(asyncio.CancelledError):
            await self._converse(said(), say, writer.transport.abort)

    async def _ws(self, program: ServerConnection) -> None:
        async def said() -> AsyncIterator[bytes]:
            with suppress(ConnectionClosed):
                while True:
                    yield await program.recv(decode=False)

        async def say(text: bytes) -> None:
            with suppress(ConnectionClosed):
                await program.send(text, text=True)

        await self._converse(said(), say, program.transport.abort)

    async def _converse(
        self,
        said: AsyncIterator[bytes],
        say: Callable[[bytes], Awaitable[None]],
        reset: Callable[[], None],
    ) -> None:
        """Both sides of a line that carries messages both ways, until the program hangs up."""
        number = next(self._lines)

        async def report(notification: Message) -> None:
            for each in self._fault.reported(notification, number):
                await say(json.dumps(each).encode())

        async def answer(text: bytes) -> None:
            found = await self._answered(json.loads(text), line)
            if isinstance(found, Disturbance):
                if found is Disturbance.GARBAGE:
                    await say(GARBAGE)
                elif found is not Disturbance.SILENCE:
                    reset()
            else:
                await say(json.dumps(found).encode())

        line = Line(number, await self._wire(), report, reset)
        answers = []
        try:
            async for text in said:
                answers.append(asyncio.ensure_future(answer(text)))
                await asyncio.sleep(0)  # in order: each says its own to the node first
            await line.drain()
        except OSError:
            pass
        finally:
            reset()
            line.close()
            for task in answers:
                task.cancel()

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reset = writer.transport.abort
        line = Line(next(self._lines), await self._wire(), _nobody, reset)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                assert length, "programs tell how much they say"
                text = await reader.readexactly(int(length[1]))
                found = await self._answered(json.loads(text), line)
                if found is Disturbance.SILENCE:
                    await reader.read()  # until the program hangs up
                if found in (Disturbance.SILENCE, Disturbance.RESET):
                    break
                writer.write(_response(found))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            reset()
            line.close()

    async def _wire(self) -> Wire:
        endpoint = Endpoint.parse(self._node)
        transport = IpcTransport if endpoint.scheme == "ipc" else WebSocketTransport
        return await transport(endpoint, 60.0)._open()

    async def _answered(
        self, message: Message | list[Message], line: "Line"
    ) -> Message | list[Message] | Disturbance:
        """What the program is to be answered, if it is."""
        requests = message if isinstance(message, list) else [message]
        for request in requests:
            self._recorder.look_at(request)
        disturbed = self._fault.disturbs([each["method"] for each in requests], line.number)
        if disturbed is not None and not disturbed.arrives:
            return disturbed.then
        answers = await self._asked(requests, line)
        if disturbed is not None:
            return disturbed.then
        return answers if isinstance(message, list) else answers[0]

    async def _asked(self, requests: list[Message], line: "Line") -> list[Message]:
        """The node's answers to those that are to reach it, and the others' instead."""
        instead = {}
        number = next(self._messages)
        for request in requests:
            other = self._unsigned(request)
            if other is None:
                other = await self._fault.instead(request, number, line.ask)
            if other is not None:
                instead[request["id"]] = {"jsonrpc": "2.0", "id": request["id"], **other}
        passed = [request for request in requests if request["id"] not in instead]
        answers = await line.ask_all(passed) if passed else []
        by_id = {request["id"]: request for request in passed}
        edited = [
            self._fault.edited(by_id[each["id"]], each) if each["id"] in by_id else each
            for each in answers
        ]
        return [*edited, *instead.values()]

    def _unsigned(self, request: Message) -> Message | None:
        if request["method"] != "eth_signTransaction" or self._signs:
            return None
        return {"error": {"code": METHOD_NOT_FOUND, "message": "no such method"}}


class Line:
    """A connection with the node, on behalf of one that a program has with the proxy."""

    def __init__(
        self,
        number: int,
        wire: Wire,
        report: Callable[[Message], Awaitable[None]],
        reset: Callable[[], None],
    ) -> None:
        """`report` is told of notifications; `reset` is called when the node hangs up."""
        self.number = number
        self._wire = wire
        self._report = report
        self._reset = reset
        self._waiting: dict[Any, asyncio.Future[list[Message]]] = {}
        self._own_ids = count(10**9)
        self._reader = asyncio.ensure_future(self._read())

    async def ask(self, method: str, *params: object) -> Any:
        """The result of a question of the proxy's own; None for a refusal."""
        request = {"jsonrpc": "2.0", "id": next(self._own_ids), "method": method, "params": params}
        [answer] = await self.ask_all([request])
        return answer.get("result")

    async def ask_all(self, requests: list[Message]) -> list[Message]:
        """The answers as they come: one may be about all requests."""
        future: asyncio.Future[list[Message]] = asyncio.get_running_loop().create_future()
        self._waiting.update({request["id"]: future for request in requests})
        message = requests[0] if len(requests) == 1 else requests
        await self._wire.send(json.dumps(message).encode())
        return await future

    async def drain(self) -> None:
        """Waits until what was asked is answered."""
        if self._waiting:
            await asyncio.wait(set(self._waiting.values()), timeout=LAST_WORDS)

    def close(self) -> None:
        self._wire.abort()
        self._reader.cancel()

    async def _read(self) -> None:
        with suppress(OSError):
            async for message in self._wire.receive():
                answers: list[Message] = message if isinstance(message, list) else [message]
                if "method" in answers[0]:
                    await self._report(answers[0])
                else:
                    self._hand_out(answers)
        for future in self._waiting.values():
            future.cancel()
        self._reset()

    def _hand_out(self, answers: list[Message]) -> None:
        future = self._waiting.get(answers[0].get("id"))
        for id_ in [key for key, value in self._waiting.items() if value is future]:
            del self._waiting[id_]
        if future is not None and not future.done():
            future.set_result(answers)


async def _nobody(_: Message) -> None:
    """Over HTTP nothing is reported."""


def _response(found: Message | list[Message] | Disturbance) -> bytes:
    status = b"200 OK"
    if found is Disturbance.GARBAGE:
        body = GARBAGE
    elif found is Disturbance.UNAVAILABLE:
        status, body = b"503 Service Unavailable", b"no server is available"
    elif found is Disturbance.TOO_MANY:
        status, body = b"429 Too Many Requests", b"slow down"
    else:
        body = json.dumps(found).encode()
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
