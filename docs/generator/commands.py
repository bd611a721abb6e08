"""docs/cli.md: what the commands say of themselves."""

import inspect
from collections.abc import Iterator

import click

from scheduler import cli
from scheduler.plan import ETH_ALARM, MOC_JOBS, SCHEDULER

COMMANDS = {
    SCHEDULER: cli.scheduler_commands,
    ETH_ALARM: cli.eth_alarm_commands,
    MOC_JOBS: cli.moc_jobs_command,
}


def sections() -> dict[str, str]:
    """One for each of the three commands: all that can be typed, in alphabetical order."""
    return {
        f"commands:{name}": "\n\n".join(_told(context) for context in _contexts(name, command))
        for name, command in COMMANDS.items()
    }


def _contexts(name: str, command: click.Command) -> Iterator[click.Context]:
    """Those that do something, with all commands below."""
    yield from _below(click.Context(command, info_name=name))


def _below(context: click.Context) -> Iterator[click.Context]:
    command = context.command
    if not isinstance(command, click.Group):
        yield context
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        if not child.hidden:
            yield from _below(click.Context(child, info_name=name, parent=context))


def _told(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"### `{context.command_path}`", f"```\n{usage}\n```", _help(command)]
    rows = [
        f"| `{each.get_help_record(context)[0]}` | {_cell(each.get_help_record(context)[1])} |"
        for each in command.params
        if isinstance(each, click.Option) and not each.hidden
    ]
    if rows:
        parts.append("\n".join(["| option | what it does |", "|---|---|", *rows]))
    return "\n\n".join(part for part in parts if part)


def _help(command: click.Command) -> str:
    """Its words, without click's mark for paragraphs that are not to be wrapped."""
    return inspect.cleandoc(command.help or "").replace("\b\n", "").strip()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
