"""A development chain: a node with everything deployed, from its start to its end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from scheduler.chain.model import Address
from scheduler.devchain.accounts import Role, address_of, receipt_of
from scheduler.devchain.deployment import MINIMUM_HEIGHT, Deployment, deploy
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.nodes import DEVELOPMENT_CHAIN_ID, Node, start_anvil, start_geth

_ALLOWANCE = 1000 * 10**18  # wei; what each development account gets on geth


@dataclass(frozen=True)
class DevelopmentChain:
    """A running node, what is deployed on it, and the scheduler's unlocked account."""

    node: Node
    endpoint: Endpoint
    deployment: Deployment
    account: Address


@contextmanager
def chain_on_anvil(
    directory: Path,
    *,
    port: int = 0,
    block_time: int | None = 1,
    gas_limit: int = 30_000_000,
    chain_id: int = DEVELOPMENT_CHAIN_ID,
    hardfork: str | None = None,
    history: int | None = None,
) -> Iterator[DevelopmentChain]:
    """Anvil with the contracts deployed and at least 300 blocks, mining every `block_time` seconds.

    Without `block_time` each transaction makes a block. `history` is how many blocks' states are
    kept; a chain that runs for long needs it (see start_anvil). The blocks look as if they had been
    mined in their time, the last one now. Raises NodeStartError, ToolchainError.
    """
    seconds = block_time or 1
    options = ["--timestamp", str(int(time.time()) - MINIMUM_HEIGHT * seconds)]
    node = start_anvil(
        directory,
        port=port,
        gas_limit=gas_limit,
        chain_id=chain_id,
        hardfork=hardfork,
        history=history,
        options=options,
    )
    endpoint = Endpoint(node.http)
    try:
        endpoint.request("anvil_setBlockTimestampInterval", seconds)
        deployment = deploy(endpoint)
        missing = MINIMUM_HEIGHT - endpoint.number("eth_blockNumber")
        endpoint.request("anvil_mine", hex(missing))
        endpoint.request("anvil_removeBlockTimestampInterval")
        endpoint.request("evm_setTime", hex(int(time.time())))
        if block_time is not None:
            endpoint.request("evm_setIntervalMining", block_time)
        yield _chain(node, endpoint, deployment)
    finally:
        endpoint.close()
        node.stop()


# A geth that was killed finds most of its blocks again only where it writes each block's state to
# the disk: with 1.16.7 and a block a second it was 3 to 7 blocks behind after kill -9, and back at
# block 0 without these.
_EVERY_STATE = ("--gcmode", "archive", "--state.scheme", "hash")


@contextmanager
def chain_on_geth(
    directory: Path,
    *,
    port: int = 0,
    block_time: int = 1,
    gas_limit: int = 60_000_000,
    binary: Path | None = None,
    former: Deployment | None = None,
    keep: bool = False,
) -> Iterator[DevelopmentChain]:
    """geth --dev with the contracts deployed, mining every `block_time` seconds.

    Its one unlocked account, the scheduler's, funds the development accounts first. Unlike
    anvil it cannot be given 300 blocks of past: it stamps blocks with the time, or with a second
    more than the block before, so a chain mined in a hurry lives in the future. `binary` is the
    geth to run, else the pinned one. With `keep` another start in `directory` goes on with this
    chain, and given `former`, the deployment on it, deploys nothing. Raises NodeStartError,
    ToolchainError.
    """
    node = start_geth(
        directory,
        port=port,
        period=block_time,
        gas_limit=gas_limit,
        binary=binary,
        options=_EVERY_STATE if keep else (),
    )
    endpoint = Endpoint(node.http)
    try:
        if former is None or not former.is_current(endpoint):
            fund(endpoint)
            former = deploy(endpoint)
        yield _chain(node, endpoint, replace(former, endpoint=endpoint.url))
    finally:
        endpoint.close()
        node.stop()


def fund(endpoint: Endpoint) -> None:
    """Gives each development account 1,000 ether from the node's unlocked account.

    The nonces are counted here: geth's pool takes a transaction in before it counts it (1.16.7:
    txPool.Add without sync), so two sent in a row without one may get the same.
    """
    source = endpoint.request("eth_accounts")[0]
    first = endpoint.number("eth_getTransactionCount", source, "pending")
    sent = []
    for nonce, role in enumerate(Role, first):
        payment = {"from": source, "to": address_of(role), "value": hex(_ALLOWANCE)}
        sent.append(endpoint.request("eth_sendTransaction", {**payment, "nonce": hex(nonce)}))
    for transaction in sent:
        receipt_of(endpoint, transaction)


def _chain(node: Node, endpoint: Endpoint, deployment: Deployment) -> DevelopmentChain:
    account = str(endpoint.request("eth_accounts")[0]).lower()
    return DevelopmentChain(node, endpoint, deployment, account)
