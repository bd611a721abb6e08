"""Which journal a command is about, and how it says that it cannot be used."""

import os
import pwd
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from scheduler import config
from scheduler.errors import Misconfigured
from scheduler.spelling import speak_of
from scheduler.transactions.journal import JournalUnavailable, Location, Remote
from scheduler.transactions.journal.records import History

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration file; else $SCHEDULER_CONFIG, else /etc/scheduler/config.toml.",
)


def journal_there(config_file: Path | None, named: Path | None = None) -> Location:
    """The journal: the file `named`, else the configuration's. Raises Misconfigured for a file that
    is not there."""
    path = named or config.load(config_file).journal_location()
    if isinstance(path, Remote):
        return path
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise Misconfigured(
            f"there is no journal at {path}; a scheduler makes it when it starts, or give the "
            'right path with journal = "…" in the configuration'
        ) from None
    except OSError:
        # Who may not look there is told so when it is opened.
        return path
    if stat.S_ISDIR(mode):
        raise Misconfigured(f"journal = {path} is a directory; name a file in it")
    return path


@contextmanager
def plainly() -> Iterator[None]:
    """A journal that cannot be read is one line on standard error and exit status 1."""
    try:
        yield
    except JournalUnavailable as error:
        click.echo(f"scheduler: {error}", err=True)
        sys.exit(1)


def speak_of_its_chain(history: History) -> None:
    """From now on addresses are those of this intent's chain, if anything was ever sent for it."""
    for attempt in history.attempts[:1]:
        speak_of(int(attempt.fields["chainId"], 16))


def operator(environment: Mapping[str, str] = os.environ) -> str:
    """Who gives an order: the user of this process, and who became that user with sudo."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    behind = environment.get("SUDO_USER")
    return f"{behind} (as {name})" if behind and behind != name else name
