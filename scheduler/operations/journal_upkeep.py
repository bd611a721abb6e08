"""`scheduler journal migrate|copy`: to this release's schema, and from a file into a database."""

from pathlib import Path

import click

from scheduler import config
from scheduler.errors import Misconfigured
from scheduler.operations.journal_file import config_option, journal_there, operator, plainly
from scheduler.pulse import at_work
from scheduler.transactions.journal.location import Remote, check_library
from scheduler.transactions.journal.upkeep import migrate as migrate_journal


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@config_option
def migrate(dry_run: bool, config_file: Path | None) -> None:
    """Bring the journal to this release's schema.

    Of a file a copy is kept as it was; programs do the same when they start, without one. In a
    PostgreSQL database only this command does it, and makes the journal where there is none.
    """
    location = journal_there(config_file)
    with plainly():
        done = migrate_journal(location, dry_run)
    is_new = done.before == 0 and isinstance(location, Remote)
    if done.before == done.now:
        click.echo(f"the journal {location} has schema {done.now} already")
    elif is_new:
        was = "would be" if dry_run else "was"
        click.echo(f"the journal {location} {was} made, with schema {done.now}")
    else:
        went = "would go" if dry_run else "went"
        click.echo(f"the journal {location} {went} from schema {done.before} to {done.now}")
    if done.backup is not None:
        click.echo(f"as it was before, it is in {done.backup}")


@click.command()
@click.argument("file", metavar="SQLITE", type=click.Path(path_type=Path))
@click.argument("url", metavar="POSTGRES-URL")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="The file whose first line is the password; else PGPASSWORD, PGPASSFILE, ~/.pgpass.",
)
def copy(file: Path, url: str, password_file: Path | None) -> None:
    """Copy the journal in the file SQLITE into the PostgreSQL database POSTGRES-URL.

    No program may run that has the file, and the database must be empty. The copy is compared with
    the journal before it counts; then all programs that still have the file are held back.
    """
    journal_there(None, file)
    target = config.remote_journal(url, file.parent, password_file)
    running = [f"{name} (process {pid})" for name, pid in at_work(file).items()]
    if running:
        raise Misconfigured(
            f"the journal {file} is in use by {', '.join(running)}; stop that first, then run this "
            "again"
        )
    check_library()
    from scheduler.transactions.journal.postgresql.copying import copy as copy_journal

    with plainly():
        content = copy_journal(file, target, operator())
    click.echo(f"the journal {file} was copied to {target}: {content}")
    click.echo(f"programs that still have {file} begin nothing new")
    click.echo(f'to go on there, write into the configuration of each box: journal = "{target}"')
