"""A second box takes over from one that is gone, cut off or stopped: every effect once."""

import pytest

from tests.boxes.harms import HARMS, Harm
from tests.boxes.play import take_over
from tests.postgres import Server

EFFECTS = 40

QUICK = ("killed", "stopped between", "stopped within", "cut off")
"""What their names begin with; scripts/faults plays all."""

TERM = 4.0
"""Seconds that a lease lasts, fewer than in a box."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("harm", [each for each in HARMS if each.name.startswith(QUICK)], ids=str)
def test_every_effect_comes_once(harm: Harm, database_server: Server) -> None:
    assert take_over(database_server, harm, EFFECTS, TERM).wrong == []
