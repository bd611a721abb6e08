"""Whether a program does all that it is for, and since when; how often something went wrong."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

BEGINNING_SECONDS = 300.0
"""For how long a program may wait for what it needs before that counts as failing: ten block times
of Rootstock, which is longer than a new journal's quarantine of three blocks."""


class State(Enum):
    """STARTING: it waits for what it needs, and has not done so for long. HEALTHY: nothing is
    wrong. FAILING: something is, so not all that it is for is done."""

    STARTING = "starting"
    HEALTHY = "healthy"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Vitals:
    """What work says of itself: a line for each thing that is `wrong` now, and how often, since it
    began, something was done in vain (`exceptions`), or a price was taken out (`pokes`)."""

    wrong: Sequence[str] = ()
    exceptions: int = 0
    pokes: int = 0


def together(parts: Iterable[Vitals]) -> Vitals:
    """What is true of several pieces of work."""
    found = list(parts)
    return Vitals(
        tuple(line for part in found for line in part.wrong),
        sum(part.exceptions for part in found),
        sum(part.pokes for part in found),
    )


class Health:
    """The health of one program, from the vitals of its work; times in seconds since the epoch.

    `exceptions` counts what was done in vain and each time that the program began to fail; both
    counts go on when the work is put together anew.
    """

    def __init__(self, now: float) -> None:
        self.state = State.STARTING
        self.since = now
        self.exceptions = 0
        self.pokes = 0
        self.wrong: tuple[str, ...] = ()
        self._began_at = now
        self._has_worked = False
        self._before = Vitals()

    def take(self, vitals: Vitals, trouble: str | None, now: float) -> None:
        """What is known now; `trouble` keeps the program as a whole from its work."""
        self.wrong = (*([trouble] if trouble else []), *vitals.wrong)
        self._has_worked = self._has_worked or trouble is None
        self._enter(self._judged(vitals, now), now)
        self.exceptions += more(vitals.exceptions, self._before.exceptions)
        self.pokes += more(vitals.pokes, self._before.pokes)
        self._before = vitals

    def told(self) -> dict[str, object]:
        """As it is written beside the journal."""
        return {
            "state": self.state.value,
            "since": self.since,
            "exceptions": self.exceptions,
            "pokes": self.pokes,
            "wrong": list(self.wrong),
        }

    def _judged(self, vitals: Vitals, now: float) -> State:
        if not self.wrong:
            return State.HEALTHY
        beginning = not self._has_worked and now - self._began_at < BEGINNING_SECONDS
        return State.STARTING if beginning and not vitals.wrong else State.FAILING

    def _enter(self, state: State, now: float) -> None:
        if state is self.state:
            return
        self.state, self.since = state, now
        if state is State.FAILING:
            self.exceptions += 1


def more(now: int, before: int) -> int:
    """How far a count went on; one that is smaller than before began anew."""
    return now - before if now >= before else now
