"""One anvil in the rules of Rootstock per module and generation, as each test finds it new."""

import logging
from collections.abc import Iterator

import pytest

from scheduler.devchain.moc_contracts import GENERATIONS
from tests import nodes
from tests.alarm.said import Said
from tests.moc.rig import World

VARIANTS = [f"{name}-{how}" for name in GENERATIONS for how in ("direct", "proxied")]


@pytest.fixture(scope="module")
def world_of_module(request: pytest.FixtureRequest) -> Iterator[World]:
    generation, _, how = getattr(request, "param", "moc_base-direct").partition("-")
    with nodes.anvil(gas_limit=6_800_000, chain_id=31) as node:
        world = World(node, generation, proxied=how == "proxied")
        yield world
        world.close()


@pytest.fixture
def world(world_of_module: World) -> Iterator[World]:
    """The chain, as all tests of a module find it."""
    with world_of_module.undone():
        yield world_of_module


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    caplog.set_level(logging.INFO)
    return Said(caplog)
