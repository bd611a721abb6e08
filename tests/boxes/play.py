"""Plays what may come between two boxes, and says what is wrong then."""

import time
from dataclasses import dataclass

from tests.boxes.box import Program
from tests.boxes.crew import Task
from tests.boxes.harms import Harm
from tests.boxes.stage import Stage, stage, until
from tests.postgres import Server

CONTRACT = 1

LIMIT = 60.0
"""How many seconds each step may take; the last one besides as many blocks as it has batches."""


@dataclass(frozen=True)
class Taken:
    """What came of it: what was `wrong`, and the `seconds` from the harm to the other's lease."""

    wrong: list[str]
    seconds: float


def take_over(server: Server, harm: Harm, effects: int, term: float, batch: int = 5) -> Taken:
    """One box does a third of the work; then something happens to it, and another goes on. What was
    there is there again when that has begun to write."""
    with stage(server) as two:

        def task(program: str) -> Task:
            at = two.one if program == "first" else two.other
            return two.task(at, program, CONTRACT, effects, batch=batch, term=term)

        first = two.one.run(_stopping(task("first"), harm, effects // 3))
        try:
            until(lambda: two.holds(two.one) > 0, "the first box has the lease")
            second = two.other.run(task("second"))
            try:
                return _play(two, harm, effects, first, second, LIMIT + 3 * effects / batch)
            except AssertionError as error:
                raise AssertionError(f"{error}: {first.said} {second.said}") from error
            finally:
                second.kill()
        finally:
            first.kill()


def _stopping(task: Task, harm: Harm, after: int) -> Task:
    return Task(**{**vars(task), "stop": harm.stops, "after": after})


def _play(
    two: Stage, harm: Harm, effects: int, first: Program, second: Program, limit: float
) -> Taken:
    until(lambda: "stands by" in second.said, "the second box stands by")
    two.begin()
    if harm.stops:
        until(lambda: first.is_stopped, "the first box stopped itself")
    else:
        until(lambda: two.reserved("first") >= effects // 3, "the first box does a third")
    harm.begins(two.one, first)
    began = time.monotonic()
    until(lambda: two.holds(two.other) > 0, "the second box takes over")
    seconds = time.monotonic() - began
    until(lambda: two.reserved("second") > 0, "the second box goes on")
    written = two.reserved("first")
    harm.ends(two.one, first)
    until(lambda: second.has_ended, "the second box ends", limit)
    wrong = two.wrong(effects)
    if two.reserved("first") != written:
        wrong.append(f"the first box has reserved {two.reserved('first') - written} more")
    if second.process.returncode != 0:
        wrong.append(f"the second box ended with {second.process.returncode}")
    return Taken(wrong, seconds)
