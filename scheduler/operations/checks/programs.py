"""What can be wrong with the programs of the box, one by one."""

from collections.abc import Callable, Iterable

from scheduler.health import State
from scheduler.operations.checks.model import Check, Verdict, fine, unknown, worth_knowing, wrong
from scheduler.operations.facts.model import Facts, Program

SHOWN_SECONDS = 60.0
"""For how long an unexpected end is told, though the program runs again: several in a row are one
alert."""

# What keeps a program from its work, and is told by a check of its own.
_KEPT_BY = (
    "node.answers",
    "node.chain",
    "node.synced",
    "node.head",
    "node.behind_journal",
    "account.not_empty",
    "journal.turns",
    "journal.readable",
    "journal.quarantine",
    "journal.holds",
)

_BAD = frozenset({"FATAL", "BACKOFF", "EXITED", "UNKNOWN"})


def supervised(facts: Facts) -> Verdict:
    why = facts.unread.get("supervisor")
    if why is not None:
        return wrong(f"supervisord cannot be asked: {why}", "sudo systemctl status supervisor")
    if not any(program.process for program in facts.programs or ()):
        return fine("no supervisord is used here")
    return fine("supervisord answers")


def run(facts: Facts) -> Verdict:
    def judge(program: Program) -> str | None:
        process = program.process
        if process is None or process.state not in _BAD:
            return None
        status = "" if process.exit_status is None else f", exit status {process.exit_status}"
        return f"{program.name} is {process.state}{status} ({process.description})"

    return _each(
        facts,
        judge,
        "supervisorctl start {name}; its last words: tail /var/log/supervisor/{name}-stderr.log",
        "all that should run do",
    )


def installed(facts: Facts) -> Verdict:
    known = {program.name for program in facts.programs or () if program.process is not None}
    lacking = [name for name in facts.configured.programs if name not in known]
    if not known or not lacking:
        return fine("supervisord has all that are configured")
    return wrong(
        f"supervisord does not know {', '.join(lacking)}, which box.programs names",
        "sudo supervisorctl reread; sudo supervisorctl update; or: sudo provision/setup.sh",
    )


def stopped(facts: Facts) -> Verdict:
    names = [
        program.name
        for program in facts.programs or ()
        if program.process is not None and program.process.state == "STOPPED"
    ]
    if names:
        return worth_knowing(
            f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} stopped, as somebody wanted",
            f"supervisorctl start {' '.join(names)}",
        )
    return fine("none was stopped")


def turn(facts: Facts) -> Verdict:
    def judge(program: Program) -> str | None:
        life = program.life
        if life is None or life.fresh or not program.expected:
            return None
        return (
            f"{program.name} has given no sign of life for {facts.read_at - life.looped_at:.0f} s"
        )

    return _each(facts, judge, "supervisorctl restart {name}", "all give signs of life")


def work(facts: Facts) -> Verdict:
    def judge(program: Program) -> str | None:
        life = program.life
        if life is None or not life.fresh or life.state is not State.FAILING:
            return None
        return f"{program.name}: {'; '.join(life.wrong) or 'it fails'}"

    return _each(
        facts, judge, "tail /var/log/supervisor/{name}-stdout.log", "all do what they are for"
    )


def heads(facts: Facts) -> Verdict:
    node = facts.node
    if node is None:
        return unknown("the node does not answer")

    def judge(program: Program) -> str | None:
        life = program.life
        if life is None or not life.fresh or life.head_timestamp is None:
            return None
        behind = node.head_timestamp - life.head_timestamp
        if behind <= facts.limits.head_age:
            return None
        return (
            f"{program.name} is at block {life.head_number}, the node at {node.head_number}: "
            f"{behind} s behind"
        )

    return _each(facts, judge, "supervisorctl restart {name}", "all follow the node's head")


def exits(facts: Facts) -> Verdict:
    since = facts.read_at - SHOWN_SECONDS
    ends = [
        each
        for each in (facts.monitor.incidents if facts.monitor else ())
        if each.kind == "exited" and each.at > since
    ]
    if ends:
        return wrong(
            "; ".join(dict.fromkeys(each.text for each in ends)),
            f"tail /var/log/supervisor/{ends[-1].about}-std*.log",
        )
    return fine("none ended unexpectedly in the last minute")


def _each(
    facts: Facts, judge: Callable[[Program], str | None], remedy: str, all_well: str
) -> Verdict:
    """Whether it is so of every program; `remedy` has the name of the first that it is not of."""
    if facts.programs is None:
        return unknown("the programs could not be looked at")
    found = [(program.name, why) for program in facts.programs if (why := judge(program))]
    if found:
        return wrong(_joined(why for _, why in found), remedy.format(name=found[0][0]))
    return fine(all_well)


def _joined(reasons: Iterable[str]) -> str:
    return "; ".join(reasons)


CHECKS = (
    Check("programs.supervised", "supervisord answers", supervised),
    Check("programs.installed", "supervisord knows the programs", installed),
    Check("programs.run", "the programs run", run, (10,)),
    Check("programs.stopped", "no program was stopped", stopped),
    Check(
        "programs.turn", "the programs give signs of life", turn, (10,), follows=("programs.run",)
    ),
    Check("programs.work", "the programs do what they are for", work, (10,), follows=_KEPT_BY),
    Check("programs.heads", "the programs follow the head", heads, (10,)),
    Check("programs.exits", "no program ends by itself", exits, (11,)),
)
