"""`scheduler dev` and `scheduler dev schedule`: the development chain on the command line."""

import fcntl
import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from eth_utils.crypto import keccak

from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.devchain.accounts import Role, TransactionFailed, Wallet
from scheduler.devchain.chain import DevelopmentChain, chain_on_anvil, chain_on_geth
from scheduler.devchain.deployment import Deployment
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.nodes import NodeStartError, PortInUse
from scheduler.devchain.scheduling import (
    DEFAULT_PAYMENT,
    CallRejected,
    CallRequest,
    scheduled_by,
    send_schedule,
)
from scheduler.devchain.toolchain import ToolchainError, cache_directory
from scheduler.processes import die_with_parent

DEFAULT_PORT = 8545

# Blocks whose state anvil can still be asked for: 180 MB after a day of blocks, and no files.
_STATES_KEPT = 64

_state_dir_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the chain's files are; by default a folder for its port in the user's cache.",
)


@click.group(invoke_without_command=True)
@click.option("--block-time", type=click.IntRange(1), default=1, help="Seconds between blocks.")
@click.option("--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True)
@_state_dir_option
@click.option("--node", type=click.Choice(["anvil", "geth"]), default="anvil", show_default=True)
@click.option("--gas-limit", type=click.IntRange(5_000_000), help="Gas per block.")
@click.pass_context
def dev(
    context: click.Context,
    block_time: int,
    port: int,
    state_dir: Path | None,
    node: str,
    gas_limit: int | None,
) -> None:
    """Run a development chain in the foreground, with the alarm clock's contracts deployed.

    Each start is a new chain. SIGTERM or Ctrl-C ends it.
    """
    context.obj = state_dir or _default_state_directory(port)
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
    start = chain_on_anvil if node == "anvil" else chain_on_geth
    try:
        with _own(directory) as files:
            _run(start(files, **options), directory, block_time)
    except PortInUse as error:
        _fail(f"{error} with --port", _code_where_taken())
    except (NodeStartError, ToolchainError, NodeUnavailable, RpcError, TransactionFailed) as error:
        _fail(str(error), 1)


@dev.command()
@click.option("--in", "ahead", type=click.IntRange(1), help="Target: so many blocks from now.")
@click.option("--at", "target", type=click.IntRange(1), help="Target: this block.")
@click.option("--to", default="counter", help="An address, counter (default) or reverter.")
@click.option("--function", default="hit()", show_default=True, help="What to call there.")
@click.option("--gas", type=click.IntRange(0), default=200_000, show_default=True)
@click.option(
    "--grace", type=click.IntRange(0, 255), default=255, show_default=True, help="Blocks."
)
@click.option("--payment", type=click.IntRange(0), default=DEFAULT_PAYMENT, help="In wei.")
@click.option("--count", type=click.IntRange(1), default=1, help="So many calls alike.")
@click.option("--port", type=click.IntRange(1, 65535), help="The chain's port, if not 8545.")
@_state_dir_option
@click.pass_context
def schedule(
    context: click.Context,
    ahead: int | None,
    target: int | None,
    to: str,
    function: str,
    gas: int,
    grace: int,
    payment: int,
    count: int,
    port: int | None,
    state_dir: Path | None,
) -> None:
    """Schedule calls on the running development chain; print each one's address and target."""
    if (ahead is None) == (target is None):
        _fail("say for which block: either --in BLOCKS or --at BLOCK", 2)
    if not re.fullmatch(r"[A-Za-z_$][\w$]*\([\w,\[\]()]*\)", function):
        _fail(f"--function {function}: write a signature such as hit()", 2)
    directory: Path = context.obj
    if state_dir or port:
        directory = state_dir or _default_state_directory(port or DEFAULT_PORT)
    deployment = Deployment.read(directory)
    if deployment is None:
        _fail(f"no development chain in {directory}: start one with `scheduler dev`", 1)
    endpoint = Endpoint(deployment.endpoint)
    try:
        if not deployment.is_current(endpoint):
            _fail(f"another chain answers at {deployment.endpoint}: restart `scheduler dev`", 1)
        block = target or endpoint.number("eth_blockNumber") + (ahead or 0)
        selector = keccak(text=function)[:4]
        request = CallRequest(_address(to, deployment), block, selector, gas, grace, payment)
        _schedule(endpoint, deployment, request, count)
    except NodeUnavailable:
        _fail(f"nothing answers at {deployment.endpoint}: start it with `scheduler dev`", 1)
    except (RpcError, TransactionFailed) as error:
        _fail(str(error), 1)
    except CallRejected as error:
        _fail(f"{error} ({_ADVICE.get(error.reason, 'see docs/development-chain.md')})", 1)


_ADVICE = {
    "TOO_SOON": "the target must be at least 10 blocks after the block that schedules the call",
    "TOO_LATE": "the development chain's Scheduler knows blocks below 2^32 only",
    "GRACE_TOO_SHORT": "--grace is at least 32",
    "REQUIRED_GAS_OUT_OF_RANGE": "--gas is 200000 to the block's gas limit less 200000",
    "INSUFFICIENT_FUNDS": "the endowment does not cover --gas and --payment",
}


def _schedule(endpoint: Endpoint, deployment: Deployment, request: CallRequest, count: int) -> None:
    wallet = Wallet(endpoint, Role.CUSTOMER)
    nonce = endpoint.number("eth_getTransactionCount", wallet.address, "pending")
    price = wallet.gas_price()
    scheduler = deployment.scheduler
    sent = [
        send_schedule(wallet, scheduler, request, gas_price=price, nonce=nonce + i)
        for i in range(count)
    ]
    for transaction in sent:
        call = scheduled_by(wallet, scheduler, request, transaction)
        click.echo(f"{call.address} target block {call.target_block}")


def _address(to: str, deployment: Deployment) -> str:
    known = {"counter": deployment.counter, "reverter": deployment.reverter}
    address = known.get(to, to).lower()
    if not re.fullmatch("0x[0-9a-f]{40}", address):
        _fail(f"--to {to}: write an address (0x and 40 hex digits), counter or reverter", 2)
    return address


def _run(
    starting: AbstractContextManager[DevelopmentChain], directory: Path, block_time: int
) -> None:
    """The chain, from its start until a signal (which raises SystemExit) or the node's own end."""
    with starting as chain:
        chain.deployment.write(directory)
        try:
            click.echo(_description(chain, directory, block_time))
            code = chain.node.process.wait()
        finally:
            Deployment.forget(directory)
        _fail(f"{chain.node.kind} ended by itself with code {code}: read {chain.node.log}", 1)


def _description(chain: DevelopmentChain, directory: Path, block_time: int) -> str:
    deployment, node = chain.deployment, chain.node
    if directory == _default_state_directory(DEFAULT_PORT):
        where = ""
    elif directory == _default_state_directory(node.port):
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
            f"Ready. Schedule a call with: scheduler dev{where} schedule --in 20",
        )
    )


@contextmanager
def _own(directory: Path) -> Iterator[Path]:
    """An empty folder for the node's files in a state directory that nobody else uses meanwhile."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        _fail(f"cannot write to {directory} ({error.strerror}): choose another --state-dir", 2)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            advice = "stop it or choose another --state-dir"
            _fail(f"another development chain uses {directory}: {advice}", _code_where_taken())
        files = directory / "node"
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        yield files
    finally:
        os.close(lock)


def _supervised() -> bool:
    return "SUPERVISOR_ENABLED" in os.environ


def _code_where_taken() -> int:
    """2 by hand; 1 under supervisord, which tries again: a killed predecessor is gone soon."""
    return 1 if _supervised() else 2


def _default_state_directory(port: int) -> Path:
    return cache_directory() / f"devchain-{port}"


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"scheduler dev: {message}", err=True)
    raise SystemExit(code)
