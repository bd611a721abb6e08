"""One anvil with the alarm clock per module; each test finds it as it was."""

from collections.abc import Iterator

import pytest

from tests import nodes
from tests.devchain.alarm import Alarm


@pytest.fixture(scope="module")
def alarm_of_module() -> Iterator[Alarm]:
    with nodes.alarm_on_anvil() as chain:
        yield Alarm(chain)


@pytest.fixture
def alarm(alarm_of_module: Alarm) -> Iterator[Alarm]:
    with alarm_of_module.undone():
        yield alarm_of_module
