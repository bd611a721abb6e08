"""Jobs in plain words. Pure: declarations in, texts out."""

from collections.abc import Iterator, Sequence

from scheduler.chain.model import Address, Head
from scheduler.jobs.abi import Argument
from scheduler.jobs.conditions import All, AnyOf, Check, Condition, Not, Reading
from scheduler.jobs.declaration import ALWAYS, Event, Job
from scheduler.operations.wording import count, ether, local_time
from scheduler.transactions.intents import Urgency

_URGENCIES = {
    Urgency.NORMAL: "its price is raised when it has missed some blocks",
    Urgency.URGENT: "before all others, and its price is raised as soon as it misses a block",
}


def condition_text(condition: Condition, home: Address) -> str:
    """A condition; contracts are named where they are not `home`."""
    if condition == ALWAYS:
        return "always"
    if isinstance(condition, Check):
        return _check(condition, home)
    if isinstance(condition, Not):
        text = condition_text(condition.part, home)
        return f"not {text}" if isinstance(condition.part, Check) else f"not ({text})"
    word = " and " if isinstance(condition, All) else " or "
    return word.join(_part(part, home) for part in condition.parts)


def _part(condition: Condition, home: Address) -> str:
    text = condition_text(condition, home)
    return f"({text})" if isinstance(condition, All | AnyOf) else text


def _check(check: Check, home: Address) -> str:
    text = reading_text(check.reading, home)
    if check.comparison == "==" and isinstance(check.value, bool):
        return text if check.value else f"not {text}"
    return f"{text} {check.comparison} {check.value}"


def reading_text(reading: Reading, home: Address) -> str:
    """A view with its arguments, and which word of its answer is meant if it is not the first."""
    text = call_text(reading.signature, reading.arguments, home)
    if reading.word:
        text = f"word {reading.word} of {text}"
    return text if reading.contract == home else f"{text} of {reading.contract}"


def call_text(signature: str, arguments: Sequence[Argument | Reading], home: Address) -> str:
    """A function with what it is given."""
    given = [
        reading_text(each, home) if isinstance(each, Reading) else _literal(each)
        for each in arguments
    ]
    return f"{signature.partition('(')[0]}({', '.join(given)})"


def _literal(value: Argument) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) and not value.startswith("0x") else str(value)


def rhythm_text(job: Job) -> str:
    """How often it may be done."""
    if job.every is None:
        return "every block"
    return f"once in {job.every.length:,} {job.every.unit}"


def next_period(job: Job, head: Head) -> str:
    """When the next period of a job that is done every so often begins."""
    assert job.every is not None, "it has periods"
    begins = (job.every.period(head) + 1) * job.every.length
    return f"block {begins}" if job.every.unit == "blocks" else local_time(begins)


def declared(job: Job) -> Iterator[tuple[str, str]]:
    """What it is, as pairs of a heading and its text."""
    home = job.action.contract
    yield "when", condition_text(job.condition, home)
    for each in job.unless:
        yielding = (
            "" if job.yields is None else f", for {count(job.yields, 'block')} at the longest"
        )
        yield "not while", f"{condition_text(each, home)}{yielding}"
    yield "how often", _how_often(job)
    yield "calls", f"{call_text(job.action.signature, job.action.arguments, home)} of {home}"
    yield "gas", _gas(job)
    yield "may cost", "what its gas costs" if job.max_cost is None else ether(job.max_cost)
    yield "urgency", f"{job.urgency.value}: {_URGENCIES[job.urgency]}"
    yield "proved by", _proofs(job)


def _how_often(job: Job) -> str:
    if job.every is not None:
        return f"looked at with every block, done at most {rhythm_text(job)}"
    if job.epoch is not None:
        epoch = reading_text(job.epoch, job.action.contract)
        return f"looked at with every block, done once for each number that {epoch} answers"
    return "looked at with every block, and done whenever it is due"


def _gas(job: Job) -> str:
    if job.gas_margin is None:
        return f"at most {job.gas:,}"
    return f"the node's estimate and {job.gas_margin} % more, at most {job.gas:,}"


def _proofs(job: Job) -> str:
    if not job.proofs:
        return "that it is not reverted"
    events = " or ".join(_event(each, job.action.contract) for each in job.proofs)
    if job.proving_gas is not None:
        events += f"; or {job.proving_gas:,} gas used"
    return f"{events}; without, it was in vain"


def _event(event: Event, home: Address) -> str:
    return event.signature if event.contract == home else f"{event.signature} of {event.contract}"
