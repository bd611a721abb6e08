"""`scheduler pause|resume|drain`: whether programs begin new work, kept in the journal.

They take effect at once, for every process that has this journal, also one that starts later.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.status import Status

from scheduler.errors import Misconfigured
from scheduler.operations.handing_over import hand_over
from scheduler.operations.journal_file import config_option, journal_there, operator, plainly
from scheduler.operations.wording import count, printable
from scheduler.plan import PROGRAMS, SCHEDULER
from scheduler.pulse import at_work
from scheduler.transactions.journal import Journal, Location
from scheduler.transactions.journal.holds import ALL, Hold, InFlight, Mode

# How often the journal is looked at while a drain waits, seconds.
_LOOK_SECONDS = 0.5

Command = TypeVar("Command", bound=Callable[..., None])


def _scope_arguments(command: Command) -> Command:
    """[PROGRAM|--all] and --config, as all three commands take them."""
    for decorate in (
        config_option,
        click.option("--all", "everything", is_flag=True, help="All programs; so without PROGRAM."),
        click.argument("program", required=False),
    ):
        command = decorate(command)
    return command


_why_option = click.option("--why", default="", help="The reason, for whoever looks later.")


@click.command()
@_scope_arguments
@_why_option
def pause(program: str | None, everything: bool, config_file: Path | None, why: str) -> None:
    """Let PROGRAM, or all, begin nothing new.

    What is in flight is looked after: it is sent again, raised in price, cancelled, and its outcome
    read. It lasts until `scheduler resume`, also over restarts.
    """
    scope = _scope(program, everything)
    with _opened(config_file) as journal:
        _hold(journal, scope, Mode.PAUSE, why)
        _tell_in_flight(journal.holds.in_flight(scope))


@click.command()
@_scope_arguments
def resume(program: str | None, everything: bool, config_file: Path | None) -> None:
    """Let PROGRAM, or all, go on after `pause` or `drain`.

    Exit status 1 where PROGRAM is still held back, since all are.
    """
    scope = _scope(program, everything)
    with _opened(config_file) as journal:
        lifted = journal.holds.lift(scope, operator())
        for name in lifted:
            whose = "all programs go" if name == ALL else f"{name} goes"
            click.echo(f"{whose} on: what is due is sent with the next block")
        if not lifted:
            click.echo("no program was held back" if scope == ALL else f"{scope} was not held back")
        still = journal.holds.on(scope)
    if still is not None:
        click.echo(f"scheduler: {scope} does not go on yet: {still}", err=True)
        sys.exit(1)


@click.command()
@_scope_arguments
@_why_option
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=3600,
    show_default=True,
    help="Seconds to wait; nothing new is begun after that, either.",
)
def drain(
    program: str | None, everything: bool, config_file: Path | None, why: str, timeout: float
) -> None:
    """Let PROGRAM, or all, begin nothing new, and wait until nothing is in flight.

    Then it can be stopped with nothing left open. Exit status 1 where that takes too long.
    Where another box stands by, with this journal, that one goes on with the work, at once.
    """
    scope = _scope(program, everything)
    with plainly():
        if hand_over(journal_there(config_file), scope):
            return
    with _opened(config_file) as journal:
        _hold(journal, scope, Mode.DRAIN, why)
        left = _wait(journal, scope, journal_there(config_file), timeout)
    if left:
        slots = ", ".join(_described(each) for each in left)
        whose = "" if scope == ALL else f" of {scope}"
        click.echo(
            f"scheduler: after {timeout:g} s {count(len(left), 'transaction')}{whose} "
            f"{'is' if len(left) == 1 else 'are'} still in flight ({slots}); see: scheduler "
            "journal list --state in_slot, or wait on: scheduler drain",
            err=True,
        )
        sys.exit(1)
    _tell_drained(scope, journal_there(config_file))


def _scope(program: str | None, everything: bool) -> str:
    """What is meant. Raises Misconfigured."""
    if program is None:
        return ALL
    if everything:
        raise Misconfigured("give a PROGRAM or --all, not both")
    if program not in PROGRAMS:
        raise Misconfigured(f"no program {program!r}: there are {', '.join(PROGRAMS)}")
    return program


@contextmanager
def _opened(config_file: Path | None) -> Iterator[Journal]:
    """The journal, to be written; what is wrong with it ends the command with exit status 1."""
    with plainly():
        journal = Journal.open(journal_there(config_file))
        try:
            yield journal
        finally:
            journal.close()


def _hold(journal: Journal, scope: str, mode: Mode, why: str) -> None:
    """Holds it back, and says so."""
    if journal.holds.place(scope, mode, operator(), why):
        whose = "all programs begin" if scope == ALL else f"{scope} begins"
        click.echo(
            f"{whose} nothing new until: scheduler resume {'--all' if scope == ALL else scope}"
        )
        return
    standing: Hold | None = journal.holds.on(scope)
    click.echo(f"already so: {printable(str(standing))}")


def _tell_in_flight(slots: list[InFlight]) -> None:
    if slots:
        what = "is looked after" if len(slots) == 1 else "are looked after"
        click.echo(f"{count(len(slots), 'transaction')} in flight {what}")


def _wait(journal: Journal, scope: str, path: Location, timeout: float) -> list[InFlight]:
    """What is still in flight when nothing is, or the time is over; says how it goes."""
    deadline = time.monotonic() + timeout
    with _progress() as say:
        while left := journal.holds.in_flight(scope):
            waits = "" if at_work(path) else "; no program runs that looks after it: start one"
            say(f"{count(len(left), 'transaction')} in flight{waits}")
            rest = deadline - time.monotonic()
            if rest <= 0:
                break
            time.sleep(min(_LOOK_SECONDS, rest))
    return left


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Says how it goes: in one moving line on a terminal, else in a line whenever it is news."""
    if sys.stdout.isatty():
        with Status("", console=Console()) as status:
            yield status.update
        return
    said = ""

    def say(text: str) -> None:
        nonlocal said
        if text != said:
            click.echo(text)
        said = text

    yield say


def _described(slot: InFlight) -> str:
    intent = f" for {printable(slot.intent)}" if slot.intent else ""
    return f"nonce {slot.nonce} of {slot.account}{intent}"


def _tell_drained(scope: str, path: Location) -> None:
    whose = "" if scope == ALL else f" of {scope}"
    click.echo(f"nothing{whose} is in flight")
    for name, pid in at_work(path).items():
        if scope in (ALL, name):
            stop = f"supervisorctl stop {name}" if name == SCHEDULER else f"kill {pid}"
            click.echo(f"to stop {name}: {stop}")
