"""A check: what it looks at, and what it says of a box's facts. Pure but for the fixes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from scheduler.operations.facts.model import Facts


class Level(Enum):
    """OK: nothing is wrong. WARN: worth knowing, and no alert. FAIL: something is wrong. UNKNOWN:
    what it looks at could not be read, so whatever was true before may be true still."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says: why, and the very command that mends it, empty where nothing is to do."""

    level: Level
    reason: str
    remedy: str = ""

    @property
    def is_told(self) -> bool:
        """Whether an operator is told of it."""
        return self.level in (Level.FAIL, Level.WARN)


def fine(reason: str) -> Verdict:
    """Nothing is wrong, and this is how it is."""
    return Verdict(Level.OK, reason)


def worth_knowing(reason: str, remedy: str) -> Verdict:
    return Verdict(Level.WARN, reason, remedy)


def wrong(reason: str, remedy: str) -> Verdict:
    return Verdict(Level.FAIL, reason, remedy)


def unknown(reason: str) -> Verdict:
    """What it looks at could not be read, and why."""
    return Verdict(Level.UNKNOWN, reason)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that can be wrong. `name` is what alerts and metrics call it, as PART.WHAT.

    `judge` is a pure function. `invariants` are those of docs/understand.md that it watches, and
    `page` where the documentation says what to do. `follows` are checks whose failure explains
    this one's, so that one fault is one alert. `fix` does what is safe, and says what it did; it
    is asked only after the check failed, and may raise OSError.
    """

    name: str
    title: str
    judge: Callable[[Facts], Verdict]
    invariants: tuple[int, ...] = ()
    follows: tuple[str, ...] = ()
    fix: Callable[[Facts], Sequence[str]] | None = None

    @property
    def page(self) -> str:
        """Where it is explained."""
        return f"docs/alerts.md#{self.name.replace('.', '')}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's verdict on a box, as everybody tells it."""

    check: str
    title: str
    level: Level
    reason: str
    remedy: str = ""
    page: str = ""
    invariants: tuple[int, ...] = field(default=())


def judged(checks: Sequence[Check], facts: Facts) -> tuple[Finding, ...]:
    """What each says of these facts, in their order.

    A check that itself fails says nothing of the box: its finding is UNKNOWN, and the others are
    not kept from theirs. So is one that fails for what another one tells already.
    """
    verdicts = {check.name: _verdict(check, facts) for check in checks}
    return tuple(_finding(check, verdicts) for check in checks)


def _verdict(check: Check, facts: Facts) -> Verdict:
    try:
        return check.judge(facts)
    except Exception as error:
        return unknown(f"this check itself failed: {error!r}")


def _finding(check: Check, verdicts: Mapping[str, Verdict]) -> Finding:
    verdict = verdicts[check.name]
    causes = [name for name in check.follows if name in verdicts and verdicts[name].is_told]
    if verdict.level is Level.FAIL and causes:
        verdict = unknown(f"{verdict.reason} (follows from {causes[0]})")
    return Finding(
        check.name,
        check.title,
        verdict.level,
        verdict.reason,
        verdict.remedy,
        check.page,
        check.invariants,
    )


def worst(findings: Sequence[Finding]) -> Level:
    """The level of the worst of them; nothing that is unknown makes a box bad."""
    order = [Level.OK, Level.UNKNOWN, Level.WARN, Level.FAIL]
    return max((each.level for each in findings), key=order.index, default=Level.OK)
