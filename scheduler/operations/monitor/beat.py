"""The health of the whole box as one sign of life, from which its heartbeat is sent."""

from collections.abc import Sequence

from scheduler.health import State, Vitals, more
from scheduler.operations.checks.model import Finding, Level
from scheduler.operations.facts.model import Facts

# What keeps the programs from their work; what they say of it themselves is counted as well.
_COUNTED = frozenset(
    {
        "node.answers",
        "node.chain",
        "node.synced",
        "node.head",
        "account.not_empty",
        "journal.readable",
        "journal.turns",
        "programs.run",
        "programs.turn",
        "programs.heads",
    }
)


class BoxVitals:
    """Adds up what the programs count, each of which begins anew when it is started again."""

    def __init__(self) -> None:
        self._exceptions = self._pokes = 0
        self._before: dict[str, tuple[int, int]] = {}

    def take(self, facts: Facts, findings: Sequence[Finding]) -> Vitals:
        """What is wrong with the programs now, and how often something was done in vain."""
        for program in facts.programs or ():
            if program.life is None:
                continue
            now = program.life.exceptions, program.life.pokes
            # What was counted before the first look is not news.
            before = self._before.get(program.name, now)
            self._exceptions += more(now[0], before[0])
            self._pokes += more(now[1], before[1])
            self._before[program.name] = now
        wrong = [
            each.reason for each in findings if each.check in _COUNTED and each.level is Level.FAIL
        ]
        for program in facts.programs or ():
            life = program.life
            if life is not None and life.fresh and life.state is State.FAILING:
                wrong += [f"{program.name}: {line}" for line in life.wrong]
        return Vitals(tuple(wrong), self._exceptions, self._pokes)
