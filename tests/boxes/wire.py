"""The way of a box to something that it shares with others: a socket of its own, which a test cuts.

It is a Unix socket in the box's directory, since a network namespace of its own does not keep a box
from those.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from tests.side_loop import SideLoop

CHUNK = 2**16

SEND = b"eth_sendRawTransaction"


class Wire(SideLoop):
    """Hands on what comes to the socket `path` to the one at `target`, both ways.

    `look` is given what a program says, before it is handed on.
    """

    def __init__(
        self, path: Path, target: Path, look: Callable[[bytes], None] = lambda _: None
    ) -> None:
        self.path = path
        self._target = target
        self._look = look
        super().__init__()
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_cut = False
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Whoever is connected is hung up on, and whoever calls, too."""
        self._do(self._hang_up())

    def silence(self) -> None:
        """Nothing arrives any more, on either side, and nobody is told."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def mend(self) -> None:
        """As before; what was kept back arrives now."""
        self._is_cut = False
        self._loop.call_soon_threadsafe(self._flows.set)

    async def _open(self) -> None:
        self._server = await asyncio.start_unix_server(self._converse, self.path)
        # Whatever user the database's programs are.
        self.path.chmod(0o777)

    async def _hang_up(self) -> None:
        self._is_cut = True
        for end in list(self._ends):
            end.transport.abort()

    async def _close(self) -> None:
        self._server.close()
        await self._hang_up()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed in the loop's next turn

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            await self._flows.wait()
            if self._is_cut:
                return
            theirs, there = await asyncio.open_unix_connection(str(self._target))
            self._ends.add(there)
            try:
                await asyncio.gather(
                    self._pump(reader, there, self._look), self._pump(theirs, writer, _nothing)
                )
            finally:
                self._ends.discard(there)
                there.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._ends.discard(writer)
            writer.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        look: Callable[[bytes], None],
    ) -> None:
        while chunk := await reader.read(CHUNK):
            await self._flows.wait()
            look(chunk)
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError("one side hung up")


def _nothing(_: bytes) -> None:
    pass


@dataclass(frozen=True)
class Sent:
    """A transaction that left a box at a moment, seconds since the epoch."""

    hash: str
    at: float


class Recorder:
    """Notes the transactions that leave a box on its way to the node; one connection at a time."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._rest = b""

    def __call__(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if SEND in line:
                with suppress(ValueError):  # cut off in the middle by a kill
                    self._note(json.loads(line))

    def _note(self, message: Any) -> None:
        for each in message if isinstance(message, list) else [message]:
            if each["method"].encode() == SEND:
                raw = bytes.fromhex(each["params"][0][2:])
                self.sent.append(Sent("0x" + keccak(raw).hex(), time.time()))
