"""What the operator holds back, as the journal has it: for all processes at once, for ever."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from scheduler.transactions.journal.values import Row, Rows

# The scope of a hold on all programs; no program has this name.
ALL = "all"


class Mode(Enum):
    """PAUSE: nothing new is sent. DRAIN: the same, to wait until nothing is in flight."""

    PAUSE = "pause"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Hold:
    """Who keeps a program, or all, from new work. `since` in seconds since the epoch."""

    scope: str
    mode: Mode
    since: float
    by: str
    why: str

    def __str__(self) -> str:
        """As an operator reads it, with the command that lifts it."""
        whose = "all programs are" if self.scope == ALL else f"{self.scope} is"
        reason = f" ({self.why})" if self.why else ""
        return (
            f"{whose} held back by {self.by} since {self._moment()}{reason}: nothing new is sent; "
            f"to go on: scheduler resume {'--all' if self.scope == ALL else self.scope}"
        )

    def _moment(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))


class HeldBack(Exception):
    """New work got no slot: the operator holds it back. `hold` says who and why."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(str(hold))
        self.hold = hold


@dataclass(frozen=True, slots=True)
class InFlight:
    """A slot whose end is not final; `intent` is the key of what it was given to, if anything."""

    account: str
    nonce: int
    intent: str | None


class Holds:
    """Places, lifts and checks holds; each method is one durable transaction."""

    def __init__(self, rows: Rows, clock: Callable[[], float]) -> None:
        self._rows = rows
        self._clock = clock

    def on(self, program: str) -> Hold | None:
        """What keeps this program from new work; None where nothing does."""
        found = self._rows.read("holds.standing", scope=program)
        return hold_of(found[0]) if found else None

    def standing(self) -> list[Hold]:
        """All that are not lifted, oldest first."""
        return [hold_of(row) for row in self._rows.read("holds.all_standing")]

    def place(self, scope: str, mode: Mode, who: str, why: str) -> bool:
        """Holds the program named `scope` back, or ALL; False where that is so already."""
        with self._rows.together():
            return self._rows.run(
                "holds.place", scope=scope, mode=mode.value, who=who, why=why, now=self._clock()
            ) != []  # fmt: skip

    def lift(self, scope: str, who: str) -> list[str]:
        """Lifts the hold with this scope, or with ALL every one; the scopes that were held."""
        with self._rows.together():
            lifted = self._rows.run("holds.lift", scope=scope, who=who, now=self._clock())
        return [name for (name,) in lifted]

    def in_flight(self, scope: str) -> list[InFlight]:
        """The slots given to this program, or to ALL, whose end is not final."""
        return [InFlight(*row) for row in self._rows.read("holds.in_flight", scope=scope)]


def hold_of(row: Row) -> Hold:
    """From a row with its scope, mode, since, placed_by and why."""
    scope, mode, since, by, why = row
    return Hold(scope, Mode(mode), since, by, why)
