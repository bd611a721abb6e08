"""Locks held by the kernel: gone with the process that holds them, whatever its journal or user.

They are abstract Unix sockets: no file to own, to clean up, or to place where both can reach it,
and the kernel tells the loser which process the winner is.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

_RETRY_SECONDS = 0.2


class Held(Exception):
    """Somebody else holds the lock. `holder` says who, as far as the kernel tells."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class Lock:
    """A lock that this process holds until it releases it or ends."""

    def __init__(self, name: str) -> None:
        """Takes the lock `name`; raises Held."""
        # A hash, since an abstract name is at most 107 bytes long (unix(7)).
        address = f"\0scheduler-kit/{sha256(name.encode()).hexdigest()}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.bind(address)
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            if error.errno != errno.EADDRINUSE:
                raise
            raise Held(_holder(address)) from error

    def release(self) -> None:
        self._socket.close()


@contextmanager
def hold_when_free(name: str) -> Iterator[None]:
    """Holds the lock `name`, waiting for it first."""
    while True:
        try:
            lock = Lock(name)
            break
        except Held:
            time.sleep(_RETRY_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _holder(address: str) -> str:
    """The process listening on the socket, by SO_PEERCRED (socket(7)): pid and program."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address)
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except OSError:
            return "a process that has just ended"
    pid, uid, _ = struct.unpack("3i", credentials)
    return f"process {pid} ({_program(pid)}) of user {uid}"


def _program(pid: int) -> str:
    """The name of the program and its command; never an argument that could hold a secret."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "name not visible"
    names = [os.path.basename(word) for word in words if word and not word.startswith("-")]
    python = names and names[0].startswith("python")
    return " ".join(names[1:3] if python else names[:2]) or "unknown"
