"""`scheduler journal bump|cancel|retry`: orders for one intent, carried out by who runs."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from scheduler.operations.journal_file import config_option, journal_there, operator, plainly
from scheduler.operations.journal_keys import only, short_names
from scheduler.operations.wording import local_time, printable
from scheduler.pulse import at_work
from scheduler.transactions.journal import Journal, Location
from scheduler.transactions.journal.orders import Order, OrderState, What
from scheduler.transactions.journal.reading import reading

_LOOK_SECONDS = 0.25

# What happens with the next block.
_NEXT = {
    What.BUMP: "it gets a next bid in its slot, within fees.max-gas-price and what it may cost",
    What.CANCEL: "a transfer of nothing is bid in its slot; whichever is mined first decides, and "
    "when the transfer is final it is abandoned",
    What.RETRY: "it is planned again",
}

Command = TypeVar("Command", bound=Callable[..., None])


def _order_arguments(command: Command) -> Command:
    """KEY, whether to wait and how long, and --config, as all three commands take them."""
    for decorate in (
        config_option,
        click.option(
            "--timeout",
            type=click.FloatRange(0),
            default=600,
            show_default=True,
            help="Seconds to wait for the answer; the order stands after that, too.",
        ),
        click.option("--wait/--no-wait", default=None, help="Without it: wait on a terminal."),
        click.argument("key"),
    ):
        command = decorate(command)
    return command


@click.command()
@_order_arguments
def bump(key: str, wait: bool | None, timeout: float, config_file: Path | None) -> None:
    """Bid more for the intent KEY now, although its patience is not over."""
    _order(What.BUMP, key, wait, timeout, journal_there(config_file))


@click.command()
@_order_arguments
def cancel(key: str, wait: bool | None, timeout: float, config_file: Path | None) -> None:
    """Give the intent KEY up; free its slot with a transfer of nothing, if it has one."""
    _order(What.CANCEL, key, wait, timeout, journal_there(config_file))


@click.command()
@_order_arguments
def retry(key: str, wait: bool | None, timeout: float, config_file: Path | None) -> None:
    """Plan the intent KEY again, which is suspended or abandoned."""
    _order(What.RETRY, key, wait, timeout, journal_there(config_file))


def _order(what: What, given: str, wait: bool | None, timeout: float, path: Location) -> None:
    """Gives the order, says what happens, and waits for the answer if that is wanted."""
    with plainly():
        with reading(path) as opened:
            names = opened.names()
        key = only(given, names, path).key
        short = printable(short_names(names)[key])
        journal = Journal.open(path)
        try:
            order = journal.orders.give(key, what, operator())
            if order.state is OrderState.OPEN:
                _tell_open(order, short, path)
                if sys.stdout.isatty() if wait is None else wait:
                    order = _answered(journal, order, timeout)
                    if order.state is OrderState.OPEN:
                        _fail(
                            f"the order to {order.what.value} {short} was not carried out within "
                            f"{timeout:g} s; it stands: scheduler journal show {short}"
                        )
        finally:
            journal.close()
    if order.state is OrderState.REFUSED:
        _fail(f"the order to {order.what.value} {short} is refused: {order.result}")
    if order.state is OrderState.DONE:
        click.echo(f"{short}: {order.result}")


def _tell_open(order: Order, short: str, path: Location) -> None:
    click.echo(
        f"{short}: {order.what.value} was ordered by {order.by} at {local_time(order.at)}: with "
        f"the next block {_NEXT[order.what]}"
    )
    if not at_work(path):
        click.echo("no program runs now that carries it out: that waits until one does")


def _answered(journal: Journal, order: Order, timeout: float) -> Order:
    """The order as it is when it is answered, or when the time is over."""
    deadline = time.monotonic() + timeout
    while (now := journal.orders.one(order.id)).state is OrderState.OPEN:
        rest = deadline - time.monotonic()
        if rest <= 0:
            break
        time.sleep(min(_LOOK_SECONDS, rest))
    return now


def _fail(message: str) -> None:
    click.echo(f"scheduler: {message}", err=True)
    sys.exit(1)
