"""Fills the supervisord program files of `conf.d/` for one machine.

`render` is the one place where that happens: scripts/demo and provisioning both use it. What
the files say about restarts is explained in docs/supervision.md.
"""

import os
import pwd
import re
import shlex
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

import click

from scheduler.errors import Misconfigured

_SECRET = re.compile(r"PASSWORD|PASSPHRASE|SECRET|PRIVATE_KEY|TOKEN|API_KEY", re.IGNORECASE)


# What every box has; the development chain is for those who ask for it.
DEFAULT = "scheduler"


@dataclass(frozen=True)
class Placement:
    """Where programs run on a machine, and as whom.

    `home` is the home directory of `user`: supervisord changes the user and leaves HOME as it
    was. `bin_dir` holds the command `scheduler`; the programs start in `directory`; their logs
    are `log_dir`/NAME-stdout.log and NAME-stderr.log. `environment` may be read by every user
    of the machine (/proc), so it takes the names of files that hold secrets, never a secret.
    `starter` is a command that does something first and then becomes the program.
    """

    user: str
    home: Path
    bin_dir: Path
    directory: Path
    log_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    starter: Sequence[str] = ()


def templates() -> dict[str, Path]:
    """The program files by program name: of the checkout, else of the installed distribution."""
    checkout = Path(__file__).parents[1] / "conf.d"
    installed = Path(sysconfig.get_path("data")) / "share" / "scheduler-kit" / "conf.d"
    for directory in (checkout, installed):
        if (directory / "scheduler.conf").is_file():
            return {path.stem: path for path in sorted(directory.glob("*.conf"))}
    raise Misconfigured(
        f"no program files in {checkout} or {installed}: install scheduler-kit again"
    )


def render(
    program: str, placement: Placement, arguments: Sequence[str] = (), *, autostart: bool = True
) -> str:
    """The text of PROGRAM's file for supervisord's conf.d, with `arguments` added to its command.

    `autostart`: whether supervisord starts it when it starts itself. Raises Misconfigured for an
    unknown program, and for a value that supervisord could not read back as it is or that looks
    like a secret.
    """
    known = templates()
    if "%" in str(placement.log_dir):
        raise Misconfigured(
            f"log_dir {str(placement.log_dir)!r}: supervisord cannot read a % in a log's path"
        )
    if program not in known:
        raise Misconfigured(f"no program {program!r}: there are {', '.join(known)}")
    environment = {
        "HOME": str(placement.home),
        "USER": placement.user,
        "LOGNAME": placement.user,
        **placement.environment,
    }
    return Template(known[program].read_text(encoding="utf-8")).substitute(
        user=_value("user", placement.user),
        starter=_value("starter", "".join(f"{shlex.quote(each)} " for each in placement.starter)),
        bin_dir=_value("bin_dir", shlex.quote(str(placement.bin_dir))),
        directory=_value("directory", str(placement.directory)),
        log_dir=_value("log_dir", str(placement.log_dir)),
        environment=_value("environment", _pairs(environment)),
        arguments=_value("arguments", "".join(f" {shlex.quote(each)}" for each in arguments)),
        autostart="true" if autostart else "false",
    )


def with_autostart(text: str, autostart: bool) -> str:
    """A program file's text, changed to say whether supervisord starts it when it starts itself."""
    line = f"autostart={'true' if autostart else 'false'}"
    return re.sub(r"(?m)^autostart=.*$", line, text)


def autostarts(text: str) -> bool:
    """Whether a program file says so; supervisord's default is that it does."""
    return not re.search(r"(?m)^autostart=(false|no|off|0)\s*$", text)


def _value(name: str, text: str) -> str:
    """`text` such that supervisord's parser gives it back: there, % starts an expansion, and
    ; or # after a blank starts a comment, which nothing can escape."""
    if not text.isprintable() or re.search(r"(^|\s)[;#]", text):
        raise Misconfigured(
            f"{name} {text!r}: supervisord cannot read line breaks, nor ; or # after a blank"
        )
    return text.replace("%", "%%")


def _pairs(environment: Mapping[str, str]) -> str:
    """KEY="value",… as supervisord's parser takes it: it knows no escapes, and strips quotes."""
    for key, value in environment.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            raise Misconfigured(f"environment: {key!r} is not the name of a variable")
        if _SECRET.search(key) and not key.upper().endswith("_FILE"):
            raise Misconfigured(
                f"environment: {key} looks like a secret, which every user of the machine could "
                f"read there: put it into a file and name the file in {key}_FILE"
            )
        if '"' in value or value.strip("'") != value:
            raise Misconfigured(f"environment: {key} holds quotes, which supervisord cannot read")
    return ",".join(f'{key}="{value}"' for key, value in environment.items())


@click.command()
@click.argument("programs", nargs=-1)
@click.option("--user", help="User to run as.  [default: the one who asks]")
@click.option(
    "--bin-dir",
    type=click.Path(path_type=Path),
    default=lambda: Path(sysconfig.get_path("scripts")),
    help="Directory of the command `scheduler`.  [default: this one's]",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path("/"),
    show_default=True,
    help="Working directory of the programs.",
)
@click.option(
    "--log-dir",
    type=click.Path(path_type=Path),
    default=Path("/var/log/supervisor"),
    show_default=True,
    help="Directory of NAME-stdout.log and NAME-stderr.log.",
)
@click.option(
    "--environment", "-e", multiple=True, metavar="NAME=VALUE", help="May be repeated; no secrets."
)
@click.option(
    "--starter",
    default="",
    metavar="COMMAND",
    help="Put before the programs' commands, written as for a shell: it becomes the program.",
)
@click.option(
    "--arguments",
    default="",
    metavar="TEXT",
    help="Added to the programs' commands, written as for a shell.",
)
@click.option(
    "--autostart/--no-autostart",
    default=None,
    help="Whether they start at boot; else as the file in --output says, else not.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Write NAME.conf into this directory instead of printing.",
)
def command(
    programs: tuple[str, ...],
    user: str | None,
    bin_dir: Path,
    directory: Path,
    log_dir: Path,
    environment: tuple[str, ...],
    starter: str,
    arguments: str,
    autostart: bool | None,
    output: Path | None,
) -> None:
    """Print supervisord files for PROGRAMS (`scheduler` if none is named), for this machine."""
    account = _account(user)
    placement = Placement(
        user=account.pw_name,
        home=Path(account.pw_dir),
        bin_dir=bin_dir.absolute(),
        directory=directory.absolute(),
        log_dir=log_dir.absolute(),
        environment=dict(_variable(each) for each in environment),
        starter=_split("--starter", starter),
    )
    added = _split("--arguments", arguments)
    texts = {
        program: render(program, placement, added, autostart=_at_boot(program, autostart, output))
        for program in programs or [DEFAULT]
    }
    for program, text in texts.items():
        if output is None:
            click.echo(text)
        else:
            _write(output / f"{program}.conf", text)


def _split(option: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Misconfigured(f"{option} {text!r}: {error}") from error


def _at_boot(program: str, chosen: bool | None, output: Path | None) -> bool:
    """What was chosen for `program`: now, else in the file that is there, else not to start."""
    present = None if output is None else output / f"{program}.conf"
    if chosen is not None or present is None or not present.exists():
        return bool(chosen)
    return autostarts(present.read_text(encoding="utf-8"))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be written: {error.strerror}; run this with sudo, or choose another "
            "--output"
        ) from error


def _account(user: str | None) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())
    except KeyError:
        raise Misconfigured(
            f"--user {user}: there is no such user: create it first (useradd --system {user})"
        ) from None


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise Misconfigured(f"--environment {text}: write it as NAME=VALUE")
    return name, value
