"""The one list of checks. Status, doctor, metrics, alerts and the status page are all fed by it: a
check that is added here is in all of them."""

from scheduler.operations.checks import account, journal, machine, node, programs, telling
from scheduler.operations.checks.model import Check, Finding, judged
from scheduler.operations.facts.model import Facts

CHECKS: list[Check] = [
    *node.CHECKS,
    *account.CHECKS,
    *programs.CHECKS,
    *journal.CHECKS,
    *machine.CHECKS,
    *telling.CHECKS,
]


def findings(facts: Facts) -> tuple[Finding, ...]:
    """What all checks say of a box with these facts, in their order."""
    return judged(CHECKS, facts)
