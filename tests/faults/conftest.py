"""What crash campaigns share: a node that mines when told to, workers, a disk that loses power."""

from collections.abc import Iterator

import pytest

from tests import nodes
from tests.faults import platter
from tests.faults.nursery import Nursery
from tests.transactions.rig import Bench


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Anvil with an unlocked account for every case."""
    with nodes.anvil(automine=False, options=("--accounts", "500")) as node:
        bench = Bench(node)
        yield bench
        bench.endpoint.close()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def losing_nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Workers whose disks keep only what was synced."""
    if platter.compiler() is None:
        pytest.skip("no C compiler for the disk that loses power: apt-get install gcc libc6-dev")
    with Nursery([platter.built(tmp_path_factory.mktemp("platter"))]) as nursery:
        yield nursery
