"""Fixtures that all tests share: real nodes, bare and with the alarm clock deployed; a database."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.nodes import Node
from tests import nodes
from tests.postgres import Server, postgres
from tests.transactions.places import Databases

# How long a case takes is the machine's matter: what is promised of speed, benchmarks/ measures.
settings.register_profile(
    "unhurried",
    deadline=None,
    # A fixture that all cases of a test share is meant to be shared.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("unhurried")

# What a shell that has no job control starts in the background ignores an interrupt, and all that
# is started by it: no test could end a program in this way.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Scheduling(LoadScopeScheduling):
    """Any worker takes any test, but a module of tests/provision is one worker's.

    Its tests share a box, and go on from each other. pytest-xdist's own groups (--dist loadgroup)
    are not heeded with pytest 9.2 (seen with 3.8.0).
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if nodeid.startswith("tests/provision/") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """What pytest-xdist asks for (its docs, "Extending")."""
    return Scheduling(config, log)


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


@pytest.fixture(scope="session")
def database_server() -> Iterator[Server]:
    """A PostgreSQL that all tests of this process share, each with databases of its own."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def databases(database_server: Server) -> Databases:
    """What gives a test a database of its own, with a journal."""
    return Databases(database_server)
