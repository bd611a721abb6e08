"""`scheduler …`, `eth_alarm …` and `moc_jobs …`: what was typed is parsed, and handed over.

Exit status: 0 fine, 1 it ran and something is wrong, 2 wrong usage or configuration; one line on
standard error says what to do. What a command needs is imported when it is chosen: a running
program carries no other command's libraries.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from scheduler import __version__, config
from scheduler.errors import Misconfigured, exit_status
from scheduler.launch import launch
from scheduler.plan import ETH_ALARM, MOC_JOBS, MOC_PROGRAMS, MONITOR, SCHEDULER
from scheduler.plans import key_in, moc_plan, plan_of, share
from scheduler.processes import supervised
from scheduler.spelling import spelled_output
from scheduler.stored_keys import with_stored_keys
from scheduler.transactions.secrets import private_file

_config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration file; else $SCHEDULER_CONFIG, else /etc/scheduler/config.toml.",
)


class _Commands(click.Group):
    """A group some of whose commands are imported only when they are asked for."""

    def __init__(self, *args: Any, elsewhere: Mapping[str, str], **kwargs: Any) -> None:
        """`elsewhere` maps a command's name to its place, as module:attribute."""
        super().__init__(*args, **kwargs)
        self._elsewhere = elsewhere

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self._elsewhere])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._elsewhere:
            return super().get_command(ctx, cmd_name)
        module, attribute = self._elsewhere[cmd_name].split(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=_Commands,
    elsewhere={
        "account": "scheduler.operations.account_commands:account",
        "dev": "scheduler.devchain.commands:dev",
        "disable": "scheduler.operations.boot_commands:disable",
        "doctor": "scheduler.operations.doctor_command:doctor",
        "drain": "scheduler.operations.hold_commands:drain",
        "enable": "scheduler.operations.boot_commands:enable",
        "jobs": "scheduler.operations.jobs_commands:jobs",
        "journal": "scheduler.operations.journal_commands:journal",
        "node": "scheduler.operations.node_commands:node",
        "pause": "scheduler.operations.hold_commands:pause",
        "report": "scheduler.operations.report_command:report",
        "resume": "scheduler.operations.hold_commands:resume",
        "status": "scheduler.operations.status_command:status",
    },
)
@click.version_option(__version__, prog_name=SCHEDULER)
def scheduler_commands() -> None:
    """Gets on-chain work done on time, once, and proves it."""


@scheduler_commands.group(
    "config",
    cls=_Commands,
    elsewhere={
        "clef": "scheduler.operations.signing_commands:clef",
        "needs": "scheduler.operations.signing_commands:needs",
        "show": "scheduler.operations.settings_commands:show",
        "supervisor": "scheduler.supervision:command",
    },
)
def configuration() -> None:
    """Look after a box's configuration."""


@configuration.command()
@_config_option
def check(config_file: Path | None) -> None:
    """Say whether the configuration can be read, and the secrets by nobody else."""
    settings = config.load(config_file)
    if settings.signer == "keystore" and settings.keystore is not None:
        private_file(settings.keystore.file, "the key file")
        private_file(settings.keystore.password_file, "the password file")
    key_in(settings, os.environ)
    click.echo("the configuration is fine")


@configuration.command()
@click.argument("file", type=click.Path(path_type=Path))
def flatten(file: Path) -> None:
    """Print FILE, a config.json of moc_jobs, in one line, as $MOC_JOBS_CONFIG takes it.

    Refuses one with a secret in it.
    """
    from scheduler import moc_config

    click.echo(moc_config.flattened(file))


@scheduler_commands.command()
@click.argument(
    "program", type=click.Choice([SCHEDULER, *MOC_PROGRAMS, MONITOR]), metavar="PROGRAM"
)
@_config_option
def run(program: str, config_file: Path | None) -> None:
    """Run PROGRAM in the foreground, as supervisord does.

    Waits for whatever can change outside: the node, its syncing, a contract not there yet.
    """
    settings = config.load(config_file)
    if program == MONITOR:
        _watch(settings, config.source(config_file))
    launch(share(plan_of(program, settings, patient=True), settings.moc.split))


def _watch(settings: config.Settings, source: Path | None) -> NoReturn:
    """Becomes scheduler-monitor."""
    from scheduler.operations.monitor.program import run as watch

    remarks: list[str] = []
    watch(settings, source, _heartbeat(settings, remarks), remarks)


@click.group()
@click.version_option(__version__, prog_name=ETH_ALARM)
def eth_alarm_commands() -> None:
    """The Ethereum Alarm Clock client."""


@eth_alarm_commands.command()
@click.option(
    "-a",
    "--address",
    "addresses",
    multiple=True,
    help="A contract to serve; may be given several times; else the network's own.",
)
@click.option(
    "-c",
    "--client",
    type=click.Choice(["rpc", "ipc", "ws"]),
    help="How to reach the node: HTTP (rpc, the default), IPC socket or WebSocket.",
)
@click.option("-r", "--rpchost", help="The node's host.  [default: 127.0.0.1]")
@click.option("-p", "--rpcport", type=click.IntRange(1, 65535), help="[default: 8545; ws: 8546]")
@click.option("-i", "--ipcpath", help="The node's IPC socket.")
@_config_option
def scheduler(
    addresses: Sequence[str],
    client: str | None,
    rpchost: str | None,
    rpcport: int | None,
    ipcpath: str | None,
    config_file: Path | None,
) -> None:
    """Discover scheduled calls, and execute them at their target block."""
    settings = config.load(config_file).with_overrides(
        rpc_url=_endpoint(client, rpchost, rpcport, ipcpath),
        alarm={"addresses": list(addresses)} if addresses else None,
    )
    launch(plan_of(ETH_ALARM, settings, patient=supervised()))


@eth_alarm_commands.command("addresses")
def known_addresses() -> None:
    """List the known Alarm Clock contracts."""
    from scheduler.networks import networks

    for network in networks().values():
        for contract in network.alarm:
            click.echo(f"{network.name:<12} v{contract.version:<4} {contract.address}")


def _endpoint(
    client: str | None, host: str | None, port: int | None, ipc_path: str | None
) -> str | None:
    """Where the options say that the node is; None where they say nothing. Raises Misconfigured."""
    if ipc_path is not None:
        if client not in (None, "ipc") or host is not None or port is not None:
            raise Misconfigured("--ipcpath goes with --client ipc, and without a host or port")
        return str(Path(ipc_path).expanduser().absolute())
    if client == "ipc":
        if host is not None or port is not None:
            raise Misconfigured("--client ipc takes --ipcpath, and neither host nor port")
        return str(_default_ipc_path())
    if client is None and host is None and port is None:
        return None
    if host is not None and not re.fullmatch(r"[\w.:-]+", host):
        raise Misconfigured("--rpchost: write a host name or an address alone, such as 127.0.0.1")
    name = f"[{host}]" if host and ":" in host else host or "127.0.0.1"
    scheme, default_port = ("ws", 8546) if client == "ws" else ("http", 8545)
    return f"{scheme}://{name}:{port or default_port}"


def _default_ipc_path() -> Path:
    """Where geth puts its socket: in the box's data directory, else in the user's home."""
    box = Path("/data/ethereum/geth.ipc")
    # Not Path.exists, which raises where the directory may not be entered.
    return box if os.path.exists(box) else Path("~/.ethereum/geth.ipc").expanduser()


@click.command()
@click.version_option(__version__, prog_name=MOC_JOBS)
@click.option("-n", "--network", help="A network of the configuration.  [default: mocTestnet]")
@click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration file.  [default: config.json beside the script]",
)
def moc_jobs_command(network: str | None, config_file: Path | None) -> None:
    """Do the periodic jobs of Money on Chain.

    $MOC_JOBS_CONFIG (the whole JSON) and $MOC_JOBS_NETWORK win over the flags, $ACCOUNT_PK_SECRET
    over the configuration's account.
    """
    from scheduler import moc_config

    box = config.load(None)
    environment = with_stored_keys(os.environ)
    moc = moc_config.load(config_file, network, environment, key_file=box.has_account)
    plan = moc_plan(moc, box, supervised())
    remarks = list(plan.remarks)
    launch(replace(plan, heartbeat=_heartbeat(box, remarks), remarks=remarks))


def _heartbeat(box: config.Settings, remarks: list[str]) -> dict[str, Any] | None:
    """How the heartbeat is sent, if it is; says where it is wanted and cannot be."""
    from scheduler.heartbeat.settings import Incomplete, settings

    try:
        found = settings(os.environ, box.heartbeat.interval)
    except Incomplete as error:
        remarks.append(f"no heartbeat is sent: {error}")
        return None
    return None if found is None else asdict(found)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `scheduler`."""
    _command(scheduler_commands, SCHEDULER, arguments)


def eth_alarm(arguments: Sequence[str] | None = None) -> None:
    """The command `eth_alarm`."""
    _command(eth_alarm_commands, ETH_ALARM, arguments)


def moc_jobs(arguments: Sequence[str] | None = None) -> None:
    """The command `moc_jobs`."""
    _command(moc_jobs_command, MOC_JOBS, arguments)


def _command(command: click.Command, name: str, arguments: Sequence[str] | None) -> None:
    """Runs a command and ends the process with its exit status."""
    with spelled_output():
        _run(command, name, arguments)


def _run(command: click.Command, name: str, arguments: Sequence[str] | None) -> NoReturn:
    try:
        status = command.main(
            args=None if arguments is None else list(arguments),
            prog_name=name,
            standalone_mode=False,
        )
    except click.exceptions.NoArgsIsHelpError as error:
        _end(2, error.format_message())
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        # Some of click's messages are of several lines.
        message = " ".join(error.format_message().split()).rstrip(".")
        help_command = f"{context.command_path if context else name} --help"
        _end(error.exit_code, f"{name}: {message}; see {help_command}")
    except click.Abort:
        _end(1, f"{name}: interrupted")
    except Misconfigured as error:
        lines = [f"{name}: {line}" for line in str(error).splitlines()]
        _end(exit_status(error), "\n".join(lines))
    sys.exit(status if isinstance(status, int) else 0)


def _end(status: int, message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
