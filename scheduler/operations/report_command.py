"""`scheduler report`: what was earned and spent."""

import io
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click

from scheduler.operations import report_listing
from scheduler.operations.journal_file import config_option, journal_there, plainly
from scheduler.operations.report import By, Statement, statements
from scheduler.operations.wording import lenient_output
from scheduler.spelling import speak_of
from scheduler.transactions.journal.reading import reading

_DAY = "%Y-%m-%d"


@click.command()
@click.option("--csv", "as_csv", is_flag=True, help="For programs: amounts are integers, in wei.")
@click.option(
    "--since",
    type=click.DateTime([_DAY]),
    metavar="DATE",
    help="Only this day (YYYY-MM-DD, UTC) and those after it.",
)
@click.option("--days", type=click.IntRange(1, 36_500), help="Only so many days (UTC), with today.")
@click.option(
    "--by",
    type=click.Choice([by.value for by in By]),
    help="A line for each call (and job), or for each day.  [default: both]",
)
@click.option(
    "--journal", "file", type=click.Path(path_type=Path), help="The journal's file, or a copy's."
)
@config_option
def report(
    as_csv: bool,
    since: datetime | None,
    days: int | None,
    by: str | None,
    file: Path | None,
    config_file: Path | None,
) -> None:
    """Show what was earned, spent, put at stake and lost, by call and by day.

    The net of all lines is by how much the account's balance changed through what was sent.
    """
    if since is not None and days is not None:
        raise click.UsageError("--since and --days exclude one another; give one of them")
    if days is not None:
        since = datetime.fromtimestamp(time.time(), timezone.utc) - timedelta(days=days - 1)
    first = None if since is None else since.strftime(_DAY)
    lenient_output()
    chosen = list(By) if by is None else [By(by)]
    with plainly(), reading(journal_there(config_file, file)) as opened:
        bookings = list(opened.bookings())
        waiting, unknown = opened.on_their_way(), opened.unknown()
    if as_csv:
        out = io.StringIO()
        report_listing.write_csv(statements(bookings, chosen, first), chosen, out)
        click.echo(out.getvalue(), nl=False)
        return
    ways = [statements(bookings, [each], first, waiting, unknown) for each in chosen]
    for of_account in zip(*ways, strict=True):
        _show(chosen, of_account)
    if not ways[0]:
        click.echo("nothing was sent yet")


def _show(ways: list[By], of_account: tuple[Statement, ...]) -> None:
    """One account's statements, each by one of `ways`."""
    speak_of(of_account[0].chain_id)
    click.echo(report_listing.heading(of_account[0]))
    for by, statement in zip(ways, of_account, strict=True):
        click.echo()
        if sys.stdout.isatty():
            report_listing.show_table(statement, by)
        else:
            for line in report_listing.plain(statement, by):
                click.echo(line)
    click.echo()
    for remark in report_listing.remarks(of_account[0]):
        click.echo(remark)
    click.echo()
