"""One anvil per module, and for each test Money on Chain anew."""

import logging
import secrets
from collections.abc import Iterator

import pytest

from scheduler.devchain.moc_contracts import GENERATIONS
from scheduler.devchain.nodes import Node
from tests import nodes
from tests.alarm.said import Said
from tests.moc.rig import World

VARIANTS = [f"{name}-{how}" for name in GENERATIONS for how in ("direct", "proxied")]


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    # Settlements are 1,800 blocks apart, and the states of all of them take ten seconds to write.
    rules = {"gas_limit": 6_800_000, "chain_id": 31, "hardfork": "cancun", "history": 100}
    # By its genesis alone a chain with this id is told from another that began in the same second.
    price = str(10**9 + secrets.randbelow(10**6))
    with nodes.anvil(**rules, options=("--block-base-fee-per-gas", price)) as node:
        yield node


@pytest.fixture
def variant() -> str:
    """Tests that are about all of VARIANTS have it as a parameter."""
    return VARIANTS[0]


@pytest.fixture
def world(node: Node, variant: str) -> Iterator[World]:
    """A new deployment on a chain that has nothing else; making it takes less than a node."""
    generation, _, how = variant.partition("-")
    with nodes.restored(node):
        world = World(node, generation, proxied=how == "proxied")
        yield world
        world.close()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    caplog.set_level(logging.INFO)
    return Said(caplog)
