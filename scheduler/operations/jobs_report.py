"""What there is to say of jobs as they are now: what is wrong, and what to do. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scheduler.operations.jobs_survey import Rehearsal, Seen, Survey
from scheduler.operations.jobs_wording import rhythm_text
from scheduler.operations.wording import ether, printable
from scheduler.plan import Plan
from scheduler.transactions.states import OutcomeKind


@dataclass(frozen=True, slots=True)
class Line:
    """Of one job: `state` is fine, off or wrong, `text` why, `next` what to run or write, if
    anything."""

    name: str
    state: str
    text: str
    next: str = ""

    def __str__(self) -> str:
        return printable(f"{self.text}; {self.next}" if self.next else self.text)


def line(seen: Seen, survey: Survey, plan: Plan) -> Line:
    """The job in a line."""
    name, standing, rehearsal = seen.job.name, seen.standing, seen.rehearsal
    explain = f"see: scheduler jobs explain {name}"
    if standing is None:
        if name in plan.moc_tasks:
            return Line(name, "off", f"{seen.finding.says}; this deployment does without")
        mend = f"correct contract or call in [[jobs]] {name}, or the node's network"
        return Line(name, "wrong", seen.finding.says, mend)
    if standing.trouble is not None:
        text = f"its condition cannot be read: {standing.trouble}"
        return Line(name, "wrong", text, f"it waits for that; {explain}")
    due = standing.true and not standing.kept_back
    if rehearsal is None:
        return Line(name, "fine", f"{_stands(seen)}; simulated when it is due; {seen.finding.says}")
    if rehearsal.gas > survey.head.gas_limit:
        text = f"it may use {rehearsal.gas:,} gas, and a block has {survey.head.gas_limit:,}"
        return Line(name, "wrong", text, f"lower the gas limit of {name}")
    if rehearsal.verdict is None:
        has = f"{survey.account} has {ether(survey.balance)}"
        text = f"it may cost {ether(rehearsal.cost)}, and {has}"
        return Line(name, "wrong", text, f"send ether to {survey.account}")
    text = f"{_stands(seen)}; {_simulated(seen)}; {_costs(seen, survey)}; {seen.finding.says}"
    if due and _fails(rehearsal):
        return Line(name, "wrong", text, explain)
    if due and survey.too_dear is not None:
        return Line(name, "wrong", f"{text}; {survey.too_dear}")
    return Line(name, "fine", text)


def now(seen: Seen, survey: Survey) -> Iterator[tuple[str, str]]:
    """How things stand for a job, as pairs of a heading and its text."""
    yield "contract", seen.finding.says
    if seen.standing is None:
        return
    yield "now", f"at block {survey.head.number}: {_stands(seen)}"
    rehearsal = seen.rehearsal
    if rehearsal is None:
        yield "simulated", "not yet: what it is called with comes with its condition"
    elif rehearsal.verdict is not None:
        yield "simulated", _ending(rehearsal)
    if rehearsal is not None:
        yield "account", f"{survey.account}; {_costs(seen, survey)}"


def held_back_by(seen: Seen, survey: Survey) -> Iterator[str]:
    """Why it is not sent now, as far as the chain tells: nothing for a job that is due."""
    standing, rehearsal = seen.standing, seen.rehearsal
    if standing is None:
        yield seen.finding.says
        return
    if standing.trouble is not None or not standing.true or standing.kept_back:
        yield _stands(seen)
        return
    if rehearsal is not None and rehearsal.verdict is None:
        yield f"it may cost {ether(rehearsal.cost)}, more than the account has"
    elif _fails(rehearsal):
        yield _simulated(seen)
    if survey.too_dear is not None:
        yield survey.too_dear


def as_json(seen: Seen, survey: Survey, plan: Plan) -> Mapping[str, Any]:
    """All of it for programs; None where it is not known."""
    standing, rehearsal, told = seen.standing, seen.rehearsal, line(seen, survey, plan)
    verdict = rehearsal.verdict if rehearsal else None
    return {
        "name": seen.job.name,
        "state": told.state,
        "reason": told.text,
        "next": told.next or None,
        "block": survey.head.number,
        "function": seen.finding.there,
        "found": seen.finding.says,
        "condition": None if standing is None or standing.trouble else standing.true,
        "excluded": None if standing is None or standing.trouble else standing.kept_back,
        "trouble": standing.trouble if standing else None,
        "simulated": verdict.kind.value if verdict else None,
        "detail": verdict.detail if verdict else None,
        "gas_used": rehearsal.gas_used if rehearsal else None,
        "gas_limit": rehearsal.gas if rehearsal else None,
        "cost_wei": rehearsal.cost if rehearsal else None,
        "account": survey.account,
        "balance_wei": survey.balance,
    }


def _stands(seen: Seen) -> str:
    standing = seen.standing
    assert standing is not None, "its function is there"
    if standing.trouble is not None:
        return f"its condition cannot be read: {standing.trouble}"
    if not standing.true:
        return "nothing to do: its condition is not true"
    if standing.kept_back:
        return "its condition is true, and so is one under which it is not done"
    if seen.job.every is not None:
        return f"its condition is true, and it is done {rhythm_text(seen.job)}"
    return "due: its condition is true"


def _fails(rehearsal: Rehearsal | None) -> bool:
    """Whether a simulation says that it would not have its effect."""
    verdict = rehearsal.verdict if rehearsal else None
    return verdict is not None and verdict.kind is not OutcomeKind.SUCCEEDED


def _simulated(seen: Seen) -> str:
    assert seen.rehearsal is not None, "it is known what would be called"
    return f"simulated now, it ends as {_ending(seen.rehearsal)}"


def _ending(rehearsal: Rehearsal) -> str:
    verdict, used = rehearsal.verdict, rehearsal.gas_used
    assert verdict is not None, "it was simulated"
    gas = f" with {used:,} gas" if verdict.kind is OutcomeKind.SUCCEEDED else ""
    return f"{verdict.kind.value}{gas} ({verdict.detail})"


def _costs(seen: Seen, survey: Survey) -> str:
    rehearsal = seen.rehearsal
    assert rehearsal is not None, "it is known what would be called"
    return (
        f"at most {rehearsal.gas:,} gas and {ether(rehearsal.cost)} of "
        f"{ether(survey.balance)} in the account"
    )
