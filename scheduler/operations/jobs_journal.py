"""What the journal says of a job: when it was done last, what came of it, what is open."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scheduler.jobs.family import NAME
from scheduler.operations.journal_keys import short_names
from scheduler.operations.journal_story import OUTCOMES, outlook
from scheduler.operations.wording import local_time
from scheduler.plan import MOC_JOBS
from scheduler.pulse import at_work
from scheduler.transactions.journal import Location
from scheduler.transactions.journal.holds import ALL
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.journal.records import History, Summary
from scheduler.transactions.states import IntentState

# States in which something is still to come of it.
_OPEN = (IntentState.PLANNED, IntentState.IN_SLOT, IntentState.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Past:
    """`last` is what came of it, in words; `outlook` what comes next of what is open, None where
    nothing is. `held_back_by` is that the operator holds its program back, or that none runs;
    `epoch` is that of what was done last, if it has one."""

    last: str
    outlook: str | None
    held_back_by: tuple[str, ...]
    summary: Summary | None = None
    epoch: int | None = None

    def is_done_in(self, period: int) -> bool:
        """Whether it had its effect in this period of a job that is done every so often."""
        done = self.summary is not None and self.summary.state is IntentState.SUCCEEDED
        return done and self.epoch == period

    def as_json(self) -> Mapping[str, Any]:
        """What of it programs may want."""
        last = self.summary
        return {
            "last": None
            if last is None
            else {
                "key": last.name.key,
                "state": last.state.value,
                "hash": last.hash,
                "block": last.block,
                "final": last.is_final,
                "when": local_time(last.changed_at),
            },
            "held_back_by": list(self.held_back_by),
        }


def past_of(path: Location, job: str, program: str) -> Past:
    """What the journal there says of the job that `program` does. Raises JournalUnavailable."""
    running = (
        ()
        if program in at_work(path)
        else (f"no program runs that does it; start it: {_start(program)}",)
    )
    if isinstance(path, Path) and not path.exists():
        return Past(f"never: there is no journal at {path} yet", None, running)
    with reading(path) as opened:
        holds = tuple(str(hold) for hold in opened.holds() if hold.scope in (ALL, program))
        found = opened.summaries(family=f"{NAME}/{job}", limit=1)
        if not found:
            return Past("never, as far as the journal tells", None, (*holds, *running))
        [summary] = found
        short = short_names(opened.names())[summary.name.key]
        history = opened.history(summary.name.key)
    last = f"{_last(summary, history)}; see: scheduler journal show {short}"
    open_ = outlook(history) if summary.state in _OPEN else None
    epoch = history.intent.params.get("epoch")
    return Past(last, open_, (*holds, *running), summary, None if epoch is None else int(epoch))


def _last(summary: Summary, history: History) -> str:
    when = local_time(summary.changed_at)
    outcomes = [each.outcome for each in history.attempts if each.outcome is not None]
    if summary.outcome is None or not outcomes:
        return f"{when}: {summary.state.value}"
    final = "" if summary.is_final else ", which is not final yet"
    return (
        f"{when}: {summary.outcome.value} in block {summary.block}{final}, "
        f"{OUTCOMES[summary.outcome]} ({outcomes[-1].detail})"
    )


def _start(program: str) -> str:
    return program if program == MOC_JOBS else f"supervisorctl start {program}"
