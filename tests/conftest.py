"""Fixtures that all tests share: real nodes, bare and with the alarm clock deployed."""

from collections.abc import Iterator

import pytest

from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.nodes import Node
from tests import nodes


@pytest.fixture
def anvil() -> Iterator[Node]:
    """An anvil of its own for one test: chain id 1337, a block for every transaction."""
    with nodes.anvil() as node:
        yield node


@pytest.fixture
def geth() -> Iterator[Node]:
    """A `geth --dev` of its own for one test: chain id 1337, a block every second."""
    with nodes.geth() as node:
        yield node


@pytest.fixture
def alarm_on_anvil() -> Iterator[DevelopmentChain]:
    """An anvil of its own with the alarm clock deployed: 300 blocks, one for every transaction."""
    with nodes.alarm_on_anvil() as chain:
        yield chain
