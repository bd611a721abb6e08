"""Programs of two boxes send from one account at once: each effect once, no nonce twice, no gap."""

import pytest

from tests.boxes.play import Crowd, work_together
from tests.postgres import postgres

TERM = 4.0
LIMIT = 200.0


@pytest.mark.timeout(600)
def test_programs_that_are_killed_and_a_database_that_restarts_cost_no_effect() -> None:
    with postgres() as server:
        played = work_together(server, Crowd(programs=2, each=15), TERM, LIMIT)
    assert played.killed > 0
    assert played.wrong == []
