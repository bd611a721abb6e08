"""Serves the page within the monitor's own loop, until the loop ends."""

import logging
import re
import socket
from pathlib import Path

import uvicorn

from scheduler.config.model import Monitor
from scheduler.errors import Misconfigured
from scheduler.operations.page.app import Page, application
from scheduler.operations.page.guard import LOOPBACK, name_of
from scheduler.transactions.secrets import private_file

log = logging.getLogger("MONITOR")

# As much as browsers of one operator need; who asks for more is told to come again (503).
_CONNECTIONS = 128
_IDLE_SECONDS = 5

# What can be in a cookie and in a query as it is (RFC 6265, RFC 3986), and cannot be guessed.
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,200}")


class Server:
    """Listens from the moment it is made, and answers while `serve` runs."""

    def __init__(self, page: Page, settings: Monitor) -> None:
        """Raises Misconfigured where the address cannot be had, or others could see the page."""
        host, port = _host_and_port(settings.page_address)
        token = None if settings.page_token_file is None else _token(settings.page_token_file)
        self._socket = _listening(host, port)
        name = host if ":" not in host else f"[{host}]"
        bound = self._socket.getsockname()[1]
        self.url = f"http://{name}:{bound}/"
        log.info("the status page: %s", self.url)
        # That it starts and ends is said already.
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        hosts = {*LOOPBACK, name, *(name_of(each) for each in settings.page_hosts)}
        self._server = _Quiet(
            uvicorn.Config(
                application(page, hosts, token),
                access_log=False,
                log_config=None,
                server_header=False,
                lifespan="off",
                ws="none",
                loop="none",
                http="h11",
                limit_concurrency=_CONNECTIONS,
                timeout_keep_alive=_IDLE_SECONDS,
            )
        )

    async def serve(self) -> None:
        """Answers for ever."""
        await self._server.serve(sockets=[self._socket])


class _Quiet(uvicorn.Server):
    """Leaves signals to the program: it ends when the program does."""

    def capture_signals(self) -> "_Nothing":  # type: ignore[override]
        return _Nothing()


class _Nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _listening(host: str, port: int) -> socket.socket:
    """Raises Misconfigured."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Misconfigured(
            f"{host}:{port}, for the status page: {why}; choose another with page-address in "
            "[monitor]"
        ) from error
    # Those that it accepts have it, too: else an answer's second part waits 40 ms for the first one
    # to be acknowledged. asyncio sets it only where the protocol was named.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setblocking(False)
    return made


def _token(path: Path) -> str:
    """Raises Misconfigured."""
    text = private_file(path, "the status page's token").read_text(
        encoding="utf-8", errors="replace"
    )
    token = text.partition("\n")[0].strip()
    if not _TOKEN.fullmatch(token):
        raise Misconfigured(
            f"{path}: a token is 16 letters or digits or more; make one with: "
            f"openssl rand -hex 16 > {path}"
        )
    return token
