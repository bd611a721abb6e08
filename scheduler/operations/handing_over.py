"""Hands a box's work over to one that stands by, where several share a journal."""

import time
from collections.abc import Sequence

import click

from scheduler.plan import SCHEDULER
from scheduler.service import PULSE_SECONDS
from scheduler.transactions.boxes import Box, Lease
from scheduler.transactions.custody import CUSTODIAN
from scheduler.transactions.journal import Location, Remote
from scheduler.transactions.journal.holds import ALL
from scheduler.transactions.leases import GIVE_WAY_SECONDS, RENEWAL_SECONDS, Leases

_LOOK_SECONDS = 0.2

# A holder reads that it gives way when it renews its lease, lets go when its loop turns, and then
# the others have their turn.
_PATIENCE_SECONDS = 2 * RENEWAL_SECONDS + PULSE_SECONDS + GIVE_WAY_SECONDS


def hand_over(location: Location, scope: str) -> bool:
    """Has another box do the work of this one's program named `scope`, or of all, and says which.

    False where there is nothing to hand over to: no other box shares the journal, or none took it.
    Raises JournalUnavailable.
    """
    if not isinstance(location, Remote):
        return False
    leases, here = Leases(location, "drain"), Box.here().place
    try:
        # The account's own is taken when it is needed.
        given_up = [name for name in leases.give_up(scope) if not name.startswith(CUSTODIAN)]
        if not given_up:
            others = [each for each in _working(leases) if scope in (ALL, each.program)]
            _tell_others(others)
            return others != []
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            taken = [
                each for each in _working(leases) if each.name in given_up and each.place != here
            ]
            if len(taken) == len(given_up):
                _tell_taken(taken)
                return True
            time.sleep(_LOOK_SECONDS)
    finally:
        leases.close()
    click.echo("no other box stands by")
    return False


def _working(leases: Leases) -> list[Lease]:
    """What programs have that do not only look on: those do none of the work."""
    return [each for each in leases.standing() if not each.looks_on]


def _tell_others(others: Sequence[Lease]) -> None:
    for holder in sorted({each.holder for each in others}):
        click.echo(f"{holder} does the work; this box does none of it, and may be stopped")


def _tell_taken(taken: Sequence[Lease]) -> None:
    for holder in sorted({each.holder for each in taken}):
        click.echo(f"{holder} has taken over")
    programs = sorted({each.program for each in taken})
    click.echo(f"to stop this box: supervisorctl stop {' '.join(programs or [SCHEDULER])}")
