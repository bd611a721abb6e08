"""Crash campaigns: a worker is killed somewhere, another goes on, and the chain is asked."""

import itertools
import json
import random
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.faults.boundaries import Point
from tests.faults.happenings import Happening
from tests.faults.nursery import Nursery
from tests.faults.platter import Disk
from tests.faults.proxy import Proxy
from tests.faults.recorder import Recorder
from tests.faults.stages import Places, Stage, unlike
from tests.faults.troubles import Fault, Trouble
from tests.faults.worker import DONE, Hurry

KILLED = -9

# How often a worker is started again before what it left is called stuck.
RESTARTS = 3


@dataclass(frozen=True)
class Kill:
    """Where or when a worker is to be killed: at a point, or so many seconds after its birth."""

    at: Point | None = None
    after: float | None = None

    def __str__(self) -> str:
        if self.at is not None:
            return f"{self.at[0]}, {self.at[1]}"
        return "never" if self.after is None else f"after {self.after:.4f} s"


NO_KILL = Kill()


@dataclass(frozen=True)
class Case:
    """What came of one kill or trouble. `wrong` says what must not be, in words; `passed` is of the
    worker that was to be killed, where it lived on."""

    harm: str
    killed: bool
    seconds: float
    sent: int
    wrong: Sequence[str]
    passed: Sequence[Point] = ()


@dataclass
class Tally:
    """The counts of a campaign."""

    points: Sequence[Point] = ()
    cases: int = 0
    killed: int = 0
    transactions: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, case: Case) -> None:
        self.cases += 1
        self.killed += case.killed
        self.transactions += case.sent
        self.wrong += [f"{case.harm}: {what}" for what in case.wrong]

    @property
    def names(self) -> set[str]:
        """Of the points, without which of those with one name."""
        return {name for name, _ in self.points}

    def __str__(self) -> str:
        return (
            f"{len(self.points)} crash points with {len(self.names)} names; {self.cases} cases, "
            f"{self.killed} killed, {self.transactions} transactions on the wire, "
            f"{len(self.wrong)} wrong"
        )


class Site:
    """Where cases are played, each a scene of its own with a journal of its own.

    Workers take one `way` to the node. After a kill the journal is as the file system has it or,
    with `power_cut`, as the disk has it.
    """

    def __init__(
        self,
        stage: Stage,
        nursery: Nursery,
        directory: Path,
        way: str = "ipc",
        power_cut: bool = False,
        synchronous: str = "FULL",
    ) -> None:
        self._stage = stage
        self._nursery = nursery
        self._directory = directory
        self.way = way
        self._power_cut = power_cut
        self._synchronous = synchronous
        self._numbers = itertools.count(1)

    def play(
        self,
        kill: Kill = NO_KILL,
        trouble: Trouble | None = None,
        happening: Happening | None = None,
    ) -> Case:
        """One case: killed as told, started again until all is done, then asked the chain."""
        directory = self._directory / str(next(self._numbers))
        disk = Disk(directory)
        recorder = Recorder(disk.after_a_cut if self._power_cut else lambda: disk.journal)
        fault = trouble.make() if trouble else Fault()
        stage = self._stage
        proxy = Proxy(stage.way, self.way, directory, recorder, fault, stage.signs)
        with proxy:
            places = Places(proxy.endpoint, str(disk.journal), str(directory / "passed.json"))
            scene = stage.scene(places)
            task = replace(
                scene.task,
                fatal=kill.at,
                synchronous=self._synchronous,
                hurry=Hurry() if trouble or happening else None,
                happenings=happening.calls if happening else (),
            )
            first, seconds = self._nursery.run(task, kill.after)
            status = first
            task = replace(task, fatal=None)
            for _ in range(RESTARTS if first == KILLED else 0):
                if status == DONE:
                    break
                if status == KILLED and self._power_cut:
                    disk.cut()
                status, _ = self._nursery.run(task)
        wrong = [f"{name} left unjournaled" for name in recorder.violations]
        if status != DONE:
            wrong.append(f"stuck: exit status {status}: {_last_words(Path(task.report))}")
        if trouble and not fault.struck:
            wrong.append("it never came to that")
        wrong += scene.wrong()
        effects = scene.task.effects
        wrong += unlike("journal", _outcomes(disk.journal), [("succeeded", 1)] * effects)
        passed = json.loads(Path(task.report).read_text()) if first == DONE else []
        return Case(
            str(trouble or happening or kill),
            first == KILLED,
            seconds,
            len(recorder.sent),
            wrong,
            list(map(tuple, passed)),
        )

    def untouched(self) -> Case:
        """A case without any harm, which tells the crash points."""
        case = self.play()
        assert not case.wrong, f"without any harm: {case.wrong}"
        return case


def every_point(site: Site, part: int = 0, of: int = 1) -> Tally:
    """Kills at each point that an untouched run passes; or at every `of`-th, from `part` on."""
    points = site.untouched().passed
    return tallied(site, points, [Kill(at=point) for point in points[part::of]])


def random_moments(site: Site, count: int, seed: int) -> Tally:
    """Kills at so many moments, anywhere in the life of an untouched worker."""
    chance = random.Random(seed)
    untouched = site.untouched()
    kills = [Kill(after=chance.uniform(0, untouched.seconds)) for _ in range(count)]
    return tallied(site, untouched.passed, kills)


def every_trouble(site: Site, troubles: Iterable[Trouble]) -> Tally:
    """Workers that nobody kills, each in another trouble of those that the way can have."""
    tally = Tally()
    for trouble in troubles:
        if site.way in trouble.ways:
            tally.add(site.play(trouble=trouble))
    return tally


def every_happening(site: Site, happenings: Iterable[Happening]) -> Tally:
    """Workers that nobody kills on a chain to which something else happens each time."""
    tally = Tally()
    for happening in happenings:
        tally.add(site.play(happening=happening))
    return tally


def tallied(site: Site, points: Sequence[Point], kills: Iterable[Kill]) -> Tally:
    tally = Tally(points)
    for kill in kills:
        tally.add(site.play(kill))
    return tally


def _last_words(report: Path) -> str:
    said = report.with_name(f"{report.name}.log").read_text().splitlines()
    return said[-1] if said else "it said nothing"


def _outcomes(journal: Path) -> list[tuple[str, int]]:
    """Each outcome but of what was cancelled in time, and whether it is final, as another process
    finds them."""
    query = "SELECT kind, is_final FROM outcomes WHERE kind <> 'expired'"
    try:
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []
