"""Where a development chain keeps its files, and how its commands end that cannot go on."""

from pathlib import Path
from typing import NoReturn

import click

from scheduler.devchain.toolchain import cache_directory

DEFAULT_PORT = 8545

state_dir_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the chain's files are; by default a folder for its port in the user's cache.",
)


def default_state_directory(port: int) -> Path:
    """The folder of the chain on this port, unless another is given."""
    return cache_directory() / f"devchain-{port}"


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with this exit status and one line on standard error."""
    click.echo(f"scheduler dev: {message}", err=True)
    raise SystemExit(code)
