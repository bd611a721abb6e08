"""`scheduler doctor`: what is wrong on this box."""

import sys
from pathlib import Path

import click

from scheduler import config
from scheduler.operations import liveness
from scheduler.operations.journal_file import config_option


@click.command()
@click.option(
    "--liveness",
    "only_liveness",
    is_flag=True,
    required=True,
    help="Only whether the programs here turn, and their database: what a new start mends.",
)
@config_option
def doctor(only_liveness: bool, config_file: Path | None) -> None:
    """Say whether the programs of this box are well; exit status 1 where they are not."""
    fine, line = liveness.report(config.load(config_file).journal_file())
    if not fine:
        click.echo(f"scheduler: {line}", err=True)
        sys.exit(1)
    click.echo(line)
