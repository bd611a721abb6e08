"""`scheduler enable` and `disable`: which programs supervisord starts when the box boots."""

from pathlib import Path

import click

from scheduler.errors import Misconfigured
from scheduler.supervision import autostarts, with_autostart

# Where Debian's supervisor looks for program files (supervisord.conf, [include]).
PROGRAM_FILES = Path("/etc/supervisor/conf.d")

_directory_option = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=PROGRAM_FILES,
    show_default=True,
    help="Where the program files are.",
)


@click.command()
@click.argument("program")
@_directory_option
def enable(program: str, directory: Path) -> None:
    """Have PROGRAM started whenever the box boots. Does not start it now."""
    _choose(program, directory, True)
    click.echo(f"{program} starts at boot; to start it now: supervisorctl start {program}")


@click.command()
@click.argument("program")
@_directory_option
def disable(program: str, directory: Path) -> None:
    """Have PROGRAM no longer started when the box boots. Does not stop it now."""
    _choose(program, directory, False)
    click.echo(f"{program} does not start at boot; to stop it now: supervisorctl stop {program}")


def _choose(program: str, directory: Path, autostart: bool) -> None:
    """Changes the program's file, which supervisord reads when it starts. Raises Misconfigured."""
    file = directory / f"{program}.conf"
    known = sorted(path.stem for path in directory.glob("*.conf"))
    if program not in known:
        raise Misconfigured(
            f"there is no program {program} on this box; there are: {', '.join(known) or 'none'}"
        )
    text = file.read_text(encoding="utf-8")
    changed = with_autostart(text, autostart)
    if autostarts(changed) != autostart:
        raise Misconfigured(f"{file} has no line autostart=, write it: sudo provision/setup.sh")
    if changed == text:
        return
    try:
        # Whole or not at all: a power cut must not leave supervisord half a file.
        partial = file.with_suffix(".new")
        partial.write_text(changed, encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        command = f"sudo scheduler {'enable' if autostart else 'disable'} {program}"
        raise Misconfigured(
            f"{file} cannot be changed: {error.strerror}; run: {command}"
        ) from error
