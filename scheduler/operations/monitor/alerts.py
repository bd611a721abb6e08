"""Which messages an operator gets: one when something goes wrong, one when it ends. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from scheduler.operations.checks.model import Finding, Level
from scheduler.operations.facts.model import Alert

CONFIRMED = 2
"""So many looks in a row must say the same before it is told: a question that a node was slow to
answer is no alert, and an answer between two that fail is no end of one."""


class Kind(Enum):
    BEGAN = "began"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Message:
    """What is told; times in seconds since the epoch. `since` is when it began to be wrong."""

    kind: Kind
    check: str
    title: str
    at: float
    since: float
    reason: str
    remedy: str = ""
    page: str = ""

    def subject(self, box: str) -> str:
        """In a line: which box, what, and whether it begins or ends."""
        if self.kind is Kind.ENDED:
            return f"{box}: over: {self.check}"
        return f"{box}: {self.check}: {self.reason}"

    def text(self, box: str) -> str:
        """As a mail has it."""
        if self.kind is Kind.ENDED:
            lasted = _lasted(self.at - self.since)
            return (
                f"{box}: {self.check} ({self.title}) is well again after {lasted}.\n{self.reason}\n"
            )
        return (
            f"{box}: {self.check} ({self.title}) is not so.\n\n{self.reason}\n\n"
            f"What to do: {self.remedy}\nMore: {self.page}\n"
        )


class Alerts:
    """What is wrong and was told. `open` survives a restart of the one who tells."""

    def __init__(self, open_: Iterable[Alert] = ()) -> None:
        self.open: Mapping[str, Alert] = {alert.check: alert for alert in open_}
        # How often in a row a check said otherwise than what is told.
        self._otherwise: dict[str, int] = {}

    def take(self, findings: Sequence[Finding], now: float) -> list[Message]:
        """What there is to tell now that this was found."""
        messages = []
        for finding in findings:
            alert = self.open.get(finding.check)
            if not _differs(finding, alert):
                self._otherwise.pop(finding.check, None)
                continue
            times = self._otherwise.get(finding.check, 0) + 1
            self._otherwise[finding.check] = times
            if times >= CONFIRMED:
                del self._otherwise[finding.check]
                messages.append(self._turn(finding, alert, now))
        known = {finding.check for finding in findings}
        for check in [check for check in self.open if check not in known]:
            gone = Finding(check, check, Level.OK, "it is not looked at any more")
            messages.append(self._turn(gone, self.open[check], now))
        return messages

    def _turn(self, finding: Finding, alert: Alert | None, now: float) -> Message:
        others = {check: each for check, each in self.open.items() if check != finding.check}
        message = Message(
            Kind.BEGAN,
            finding.check,
            finding.title,
            at=now,
            since=now,
            reason=finding.reason,
            remedy=finding.remedy,
            page=finding.page,
        )
        if alert is None:
            self.open = {**others, finding.check: Alert(finding.check, now, finding.reason)}
            return message
        self.open = others
        return replace(message, kind=Kind.ENDED, since=alert.since, remedy="")


def _differs(finding: Finding, alert: Alert | None) -> bool:
    """Whether what was found is otherwise than what is told. What is unknown never is."""
    if finding.level is Level.UNKNOWN:
        return False
    return (finding.level is Level.FAIL) != (alert is not None)


def _lasted(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} minutes"
