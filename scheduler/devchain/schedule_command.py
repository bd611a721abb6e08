"""`scheduler dev schedule`: calls for the alarm clock, from the command line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from eth_utils.crypto import keccak

from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.devchain.accounts import Role, TransactionFailed, Wallet
from scheduler.devchain.chronologic import TransactionRequest, requested_by, send_request
from scheduler.devchain.deployment import Deployment
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.scheduling import (
    DEFAULT_PAYMENT,
    CallRejected,
    CallRequest,
    CallRequestV06,
    scheduled_by,
    send_schedule,
)
from scheduler.devchain.state import (
    DEFAULT_PORT,
    default_state_directory,
    fail,
    state_dir_option,
)

# The largest grace period of v0.6 and v0.7: it is a uint8.
_LONGEST_GRACE = 255

# Seconds of a window of 1.0, unless it is said how long it is to be.
_SECONDS = 3600


@dataclass(frozen=True)
class Order:
    """What was typed: the same for all versions. `target` and `grace` are in blocks or seconds."""

    version: str
    seconds: bool
    target: int
    to: str
    selector: bytes
    gas: int
    grace: int
    payment: int


@click.command()
@click.option("--in", "ahead", type=click.IntRange(1), help="Target: so many blocks from now.")
@click.option("--at", "target", type=click.IntRange(1), help="Target: this block.")
@click.option(
    "--version",
    type=click.Choice(["0.6", "0.7", "1.0"]),
    default="0.7",
    show_default=True,
    help="Of the alarm clock.",
)
@click.option("--seconds", is_flag=True, help="--in, --at, --grace are seconds (1.0 alone).")
@click.option("--to", default="counter", help="An address, counter (default) or reverter.")
@click.option("--function", default="hit()", show_default=True, help="What to call there.")
@click.option("--gas", type=click.IntRange(0), default=200_000, show_default=True)
@click.option("--grace", type=click.IntRange(0), help="Blocks of the window.  [default: 255]")
@click.option("--payment", type=click.IntRange(0), default=DEFAULT_PAYMENT, help="In wei.")
@click.option("--count", type=click.IntRange(1), default=1, help="So many calls alike.")
@click.option("--port", type=click.IntRange(1, 65535), help="The chain's port, if not 8545.")
@state_dir_option
@click.pass_context
def schedule(
    context: click.Context,
    ahead: int | None,
    target: int | None,
    version: str,
    seconds: bool,
    to: str,
    function: str,
    gas: int,
    grace: int | None,
    payment: int,
    count: int,
    port: int | None,
    state_dir: Path | None,
) -> None:
    """Schedule calls on the running development chain; print each one's address and target."""
    if (ahead is None) == (target is None):
        fail("say for which block: either --in BLOCKS or --at BLOCK", 2)
    if seconds and version != "1.0":
        fail("--seconds goes with --version 1.0: the others know blocks alone", 2)
    if version != "1.0" and grace is not None and grace > _LONGEST_GRACE:
        fail(f"--grace is at most {_LONGEST_GRACE} in v{version}", 2)
    if not re.fullmatch(r"[A-Za-z_$][\w$]*\([\w,\[\]()]*\)", function):
        fail(f"--function {function}: write a signature such as hit()", 2)
    directory: Path = context.obj
    if state_dir or port:
        directory = state_dir or default_state_directory(port or DEFAULT_PORT)
    deployment = Deployment.read(directory)
    if deployment is None:
        fail(f"no development chain in {directory}: start one with `scheduler dev`", 1)
    endpoint = Endpoint(deployment.endpoint)
    try:
        if not deployment.is_current(endpoint):
            fail(f"another chain answers at {deployment.endpoint}: restart `scheduler dev`", 1)
        order = Order(
            version=version,
            seconds=seconds,
            target=target or _now(endpoint, seconds) + (ahead or 0),
            to=_address(to, deployment),
            selector=keccak(text=function)[:4],
            gas=gas,
            grace=(_SECONDS if seconds else _LONGEST_GRACE) if grace is None else grace,
            payment=payment,
        )
        for address in _scheduled(endpoint, deployment, order, count):
            unit = "second" if seconds else "block"
            click.echo(f"{address} target {unit} {order.target}")
    except NodeUnavailable:
        fail(f"nothing answers at {deployment.endpoint}: start it with `scheduler dev`", 1)
    except (RpcError, TransactionFailed) as error:
        fail(str(error), 1)
    except CallRejected as error:
        fail(f"{error} ({_ADVICE.get(error.reason, 'see docs/development-chain.md')})", 1)


_ADVICE = {
    "TOO_SOON": "the target must be at least 10 blocks after the block that schedules the call, "
    "in v0.6 305 blocks",
    "TOO_LATE": "the development chain's Scheduler knows blocks below 2^32 only",
    "GRACE_TOO_SHORT": "--grace is at least 32, in v0.6 64",
    "REQUIRED_GAS_OUT_OF_RANGE": "--gas is 200000 to the block's gas limit less 200000",
    "INSUFFICIENT_FUNDS": "the endowment does not cover --gas and --payment",
}


def _now(endpoint: Endpoint, seconds: bool) -> int:
    if not seconds:
        return endpoint.number("eth_blockNumber")
    block = endpoint.request("eth_getBlockByNumber", "latest", False)
    return int(block["timestamp"], 16)


def _scheduled(
    endpoint: Endpoint, deployment: Deployment, order: Order, count: int
) -> Sequence[str]:
    """The addresses of so many calls alike. Raises what scheduling raises."""
    wallet = Wallet(endpoint, Role.CUSTOMER)
    nonce = endpoint.number("eth_getTransactionCount", wallet.address, "pending")
    price = wallet.gas_price()
    nonces = range(nonce, nonce + count)
    if order.version == "1.0":
        return _requested(wallet, deployment, order, price, nonces)
    wish: CallRequest | CallRequestV06
    if order.version == "0.6":
        scheduler = deployment.scheduler_v06
        wish = CallRequestV06(
            order.to, order.target, order.selector, order.gas, order.grace, order.payment
        )
    else:
        scheduler = deployment.scheduler
        wish = CallRequest(
            order.to, order.target, order.selector, order.gas, order.grace, order.payment
        )
    sent = [send_schedule(wallet, scheduler, wish, gas_price=price, nonce=n) for n in nonces]
    return [scheduled_by(wallet, scheduler, wish, hash_).address for hash_ in sent]


def _requested(
    wallet: Wallet, deployment: Deployment, order: Order, price: int, nonces: Sequence[int]
) -> Sequence[str]:
    by_time, by_block = deployment.timestamp_scheduler, deployment.block_scheduler
    wish = TransactionRequest(
        order.to,
        order.target,
        order.grace,
        order.selector,
        call_gas=order.gas,
        bounty=order.payment,
    )
    sent = [
        send_request(
            wallet, by_time if order.seconds else by_block, wish, gas_price=price, nonce=nonce
        )
        for nonce in nonces
    ]
    try:
        return [requested_by(wallet, wish, hash_).address for hash_ in sent]
    except TransactionFailed as error:
        raise TransactionFailed(
            f"{error}: a window of 1.0 begins at least 10 blocks or 180 seconds ahead and is at "
            "least 16 blocks or 300 seconds long; --gas is below the block's limit less 180000"
        ) from error


def _address(to: str, deployment: Deployment) -> str:
    known = {"counter": deployment.counter, "reverter": deployment.reverter}
    address = known.get(to, to).lower()
    if not re.fullmatch("0x[0-9a-f]{40}", address):
        fail(f"--to {to}: write an address (0x and 40 hex digits), counter or reverter", 2)
    return address
