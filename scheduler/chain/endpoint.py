"""Where a node listens, and how that is told without showing a secret."""

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from errno import ECONNREFUSED
from typing import TypeVar
from urllib.parse import unquote, urlsplit

T = TypeVar("T")

# Of rskj, whose WebSocket has a path (rpc.providers.web of its reference.conf), and is off until
# rpc.providers.web.ws.enabled says otherwise.
RSKJ_HTTP_PORT, RSKJ_WEBSOCKET_PORT, RSKJ_WEBSOCKET_PATH = 4444, 4445, "/websocket"

# Longer pieces of a URL may be keys whatever they look like, shorter ones unless they are words.
_SHORTEST_KEY = 16
_WORDS = re.compile(r"[a-z]+([-_.][a-z]+)*|v[0-9]+")

_LOOPBACK = ("127.0.0.1", "::1", "localhost")

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IPC socket (`scheme` is "ipc", `path` its file), or a URL.

    `path` and `authorization` (the value of that HTTP header) may hold keys: `str()` and `repr()`
    leave them out. `str()` is what a node is called wherever people read it. `secrets` are the
    parts of it that may be keys.
    """

    scheme: str
    path: str = field(repr=False)
    host: str = ""
    port: int = 0
    authorization: str | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Reads `http(s)://…`, `ws(s)://…`, or the path of an IPC socket.

        Raises ValueError, without repeating what may be a secret.
        """
        scheme, separator, _ = text.partition("://")
        if not separator:
            if not text:
                raise ValueError("the node's address is empty")
            return cls("ipc", text)
        if scheme.lower() not in _DEFAULT_PORTS:
            raise ValueError(
                f"a node's address begins with http://, https://, ws:// or wss://, or is the path"
                f" of an IPC socket; {scheme}:// is none of these"
            )
        try:
            url = urlsplit(text)
            host, port = url.hostname, url.port
        except ValueError:
            host, port = None, None
        if host is None:
            raise ValueError(
                f"the node's {scheme}:// address has no host, or a port that is not a number"
            )
        authorization = None
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        port = _DEFAULT_PORTS[url.scheme] if port is None else port
        return cls(url.scheme, path, host, port, authorization, tuple(secrets_in(text)))

    @property
    def reporting(self) -> str | None:
        """Where the node at this HTTP endpoint reports its new blocks, if it does; None where that
        cannot be known. HTTP has no reports, but this box's rskj has a WebSocket beside it.
        """
        beside = (self.scheme, self.port) == ("http", RSKJ_HTTP_PORT) and self.host in _LOOPBACK
        if not beside or self.authorization is not None:
            return None
        host = self.authority.rpartition(":")[0]
        return f"ws://{host}:{RSKJ_WEBSOCKET_PORT}{RSKJ_WEBSOCKET_PATH}"

    @property
    def secure(self) -> bool:
        return self.scheme in ("https", "wss")

    @property
    def authority(self) -> str:
        """`host:port`, with the brackets that IPv6 addresses need."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def without_secrets(self, text: str) -> str:
        """`text` with an ellipsis in place of each of the secrets, which the node may repeat."""
        return without(self.secrets, text)

    def __str__(self) -> str:
        return self.path if self.scheme == "ipc" else f"{self.scheme}://{self.authority}"


def shown(text: str) -> str:
    """A node's address as a configuration is shown: as it is written, if nothing in it can be a
    key; else what the node is called, with an ellipsis for the rest."""
    return f"{Endpoint.parse(text)}/…" if secrets_in(text) else text


def secrets_in(text: str) -> list[str]:
    """What may be a key in a node's address: of a URL the password, and of its user, path and query
    every piece that is no plain word; as written, as meant, and as it is sent. The longest first.
    """
    if "://" not in text:
        return []
    url = urlsplit(text)
    pieces = re.split(r"[/?&=;,+]", f"{url.path}?{url.query}?{url.fragment}")
    found = [piece for piece in (*pieces, url.username or "") if _may_be_key(piece)]
    # Without a password the user's name is a provider's key (https://KEY@host).
    found += filter(None, [url.password or url.username])
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        found.append(base64.b64encode(pair.encode()).decode())
    return sorted({*found, *map(unquote, found)}, key=len, reverse=True)


def without(secrets: Sequence[str], text: str) -> str:
    """`text` with an ellipsis in place of each secret."""
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


def _may_be_key(piece: str) -> bool:
    """Whether it is neither short, nor words, nor a version: `rpc`, `eth-mainnet`, `v3`."""
    return len(piece) >= _SHORTEST_KEY or not (len(piece) <= 3 or _WORDS.fullmatch(piece))


def reason(error: BaseException) -> str:
    """Why a connection failed, in an operator's words and without anything from the URL."""
    if isinstance(error, FileNotFoundError):
        return "there is no such socket"
    if isinstance(error, ConnectionRefusedError) or f"[Errno {ECONNREFUSED}]" in str(error):
        return "nothing listens there"
    if isinstance(error, PermissionError):
        return "this user may not open it"
    if isinstance(error, socket.gaierror):
        return "its host name cannot be resolved"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
        return "the connection broke off"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """Awaits for at most this long, then cancels it and raises TimeoutError.

    `asyncio.wait_for` of Python 3.10 and 3.11 can lose a cancellation from outside (bpo-37658).
    """
    task = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if task.done():
        return task.result()
    task.cancel()
    raise TimeoutError(f"no answer within {seconds:g} s")
