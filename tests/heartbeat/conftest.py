"""One CloudWatch per module, with nothing in it at the beginning of each test."""

from collections.abc import Iterator

import pytest

from tests.heartbeat import cloudwatch as servers
from tests.heartbeat.cloudwatch import CloudWatch


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with servers.running() as cloudwatch:
        yield cloudwatch


@pytest.fixture
def cloudwatch(server: CloudWatch) -> CloudWatch:
    server.forget()
    return server
