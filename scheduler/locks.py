"""Locks held by the kernel: gone with the process that holds them, whatever its journal or user.

They are abstract Unix sockets (unix(7)): no file to own, to clean up, or to place where both can
reach it. Nobody ever connects to them: a holder that never accepts would leave whoever asks often
in its full queue. Who holds a lock is told by a second name, which carries the pid.
"""

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Protocol

_RETRY_SECONDS = 0.2


class Held(Exception):
    """Somebody else holds the lock. `holder` says who, as far as that is known, `is_stopped`
    whether it is a process that does nothing until somebody lets it go on (SIGSTOP), and `advice`
    what becomes of it, or what the operator does about it."""

    def __init__(self, holder: str, is_stopped: bool, advice: str = "stop it first") -> None:
        super().__init__(holder)
        self.holder = holder
        self.is_stopped = is_stopped
        self.advice = advice

    def told(self, what: str) -> str:
        """A line for the operator: `what` the holder does."""
        return f"{self.holder} already {what}; {self.advice}"


class Hold(Protocol):
    """A lock that is held."""

    def release(self) -> None:
        """Lets others have it."""


class Locks(Protocol):
    """Where a program takes its locks, by the names that scheduler.transactions.custody gives."""

    def take(self, name: str) -> Hold:
        """Takes the lock `name`; raises Held."""

    def look(self, name: str) -> None:
        """Raises Held where somebody has the lock `name`; does not take it."""


class Lock:
    """A lock that this process holds until it releases it or ends."""

    def __init__(self, name: str) -> None:
        """Takes the lock `name`; raises Held."""
        address = _address(name)
        self._sockets = [_socket()]
        try:
            self._sockets[0].bind(f"\0{address}")
        except OSError as error:
            self.release()
            if error.errno != errno.EADDRINUSE:
                raise
            pid = _holder(address)
            raise Held(_described(pid), _is_stopped(pid)) from error
        self._sockets.append(_socket())
        # Taken only by a process of the same pid in another pid namespace: then it stays unsaid.
        with suppress(OSError):
            self._sockets[1].bind(f"\0{address}/{os.getpid()}")

    def release(self) -> None:
        for each in self._sockets:
            each.close()


def _address(name: str) -> str:
    # A hash, since an abstract name is at most 107 bytes long (unix(7)).
    return f"scheduler-kit/{sha256(name.encode()).hexdigest()}"


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)


class KernelLocks:
    """The locks of this box alone."""

    def take(self, name: str) -> Hold:
        return Lock(name)

    def look(self, name: str) -> None:
        Lock(name).release()


def holder_of(name: str) -> str | None:
    """Who holds the lock `name`, as far as the kernel tells; None where nobody does."""
    pid = _holder(_address(name))
    return None if pid is None else _described(pid)


@contextmanager
def hold_when_free(name: str, seconds: float) -> Iterator[None]:
    """Holds the lock `name`, waiting for it first; raises Held after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            lock = Lock(name)
            break
        except Held:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _holder(address: str) -> str | None:
    """The pid of the process that holds the lock, from the kernel's list of names."""
    prefix = f"@{address}/"  # proc(5): abstract names are listed with @
    with suppress(OSError):
        for line in Path("/proc/net/unix").read_text(errors="replace").splitlines():
            path = line.rpartition(" ")[2]
            if path.startswith(prefix):
                return path[len(prefix) :]
    return None


def _is_stopped(pid: str | None) -> bool:
    with suppress(OSError):
        # proc(5): the state follows the name, which is in brackets and may hold some.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


def _described(pid: str | None) -> str:
    """Pid, program and user of the process, as far as they are visible."""
    if pid is None:
        return "a process that has just begun or ended"
    try:
        user = Path(f"/proc/{pid}").stat().st_uid
    except OSError:  # hidden from other users (proc(5), hidepid), or ended by now
        return f"process {pid}"
    return f"process {pid} ({_program(pid)}) of user {user}"


def _program(pid: str) -> str:
    """The name of the program and its command; never an argument that could hold a secret."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "name not visible"
    names = [os.path.basename(word) for word in words if word and not word.startswith("-")]
    python = names and names[0].startswith("python")
    return " ".join(names[1:3] if python else names[:2]) or "unknown"
