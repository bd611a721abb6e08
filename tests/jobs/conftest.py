"""One anvil per module, with this directory's contracts; for each test the chain as it was."""

import logging
from collections.abc import Iterator

import pytest

from scheduler.devchain.nodes import Node
from tests import nodes
from tests.alarm.said import Said
from tests.jobs.rig import Keepers


@pytest.fixture(scope="module")
def anvil() -> Iterator[Node]:
    with nodes.anvil(chain_id=1337) as node:
        yield node


@pytest.fixture
def world(anvil: Node) -> Iterator[Keepers]:
    with nodes.restored(anvil):
        world = Keepers(anvil)
        yield world
        world.close()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    caplog.set_level(logging.INFO)
    return Said(caplog)
