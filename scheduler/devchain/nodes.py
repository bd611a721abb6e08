"""Starts a real node on loopback as a child process, and stops it."""

import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scheduler.chain.errors import NodeUnavailable
from scheduler.devchain.accounts import MNEMONIC
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.toolchain import anvil_path, geth_path
from scheduler.processes import bound_command

DEVELOPMENT_CHAIN_ID = 1337

_ANVIL_PORT = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")
_GETH_PORT = re.compile(r"HTTP server started\s+endpoint=127\.0\.0\.1:(\d+)")


class NodeStartError(Exception):
    """The node did not come up; the message is one line with the node's own last words."""


class PortInUse(NodeStartError):
    """Somebody listens on the port that the node was to have."""


@dataclass(frozen=True)
class Node:
    """A running node: where it answers, where its data and log are, and its process."""

    kind: str
    process: "subprocess.Popen[bytes]"
    port: int
    ipc: Path
    log: Path

    @property
    def http(self) -> str:
        """The HTTP endpoint."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """The WebSocket endpoint, on the same port."""
        return f"ws://127.0.0.1:{self.port}"

    def rpc(self, method: str, *params: object) -> Any:
        """The result of a JSON-RPC request over HTTP. Raises NodeUnavailable, RpcError."""
        return _ask(self.port, method, *params)

    def stop(self, seconds: float = 10.0) -> None:
        """Ends the node: politely first, so that geth keeps its blocks, then by SIGKILL."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        if self.ipc.parent != self.log.parent:
            shutil.rmtree(self.ipc.parent, ignore_errors=True)


def start_anvil(
    directory: Path,
    *,
    port: int = 0,
    block_time: float | None = None,
    automine: bool = True,
    hardfork: str | None = None,
    gas_limit: int = 30_000_000,
    chain_id: int = DEVELOPMENT_CHAIN_ID,
    order: str = "fifo",
    history: int | None = None,
    options: Sequence[str] = (),
) -> Node:
    """Anvil with its files in `directory`; port 0 is a free one, on others it logs errors only.

    `block_time` in seconds mines at intervals, otherwise each transaction makes a block
    (`automine`) or blocks come from `anvil_mine` alone. The order `fifo` is not anvil's default:
    with `fees` it drops transactions of an account whose later nonce pays more than an earlier
    one (seen with 1.7.1). `history` keeps the states of so many blocks, in memory; without it all
    are kept, in files that grow by up to a megabyte a block (the ring of block hashes of EIP-2935
    is part of every state). Raises NodeStartError, ToolchainError.
    """
    _require_free(port)
    ipc = _ipc_path(directory)
    command = [str(anvil_path()), "--host", "127.0.0.1", "--port", str(port), "--order", order]
    command += ["--mnemonic", MNEMONIC, "--chain-id", str(chain_id), "--color", "never"]
    command += ["--gas-limit", str(gas_limit), "--ipc", str(ipc)]
    # Old states go to files, by default below the home directory.
    command += ["--cache-path", str(directory / "cache")]
    if block_time is not None:
        command += ["--block-time", f"{block_time:g}"]
    elif not automine:
        command += ["--no-mining"]
    if hardfork is not None:
        command += ["--hardfork", hardfork]
    if history is not None:
        command += ["--prune-history", str(history)]
    if port:
        command.append("--quiet")
    launch = _Launch("anvil", [*command, *options], _ANVIL_PORT, signal.SIGKILL)
    return _start(launch, directory, port, ipc)


def start_geth(
    directory: Path,
    *,
    port: int = 0,
    period: int = 1,
    gas_limit: int = 60_000_000,
    binary: Path | None = None,
    options: Sequence[str] = (),
) -> Node:
    """geth --dev (chain id 1337, one unlocked account) with its data in `directory`.

    It goes on with the chain that is there. `period` is the block time in seconds; 0 mines when
    there is a transaction. Port 0 is a free one, on others it logs warnings only. `binary` is the
    geth to run; else the pinned one is. Raises NodeStartError, ToolchainError.
    """
    _require_free(port)
    ipc = _ipc_path(directory)
    apis = "eth,net,web3,txpool,debug,dev,miner"
    command = [str(binary or geth_path()), "--dev", "--dev.period", str(period)]
    command += ["--dev.gaslimit", str(gas_limit), "--datadir", str(directory / "geth")]
    command += ["--http", "--http.addr", "127.0.0.1", "--http.port", str(port), "--http.api", apis]
    command += ["--ws", "--ws.addr", "127.0.0.1", "--ws.port", str(port), "--ws.api", apis]
    command += ["--ipcpath", str(ipc), "--nodiscover", "--verbosity", "2" if port else "3"]
    launch = _Launch("geth", [*command, *options], _GETH_PORT, signal.SIGTERM)
    return _start(launch, directory, port, ipc)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortInUse(
                f"port {port}: {error.strerror}; stop what uses it or take another"
            ) from error


def _ipc_path(directory: Path) -> Path:
    """A path for the node's socket, in `directory` unless that is too long for one (108 bytes)."""
    path = directory / "node.ipc"
    if len(str(path).encode()) < 100:
        return path
    return Path(tempfile.mkdtemp(prefix="node-")) / "node.ipc"


@dataclass(frozen=True)
class _Launch:
    """How a kind of node is started, how it tells its port, and what ends it with its parent."""

    kind: str
    command: list[str]
    announcement: "re.Pattern[str]"
    on_parent_death: int


def _start(launch: _Launch, directory: Path, port: int, ipc: Path) -> Node:
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / f"{launch.kind}.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            bound_command(launch.command, launch.on_parent_death),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal goes to the whole group; the parent decides when this one ends.
            start_new_session=True,
        )
    try:
        port = _wait_until_it_answers(launch, process, log, port)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return Node(launch.kind, process, port, ipc, log)


def _wait_until_it_answers(
    launch: _Launch, process: "subprocess.Popen[bytes]", log: Path, port: int
) -> int:
    """The port that the node answers on, read from its log where it could choose (port 0)."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NodeStartError(f"{launch.kind} ended at once: {_last_words(log)}")
        if not port:
            match = launch.announcement.search(log.read_text(errors="replace"))
            port = int(match.group(1)) if match else 0
        if port:
            try:
                _ask(port, "eth_chainId", timeout=2.0)
                return port
            except NodeUnavailable:
                pass
        time.sleep(0.02)
    raise NodeStartError(f"{launch.kind} does not answer after 60 seconds: read {log}")


def _ask(port: int, method: str, *params: object, timeout: float = 60.0) -> Any:
    endpoint = Endpoint(f"http://127.0.0.1:{port}", timeout)
    try:
        return endpoint.request(method, *params)
    finally:
        endpoint.close()


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it printed nothing")
