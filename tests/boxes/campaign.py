"""Two boxes' parts of the long campaign (tests.faults), with as many intents as that has."""

from typing import Any

from scheduler.transactions.leases import TERM_SECONDS
from tests.boxes.harms import HARMS
from tests.boxes.play import Crowd, take_over, work_together
from tests.postgres import postgres

TAKEOVER, CROWD = "two boxes", "eight programs on two boxes"

PROGRAMS = 4
"""Each box's, and how many times the intents of one program a box that takes over has."""

LIMIT = 1_800.0
"""Seconds that the crowd may take: at ten more with every head it is some minutes."""


def harms() -> list[tuple[str, str]]:
    """What is done, and to whom."""
    return [
        *[(str(harm), TAKEOVER) for harm in HARMS],
        ("kill every 5 s and two restarts of the database", CROWD),
    ]


def played(harm: str, work: str, intents: int) -> dict[str, Any]:
    """The counts of one; `intents` are those of one program."""
    with postgres(fsync="on") as server:
        if work == CROWD:
            crowd = Crowd(PROGRAMS, intents)
            result = work_together(server, crowd, TERM_SECONDS, LIMIT)
            return {"cases": crowd.effects, "killed": result.killed, "wrong": result.wrong}
        effects = PROGRAMS * intents
        [found] = [each for each in HARMS if str(each) == harm]
        taken = take_over(server, found, effects, TERM_SECONDS, batch=10)
        return {"cases": effects, "killed": int(harm == "killed"), "wrong": taken.wrong}
