"""`scheduler journal …`: what was sent, why, and what became of it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import click

from scheduler.operations import journal_export, journal_listing, journal_story
from scheduler.operations.journal_file import (
    config_option,
    journal_there,
    plainly,
    speak_of_its_chain,
)
from scheduler.operations.journal_keys import only, short_names
from scheduler.operations.journal_orders import bump, cancel, retry
from scheduler.operations.journal_upkeep import copy, migrate
from scheduler.operations.wording import lenient_output, local_time, printable
from scheduler.transactions.journal import Journal
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.states import IntentState

# As many as fit on a screen.
_LISTED = 50


@click.group()
def journal() -> None:
    """See what was sent, why, and what became of it."""
    lenient_output()


for command in (bump, cancel, retry, migrate, copy):
    journal.add_command(command)


@journal.command("list")
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in IntentState]),
    multiple=True,
    help="Only intents in this state; may be given several times.",
)
@click.option("--family", help="Only intents of this family, such as alarm.")
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=_LISTED,
    show_default=True,
    help="So many of the newest; 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each, one a line.")
@config_option
def list_(
    states: tuple[str, ...],
    family: str | None,
    limit: int,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """List the newest intents, newest first."""
    chosen = [IntentState(state) for state in states]
    with plainly(), reading(journal_there(config_file)) as opened:
        short = short_names(opened.names())
        summaries = opened.summaries(chosen, family, limit or None)
        total = opened.how_many(chosen, family)
        holds = opened.holds()
        orders = opened.open_orders()
        if summaries:
            speak_of_its_chain(opened.history(summaries[0].name.key))
    if as_json:
        _print(journal_listing.json_lines(summaries, short))
    elif sys.stdout.isatty():
        journal_listing.show_table(summaries, short)
    else:
        _print(journal_listing.plain(summaries, short))
    for hold in holds:
        click.echo(printable(str(hold)), err=True)
    for order in orders:
        click.echo(
            f"{short[order.intent]}: {order.what.value} was ordered by {order.by} at "
            f"{local_time(order.at)} and is not carried out yet",
            err=True,
        )
    if len(summaries) < total:
        click.echo(f"the newest {len(summaries)} of {total}; for all: --limit 0", err=True)


@journal.command()
@click.argument("key")
@config_option
def show(key: str, config_file: Path | None) -> None:
    """Tell the whole story of the intent KEY.

    KEY is what `scheduler journal list` shows, or any part of a key that only one intent has, such
    as a call's address.
    """
    path = journal_there(config_file)
    with plainly(), reading(path) as opened:
        name = only(key, opened.names(), path)
        history = opened.history(name.key)
    speak_of_its_chain(history)
    _print(journal_story.told(history))


@journal.command()
@click.option("--json", "form", flag_value="json", default=True, help="JSON lines (the default).")
@click.option("--csv", "form", flag_value="csv", help="A line for each attempt.")
@config_option
def export(form: str, config_file: Path | None) -> None:
    """Write all that the journal holds to standard output.

    docs/journal.md says what each column means.
    """
    write = journal_export.write_csv if form == "csv" else journal_export.write_json
    with TemporaryFile("w+", encoding="utf-8", newline="") as copy:
        # What reads from us may pause, and as long as the journal is being read its file grows.
        with plainly(), reading(journal_there(config_file)) as opened:
            write(opened, copy)
        copy.seek(0)
        # Line by line: one that is cut would be spelled wrongly.
        sys.stdout.writelines(copy)
        sys.stdout.flush()


@journal.command()
@config_option
def trust(config_file: Path | None) -> None:
    """Say that the journal knows all that is on its way, and end its quarantine.

    Only for one who knows that nothing else was sent from its accounts, or that it is mined.
    """
    path = journal_there(config_file)
    with plainly():
        opened = Journal.open(path)
        try:
            accounts = opened.quarantined()
            for account in accounts:
                opened.admit(account)
                click.echo(f"{account.address} is out of quarantine")
        finally:
            opened.close()
    if not accounts:
        click.echo("no account is in quarantine; one that is new gets there when a program starts")


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        click.echo(line)
