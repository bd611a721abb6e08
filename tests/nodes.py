"""Real nodes for tests, each in a temporary directory and gone with the test that asked for it.

Their chains differ from the first block on: of two that were started within a second, block 1 would
be the same, and what names a chain with it, such as the locks of the box.
"""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from scheduler.devchain.chain import DevelopmentChain, chain_on_anvil, chain_on_geth
from scheduler.devchain.nodes import Node, start_anvil, start_geth
from tests.rskj.server import StandIn, in_front_of

# What rskj's chains have in common with anvil's (facts of mainnet, and the chain id of regtest).
RSK_RULES = {"hardfork": "istanbul", "gas_limit": 6_800_000, "chain_id": 33}


@contextmanager
def anvil(**options: Any) -> Iterator[Node]:
    """A running anvil; the options are those of `scheduler.devchain.nodes.start_anvil`."""
    with _directory() as directory:
        node = start_anvil(directory, **options)
        try:
            node.rpc("anvil_setCoinbase", _anybody())
            yield node
        finally:
            node.stop()


@contextmanager
def geth(**options: Any) -> Iterator[Node]:
    """A running `geth --dev`; the options are those of `scheduler.devchain.nodes.start_geth`."""
    with _directory() as directory:
        node = start_geth(directory, **options)
        try:
            node.rpc("dev_setFeeRecipient", _anybody())
            yield node
        finally:
            node.stop()


@contextmanager
def rskj(**options: Any) -> Iterator[StandIn]:
    """A stand-in for rskj in regtest; see tests.rskj. The options are those of `anvil`."""
    rules = {**RSK_RULES, "options": ("--gas-price", "0"), **options}
    with anvil(**rules) as node, in_front_of(node) as stand_in:
        yield stand_in


def started(kind: str) -> AbstractContextManager[Node | StandIn]:
    """An anvil, geth or rskj; geth mines every second, the others when they are told to."""
    if kind == "geth":
        return geth()
    return anvil(automine=False) if kind == "anvil" else rskj(automine=False)


@contextmanager
def alarm_on_anvil(**options: Any) -> Iterator[DevelopmentChain]:
    """Anvil with the alarm clock's contracts and 300 blocks, a block for every transaction.

    The options are those of `scheduler.devchain.chain.chain_on_anvil`.
    """
    with _directory() as directory:
        settings = {"block_time": None, **options}
        with chain_on_anvil(directory, **settings) as chain:
            yield chain


@contextmanager
def alarm_on_rskj(**options: Any) -> Iterator[tuple[DevelopmentChain, StandIn]]:
    """The alarm clock on an anvil in rskj's rules, and the stand-in in front of it."""
    with alarm_on_anvil(**{**RSK_RULES, **options}) as chain, in_front_of(chain.node) as stand_in:
        chain.endpoint.request("anvil_setMinGasPrice", "0x0")
        yield chain, stand_in


@contextmanager
def alarm_on_geth(**options: Any) -> Iterator[DevelopmentChain]:
    """`geth --dev` with the alarm clock's contracts, a block every second.

    The options are those of `scheduler.devchain.chain.chain_on_geth`.
    """
    with _directory() as directory, chain_on_geth(directory, **options) as chain:
        yield chain


@contextmanager
def restored(node: Node) -> Iterator[None]:
    """An anvil that makes a block for each transaction, and in the end has the chain it had."""
    snapshot = node.rpc("evm_snapshot")
    node.rpc("evm_setAutomine", True)
    yield
    node.rpc("anvil_dropAllTransactions")
    assert node.rpc("evm_revert", snapshot)


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="node-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _anybody() -> str:
    """An address for the fees of blocks."""
    return "0x" + secrets.token_hex(20)
