"""Plays what may come between two boxes, and says what is wrong then."""

import random
import signal
import time
from contextlib import ExitStack
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
    """What came of it: what was `wrong`; how many `seconds` it took from the harm to the other's
    lease, and until the other's first transaction left it."""

    wrong: list[str]
    seconds: float
    sends: float


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
    began, harmed = time.monotonic(), time.time()
    until(lambda: two.holds(two.other) > 0, "the second box takes over")
    seconds = time.monotonic() - began
    until(lambda: two.other.recorder.sent != [], "the second box goes on")
    sends = two.other.recorder.sent[0].at - harmed
    until(lambda: two.reserved("second") > 0, "the second box begins something new")
    written = two.reserved("first")
    harm.ends(two.one, first)
    until(lambda: second.status is not None, "the second box ends", limit)
    wrong = two.wrong(effects)
    if two.reserved("first") != written:
        wrong.append(f"the first box has reserved {two.reserved('first') - written} more")
    if second.status != 0:
        wrong.append(f"the second box ended with {second.status}")
    return Taken(wrong, seconds, sends)


@dataclass(frozen=True)
class Crowd:
    """So many programs on each of two boxes, each with so many hits, `batch` more with every head.

    One of them, at random, gets a SIGKILL every `kill_every` seconds, and is started again at once.
    The database is started again `restarts` times, evenly spread over the work; every other time
    after a crash.
    """

    programs: int = 4
    each: int = 20
    batch: int = 2
    kill_every: float = 5.0
    restarts: int = 2
    seed: int = 1

    @property
    def effects(self) -> int:
        return 2 * self.programs * self.each


@dataclass(frozen=True)
class Crowded:
    """What came of it: what was `wrong`; how often something was killed, and how long it took."""

    wrong: list[str]
    killed: int
    seconds: float


def work_together(server: Server, crowd: Crowd, term: float, limit: float) -> Crowded:
    """All work from one account at the same time; `limit` in seconds."""
    chance = random.Random(crowd.seed)
    with stage(server) as two, ExitStack() as running:
        began = time.monotonic()
        programs: list[Program] = []
        for number in range(2 * crowd.programs):
            at = two.one if number < crowd.programs else two.other
            task = two.task(at, f"p{number}", number, crowd.each, batch=crowd.batch, term=term)
            programs.append(at.run(task))
            running.callback(programs[-1].kill)
        two.begin()
        killed, next_kill = 0, began + crowd.kill_every
        restarts = [
            crowd.effects * (each + 1) // (crowd.restarts + 1) for each in range(crowd.restarts)
        ]
        while not all(program.status is not None for program in programs):
            now = time.monotonic()
            if now - began > limit:
                break
            if restarts and two.hits >= restarts[0]:
                server.restart(signal.SIGQUIT if len(restarts) % 2 else signal.SIGINT)
                restarts = restarts[1:]
            alive = [program for program in programs if program.status is None]
            if now > next_kill and alive:
                next_kill = now + crowd.kill_every
                chance.choice(alive).kill_and_start()
                killed += 1
            time.sleep(0.1)
        wrong = [
            *two.wrong(crowd.effects),
            *(f"{p.log.stem} had not ended: {p.said[-300:]}" for p in programs if p.status is None),
            *(f"{p.log.stem}: {p.said[-300:]}" for p in programs if p.status),
            *(f"the database was not restarted at {hits} hits" for hits in restarts),
        ]
        return Crowded(wrong, killed, time.monotonic() - began)
