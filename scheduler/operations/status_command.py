"""`scheduler status`: how the box is, in one look."""

import asyncio
import sys
from pathlib import Path

import click

from scheduler import config
from scheduler.operations import status_table
from scheduler.operations.checks.model import Level
from scheduler.operations.facts.gatherer import looked_once
from scheduler.operations.journal_file import config_option
from scheduler.operations.status import as_json, schema_text, status_of
from scheduler.operations.wording import lenient_output


@click.command()
@click.option("--json", "for_programs", is_flag=True, help="For programs: see docs/status.md.")
@click.option("--schema", "only_schema", is_flag=True, help="The JSON Schema of that, and no more.")
@config_option
def status(for_programs: bool, only_schema: bool, config_file: Path | None) -> None:
    """Show node, account, programs, journal, disk and clock, and what is wrong with them.

    Exit status 1 where something is; `scheduler doctor` says all that was looked at.
    """
    lenient_output()
    if only_schema:
        click.echo(schema_text())
        return
    settings = config.load(config_file)
    found = status_of(asyncio.run(looked_once(settings, config.source(config_file))))
    if for_programs:
        click.echo(as_json(found))
    else:
        status_table.show(found)
    if found.verdict is Level.FAIL:
        sys.exit(1)
