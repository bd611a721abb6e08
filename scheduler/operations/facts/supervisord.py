"""supervisord's word on its programs, by XML-RPC over its Unix socket (its docs, "XML-RPC API").

Debian's supervisor is a package of the system, so its library is not asked for.
"""

import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ProtocolError, ServerProxy, Transport

from scheduler.operations.facts.model import Process

TIMEOUT_SECONDS = 4.0


class SupervisordAway(Exception):
    """supervisord does not answer; the message says why, and what to do."""


class _Connection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(str(self._path))


class _Transport(Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> HTTPConnection:
        # Kept, so that it is closed with this, however asking ends.
        connection = _Connection(self._path)
        self._connection = host, connection  # type: ignore[assignment]
        return connection


def processes(path: Path) -> dict[str, Process]:
    """The programs that the supervisord at this socket has, by name. Raises SupervisordAway."""
    try:
        with ServerProxy("http://localhost", transport=_Transport(path)) as server:
            answer: Any = server.supervisor.getAllProcessInfo()
        return {each["name"]: _process(each) for each in answer}
    except FileNotFoundError as error:
        raise SupervisordAway(
            f"there is no {path}: supervisord does not run; run: sudo systemctl start supervisor"
        ) from error
    except PermissionError as error:
        raise SupervisordAway(
            f"this user may not speak to supervisord at {path}; run this command with sudo, or, as "
            "the one who operates the box: sudo provision/setup.sh"
        ) from error
    except ConnectionRefusedError as error:
        raise SupervisordAway(
            f"nobody listens at {path}: supervisord does not run; "
            "run: sudo systemctl start supervisor"
        ) from error
    except (OSError, Fault, ProtocolError, KeyError, TypeError) as error:
        raise SupervisordAway(f"supervisord at {path} does not answer: {error}") from error


def _process(info: dict[str, Any]) -> Process:
    runs = info["statename"] in ("STARTING", "RUNNING", "STOPPING")
    return Process(
        state=str(info["statename"]),
        description=str(info["spawnerr"] or info["description"]),
        pid=int(info["pid"]) or None,
        started_at=float(info["start"]) if runs and info["start"] else None,
        exit_status=None if runs else int(info["exitstatus"]),
    )
