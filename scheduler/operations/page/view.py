"""What the overview shows, put together from a box's status and its journal. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scheduler.agenda import Appointment
from scheduler.networks import network_of, networks
from scheduler.operations.checks.model import Finding, Level
from scheduler.operations.facts.model import Account, Facts, Incident, Node, Program
from scheduler.operations.page.drawing import Bar, Line, bars, line
from scheduler.operations.page.past import Day, Done
from scheduler.operations.status import Status

NEXT_SHOWN = 8
INCIDENTS_SHOWN = 6

_ORDER = (Level.FAIL, Level.WARN, Level.UNKNOWN, Level.OK)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A call that is next: `block` is where it is due, by the time that blocks take where it is due
    at a second; `seconds` until then."""

    appointment: Appointment
    block: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Mark:
    """Something on the block time line, `x` in percent; `key` is its intent's, None for none."""

    x: float
    kind: str
    label: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """One screen. `past` says why the journal's part is not there, None where it is."""

    read_at: float
    verdict: Level
    headline: str
    network: str
    shadow: bool
    node: Node | None
    account: Account | None
    programs: Sequence[Program]
    line: Line | None
    marks: Sequence[Mark]
    upcoming: Sequence[Upcoming]
    known: int
    in_flight: int
    done: Sequence[Done]
    bars: Sequence[Bar]
    today: Day | None
    incidents: Sequence[Incident]
    checks: Sequence[Finding]
    counts: Mapping[Level, int]
    unread: Mapping[str, str]
    past: str | None


def overview(
    status: Status, done: Sequence[Done], days: Sequence[Day], past: str | None = None
) -> Overview:
    """The box with this status and this past."""
    facts = status.facts
    programs = facts.programs or ()
    coming = _upcoming(facts)
    line_ = None
    if facts.node is not None:
        line_ = line(facts.node.head_number, [each.block for each in coming[:NEXT_SHOWN]])
    counts = {level: sum(each.level is level for each in status.checks) for level in _ORDER}
    return Overview(
        read_at=facts.read_at,
        verdict=status.verdict,
        headline=_headline(counts),
        network=_network(facts),
        shadow=any(each.life and each.life.mode == "shadow" for each in programs),
        node=facts.node,
        account=facts.account,
        programs=programs,
        line=line_,
        marks=_marks(line_, coming, done) if line_ else (),
        upcoming=coming[:NEXT_SHOWN],
        known=sum(each.life.counts.get("known", 0) for each in programs if each.life),
        in_flight=sum(each.in_flight for each in programs),
        done=done,
        bars=bars(days),
        today=days[-1] if days else None,
        incidents=_incidents(facts),
        checks=sorted(status.checks, key=lambda each: _ORDER.index(each.level)),
        counts=counts,
        unread=facts.unread,
        past=past,
    )


def _headline(counts: Mapping[Level, int]) -> str:
    wrong, notes, unread = counts[Level.FAIL], counts[Level.WARN], counts[Level.UNKNOWN]
    if wrong:
        return "1 thing is wrong" if wrong == 1 else f"{wrong} things are wrong"
    if notes:
        return "Well, with 1 note" if notes == 1 else f"Well, with {notes} notes"
    return f"Nothing is wrong, {unread} not known" if unread else "All is well"


def _network(facts: Facts) -> str:
    if facts.node is not None:
        return facts.node.network
    return facts.configured.network or "network not known"


def _upcoming(facts: Facts) -> list[Upcoming]:
    """What programs will do, the nearest first; nothing while no head is known."""
    node = facts.node
    if node is None:
        return []
    network = networks().get(node.network) or network_of(node.chain_id)
    # One that does not run any more keeps no appointments.
    lives = [each.life for each in facts.programs or () if each.life and each.life.fresh]
    found = []
    for each in {appointment: None for life in lives for appointment in life.agenda}:
        if each.unit == "blocks":
            block = float(each.at)
            seconds = (block - node.head_number) * network.block_time
        else:
            seconds = each.at - facts.read_at
            block = node.head_number + seconds / network.block_time
        found.append(Upcoming(each, block, seconds))
    return sorted(found, key=lambda each: each.block)


def _marks(line_: Line, coming: Sequence[Upcoming], done: Sequence[Done]) -> list[Mark]:
    """What is on the line: what was mined, and what is next."""
    marks = []
    for each in done:
        x = None if each.mined is None else line_.x(each.mined)
        if x is not None:
            well = each.state.value == "succeeded"
            label = f"{each.kind} in block {each.mined}: {each.state.value}"
            marks.append(Mark(x, "done" if well else "failed", label, each.key))
    for due in coming:
        x = line_.x(due.block)
        if x is not None:
            appointment = due.appointment
            label = f"{appointment.what} {appointment.subject}, due in block {due.block:.0f}"
            marks.append(Mark(x, "next", label, None))
    return marks


def _incidents(facts: Facts) -> list[Incident]:
    """The newest, newest first."""
    found = facts.monitor.incidents if facts.monitor else ()
    return list(reversed(found[-INCIDENTS_SHOWN:]))
