"""The recording proxy: whatever transaction is on its way to the node, was it journaled before?"""

import json
import socket
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from scheduler.chain.errors import METHOD_NOT_FOUND

Message = dict[str, Any]


class Recorder:
    """A socket in front of a node's, which reads the journal before it passes a transaction on.

    `journal` answers the file as it would be found after a crash at this moment. With `signs`
    false the node has no eth_signTransaction. `sent` are the transactions that passed, as hashes
    of raw ones and as account and nonce of the others; `violations` those not in the journal.
    """

    def __init__(
        self, node: Path, path: Path, journal: Callable[[], Path], signs: bool = True
    ) -> None:
        self._node = str(node)
        self._journal = journal
        self._signs = signs
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.path = path
        self.sent: list[str] = []
        self.violations: list[str] = []

    def __enter__(self) -> "Recorder":
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen()
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for end in [self._server, *self._open]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in [self._server, *self._open]:
            end.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                program, _ = self._server.accept()
                node = socket.socket(socket.AF_UNIX)
                node.connect(self._node)
                self._open += [program, node]
                self._start(self._upstream, program, node)
                self._start(self._downstream, node, program)

    def _upstream(self, program: socket.socket, node: socket.socket) -> None:
        """What the program says, line by line; all of it, even after the program was killed."""
        with suppress(OSError), program.makefile("rb") as lines:
            for line in lines:
                # What a killed program left half said is no message for the node either.
                if not line.endswith(b"\n"):
                    break
                refusal = self._look_at(json.loads(line))
                if refusal is None:
                    node.sendall(line)
                else:
                    program.sendall(json.dumps(refusal).encode())
        with suppress(OSError):
            node.shutdown(socket.SHUT_WR)

    def _downstream(self, node: socket.socket, program: socket.socket) -> None:
        with suppress(OSError):
            while data := node.recv(2**18):
                program.sendall(data)
        with suppress(OSError):
            program.shutdown(socket.SHUT_RDWR)

    def _look_at(self, message: Message | list[Message]) -> Message | None:
        """Records the transactions in it; the answer, where the node is not to be asked."""
        for request in message if isinstance(message, list) else [message]:
            method = request["method"]
            if method == "eth_signTransaction" and not self._signs:
                error = {"code": METHOD_NOT_FOUND, "message": "no such method"}
                return {"jsonrpc": "2.0", "id": request["id"], "error": error}
            if method == "eth_sendRawTransaction":
                raw = bytes.fromhex(request["params"][0][2:])
                hash_ = "0x" + keccak(raw).hex()
                query = "SELECT 1 FROM attempts WHERE hash = ? AND raw = ?"
                self._record(hash_, query, (hash_, raw))
            elif method == "eth_sendTransaction":
                fields = request["params"][0]
                slot = (fields["from"], int(fields["nonce"], 16))
                query = (
                    "SELECT 1 FROM attempts WHERE account = ? AND nonce = ? AND raw IS NULL"
                    " AND json(fields) = json(?)"
                )
                self._record(str(slot), query, (*slot, json.dumps(fields)))
        return None

    def _record(self, name: str, query: str, values: tuple[object, ...]) -> None:
        self.sent.append(name)
        try:
            uri = f"file:{self._journal()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as journal:
                found = journal.execute(query, values).fetchone() is not None
        except sqlite3.OperationalError:  # the file or the table is not there
            found = False
        if not found:
            self.violations.append(name)
