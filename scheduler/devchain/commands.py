"""`scheduler dev`: the development chain on the command line."""

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.devchain.accounts import TransactionFailed
from scheduler.devchain.chain import DevelopmentChain, chain_on_anvil, chain_on_geth
from scheduler.devchain.deployment import Deployment
from scheduler.devchain.nodes import NodeStartError, PortInUse
from scheduler.devchain.schedule_command import schedule
from scheduler.devchain.state import (
    DEFAULT_PORT,
    default_state_directory,
    fail,
    state_dir_option,
)
from scheduler.devchain.toolchain import ToolchainError
from scheduler.processes import die_with_parent

# Blocks whose state anvil can still be asked for: 180 MB after a day of blocks, and no files.
_STATES_KEPT = 64


@click.group(invoke_without_command=True)
@click.option("--block-time", type=click.IntRange(1), default=1, help="Seconds between blocks.")
@click.option("--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True)
@state_dir_option
@click.option("--node", type=click.Choice(["anvil", "geth"]), default="anvil", show_default=True)
@click.option(
    "--node-binary",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The geth to run, with --node geth; else the pinned one, built at its first use.",
)
@click.option("--gas-limit", type=click.IntRange(5_000_000), help="Gas per block.")
@click.option("--keep", is_flag=True, help="Go on with the chain there is, with --node geth.")
@click.pass_context
def dev(
    context: click.Context,
    block_time: int,
    port: int,
    state_dir: Path | None,
    node: str,
    node_binary: Path | None,
    gas_limit: int | None,
    keep: bool,
) -> None:
    """Run a development chain in the foreground, with the alarm clock's contracts deployed.

    Each start is a new chain, unless it is to be kept. SIGTERM or Ctrl-C ends it.
    """
    context.obj = state_dir or default_state_directory(port)
    if context.invoked_subcommand is not None:
        return
    if _supervised():
        die_with_parent()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _leave)
    directory: Path = context.obj
    options: dict[str, Any] = {"port": port, "block_time": block_time}
    if gas_limit is not None:
        options["gas_limit"] = gas_limit
    if node == "anvil":
        options["history"] = _STATES_KEPT
        if keep or node_binary is not None:
            fail("--keep and --node-binary are for --node geth", 2)
    else:
        options |= {"binary": node_binary, "keep": keep}
        options["former"] = Deployment.read(directory) if keep else None
    start = chain_on_anvil if node == "anvil" else chain_on_geth
    try:
        with _own(directory, keep) as files:
            _run(start(files, **options), directory, block_time, keep)
    except PortInUse as error:
        fail(f"{error} with --port", _code_where_taken())
    except (NodeStartError, ToolchainError, NodeUnavailable, RpcError, TransactionFailed) as error:
        fail(str(error), 1)


def _run(
    starting: AbstractContextManager[DevelopmentChain],
    directory: Path,
    block_time: int,
    keep: bool,
) -> None:
    """The chain, from its start until a signal (which raises SystemExit) or the node's own end."""
    with starting as chain:
        chain.deployment.write(directory)
        try:
            click.echo(_description(chain, directory, block_time))
            code = chain.node.process.wait()
        finally:
            if not keep:
                Deployment.forget(directory)
        fail(f"{chain.node.kind} ended by itself with code {code}: read {chain.node.log}", 1)


def _description(chain: DevelopmentChain, directory: Path, block_time: int) -> str:
    deployment, node = chain.deployment, chain.node
    if directory == default_state_directory(DEFAULT_PORT):
        where = ""
    elif directory == default_state_directory(node.port):
        where = f" --port {node.port}"
    else:
        where = f" --state-dir {directory}"
    return "\n".join(
        (
            f"Development chain on {node.kind}, a block every {block_time} s",
            f"  HTTP                {node.http}",
            f"  WebSocket           {node.ws}",
            f"  IPC                 {node.ipc}",
            f"  chain id            {deployment.chain_id}",
            f"  scheduler contract  {deployment.scheduler}",
            f"  scheduler account   {chain.account} (unlocked; use it for nothing else)",
            f"  counter             {deployment.counter}",
            f"  reverter            {deployment.reverter}",
            f"  gas guzzler         {deployment.guzzler}",
            f"  scheduler of v0.6   {deployment.scheduler_v06}",
            f"  factory of 1.0      {deployment.request_factory}",
            f"Ready. Schedule a call with: scheduler dev{where} schedule --in 20",
        )
    )


@contextmanager
def _own(directory: Path, keep: bool) -> Iterator[Path]:
    """The folder for the node's files in a state directory that nobody else uses meanwhile.

    It is empty, unless what is in it is to be kept.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        fail(f"cannot write to {directory} ({error.strerror}): choose another --state-dir", 2)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            advice = "stop it or choose another --state-dir"
            fail(f"another development chain uses {directory}: {advice}", _code_where_taken())
        files = directory / "node"
        if not keep:
            shutil.rmtree(files, ignore_errors=True)
        files.mkdir(exist_ok=True)
        yield files
    finally:
        os.close(lock)


def _supervised() -> bool:
    return "SUPERVISOR_ENABLED" in os.environ


def _code_where_taken() -> int:
    """2 by hand; 1 under supervisord, which tries again: a killed predecessor is gone soon."""
    return 1 if _supervised() else 2


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


dev.add_command(schedule)
