"""One anvil with the alarm clock per module; blocks are mined by the tests alone."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests import nodes
from tests.alarm.rig import Program, World, program
from tests.alarm.said import Said


@pytest.fixture(scope="module")
def world_of_module() -> Iterator[World]:
    with nodes.alarm_on_anvil() as chain:
        chain.endpoint.request("evm_setAutomine", False)
        yield World(chain)


@pytest.fixture
def world(world_of_module: World) -> Iterator[World]:
    """The chain, as all tests of a module find it."""
    with world_of_module.alarm.undone():
        yield world_of_module
    world_of_module.request("anvil_dropAllTransactions")


@pytest_asyncio.fixture
async def scheduler(world: World, tmp_path: Path) -> AsyncIterator[Program]:
    """A scheduler with an empty journal that has not seen a head yet."""
    async with program(world, tmp_path) as running:
        yield running


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    caplog.set_level(logging.INFO)
    return Said(caplog)
