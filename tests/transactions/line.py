"""A line to a PostgreSQL server that is cut when a COMMIT passes, before or after it arrives."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum

# A simple query (PostgreSQL 15 documentation, 55.7): "Q", its length, the text, NUL.
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


class Cut(Enum):
    """Where the next COMMIT is lost: on its way there, or its answer on the way back."""

    NEVER = "never"
    REQUEST = "request"
    ANSWER = "answer"


class Line:
    """Passes bytes on between whoever connects to `port` on loopback and the server's `to`."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.cut = Cut.NEVER
        self.is_closed = False
        """Whether nobody gets through any more."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.is_closed:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [near, far]
                lost = threading.Event()
                for way in (self._ask, self._answer):
                    threading.Thread(target=way, args=(near, far, lost), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket, lost: threading.Event) -> None:
        """From the client to the server, until either ends."""
        with _both_ended(near, far):
            while data := near.recv(65_536):
                cut = self.cut if COMMIT in data else Cut.NEVER
                if cut is not Cut.NEVER:
                    self.cut = Cut.NEVER
                if cut is Cut.REQUEST:
                    break
                if cut is Cut.ANSWER:
                    lost.set()
                far.sendall(data)

    def _answer(self, near: socket.socket, far: socket.socket, lost: threading.Event) -> None:
        """From the server to the client, until either ends, or an answer is `lost`."""
        with _both_ended(near, far):
            # The server has committed when it answers.
            while (data := far.recv(65_536)) and not lost.is_set():
                near.sendall(data)


@contextmanager
def _both_ended(*ends: socket.socket) -> Iterator[None]:
    with suppress(OSError):
        yield
    for each in ends:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
