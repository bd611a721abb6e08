"""A second box takes over from one that is gone, cut off or stopped: every effect once."""

import pytest

from tests.boxes.harms import HARMS, Harm
from tests.boxes.play import take_over
from tests.postgres import Server

EFFECTS = 40

TERM = 4.0
"""Seconds that a lease lasts; scripts/faults plays more, with the time that is theirs."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("harm", HARMS, ids=str)
def test_every_effect_comes_once(harm: Harm, database_server: Server) -> None:
    assert take_over(database_server, harm, EFFECTS, TERM).wrong == []
