"""`scheduler node wait`: until the node can be worked with, with a bar or with lines."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from scheduler import config
from scheduler.chain.codec import quantity
from scheduler.chain.connection import connect
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.jsonrpc import Json
from scheduler.chain.model import Head
from scheduler.chain.node import JsonRpcNode
from scheduler.errors import Misconfigured, NotYet
from scheduler.networks import Network, networks
from scheduler.operations.wording import count, printable
from scheduler.plan import SCHEDULER
from scheduler.plans import plan_with
from scheduler.reach import Reach

# Seconds between two questions; and in a log between two lines that differ in their numbers alone.
_ASK_EVERY, _TELL_EVERY = 1.0, 30.0

# A node that has just been started says that it is not syncing before it knows of any peer. So many
# blocks in a row have never been missing on a public network that works.
_STALE_BLOCKS = 30


@dataclass(frozen=True, slots=True)
class State:
    """What a node does now, in a word, and how far it is.

    `share` is that of its network's blocks which it has, None where it cannot tell.
    """

    what: str
    detail: str = ""
    share: float | None = None
    is_ready: bool = False

    def __str__(self) -> str:
        return f"{self.what}{self.detail}"


@click.group()
def node() -> None:
    """The node that the programs of this box use."""


@node.command()
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    help="Seconds to wait at most; 0 looks once.  [default: for ever]",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration file; else $SCHEDULER_CONFIG, else /etc/scheduler/config.toml.",
)
def wait(timeout: float | None, config_file: Path | None) -> None:
    """Wait until the node answers and has caught up with its network.

    A bar on a terminal; elsewhere a line when something changes, and every 30 s. Exit status 1
    where --timeout passes before, 2 where the node is of another chain than the configuration's.
    """
    settings = config.load(config_file)
    reach = Reach(plan_with(SCHEDULER, settings, None, patient=True))
    began = time.monotonic()
    with _Teller() as teller:
        while True:
            state = asyncio.run(_best(settings.rpc_url, reach))
            teller.tell(state)
            over = timeout is not None and time.monotonic() - began >= timeout
            if state.is_ready or over:
                break
            time.sleep(_ASK_EVERY)
    if not state.is_ready:
        click.echo(f"scheduler: not after {timeout:g} s: {state}", err=True)
        sys.exit(1)


async def _best(rpc_urls: Sequence[str], reach: Reach) -> State:
    """What the first node that is ready does now, else the first. Raises Misconfigured."""
    states = [await _look(each, reach) for each in rpc_urls]
    return next((state for state in states if state.is_ready), states[0])


async def _look(rpc_url: str, reach: Reach) -> State:
    """What the node does now. Raises Misconfigured where it is of another chain."""
    connection = connect(rpc_url)
    try:
        chain_id = connection.understand(quantity, await connection.request("eth_chainId"))
        network = reach.network(chain_id)
        answer = await connection.request("eth_syncing")
        if answer is not False:
            return connection.understand(_progress, answer)
        return _head(await JsonRpcNode(connection).block(), network, time.time())
    except (NodeUnavailable, RpcError) as error:
        # A node's own words may be of many lines.
        words = " ".join(str(error).split())
        return State("waiting for the node: ", printable(words))
    except NotYet as error:
        raise Misconfigured(str(error)) from error
    finally:
        await connection.close()


def _progress(answer: Json) -> State:
    """From what `eth_syncing` says; geth and rskj name these two alike. Raises as a reader may."""
    if not isinstance(answer, Mapping):
        raise TypeError("neither an object nor false")
    reached, highest = quantity(answer["currentBlock"]), quantity(answer["highestBlock"])
    if highest == 0:
        return State(
            "syncing: it knows of no block yet; it needs peers, and geth its consensus client"
        )
    share = min(reached / highest, 1.0)
    return State("syncing: ", f"block {reached:,} of {highest:,} ({100 * share:.1f} %)", share)


def _head(head: Head | None, network: Network, now: float) -> State:
    """Of a node that says that it is not syncing. `now` is the time, in seconds since the epoch."""
    if head is None:
        return State("waiting for the node: ", "it has no block yet")
    age = now - head.timestamp
    is_public = network.name in networks() and not network.development
    if is_public and age > _STALE_BLOCKS * network.block_time:
        minutes = count(int(age / 60), "minute")
        return State(
            "behind: ",
            f"its latest block, {head.number:,}, is {minutes} old; it needs peers, and geth its "
            "consensus client",
        )
    return State("the node is ready at ", f"block {head.number:,}", 1.0, is_ready=True)


class _Teller:
    """Says what a node does: in one line with a bar on a terminal, else in lines of their own."""

    def __init__(self) -> None:
        console = Console(stderr=False)
        self._bar = (
            Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True)
            if console.is_terminal
            else None
        )
        self._task = self._bar.add_task("", total=None) if self._bar else None
        self._told = ("", 0.0)

    def __enter__(self) -> "_Teller":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *ending: object) -> None:
        if self._bar:
            self._bar.stop()

    def tell(self, state: State) -> None:
        if self._bar and self._task is not None and not state.is_ready:
            total = None if state.share is None else 1.0
            self._bar.update(
                self._task, description=str(state), total=total, completed=state.share or 0
            )
            return
        if self._bar:
            self._bar.stop()
        what, told_at = self._told
        if state.what != what or time.monotonic() - told_at >= _TELL_EVERY:
            self._told = (state.what, time.monotonic())
            click.echo(str(state))
