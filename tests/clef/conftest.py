"""One clef for each way to it, with a geth that asks it or one that does not."""

from collections.abc import Iterator

import pytest

from tests.clef.rig import Clef, Public, clef, geth


@pytest.fixture(scope="module")
def signer() -> Iterator[Clef]:
    """A clef that is set up and has no rules yet."""
    with clef() as found:
        yield found


@pytest.fixture(scope="module")
def plain() -> Iterator[Public]:
    """A geth that has no account, and asks nobody; its chain makes blocks."""
    with geth() as found:
        found.consensus.start()
        yield found
