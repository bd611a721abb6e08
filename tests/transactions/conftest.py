"""Real nodes shared by the tests of one file, and a sender on them for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from scheduler.transactions.journal import Location
from tests import nodes
from tests.transactions.places import DIALECTS, place_for
from tests.transactions.rig import Bench, Office, office


@pytest.fixture(params=DIALECTS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Location]:
    """A place for a new journal, in each dialect."""
    with place_for(request.param, tmp_path, lambda: request.getfixturevalue("databases")) as place:
        yield place


@pytest.fixture(scope="module", params=["anvil", "geth", "rskj"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Each kind of node; geth mines every second, the others when they are told to."""
    with nodes.started(request.param) as node:
        bench = Bench(node)
        yield bench
        bench.endpoint.close()


@pytest.fixture(scope="module")
def anvil_bench() -> Iterator[Bench]:
    """Anvil alone, which mines when it is told to."""
    with nodes.anvil(automine=False) as node:
        bench = Bench(node)
        yield bench
        bench.endpoint.close()


@pytest.fixture
async def at(bench: Bench, tmp_path: Path) -> AsyncIterator[Office]:
    """A sender with a new journal and a key of its own, on each kind of node."""
    async with office(bench, tmp_path / "journal.db", bench.key()) as opened:
        yield opened


@pytest.fixture
async def on_anvil(anvil_bench: Bench, tmp_path: Path) -> AsyncIterator[Office]:
    """The same, on anvil alone."""
    async with office(anvil_bench, tmp_path / "journal.db", anvil_bench.key()) as opened:
        yield opened
