"""`scheduler config show`: the settings in effect on this box."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from scheduler import config
from scheduler.chain.endpoint import shown
from scheduler.errors import Misconfigured


@click.command()
@click.argument("key", required=False)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration file; else $SCHEDULER_CONFIG, else /etc/scheduler/config.toml.",
)
def show(key: str | None, config_file: Path | None) -> None:
    """Print the settings in effect, each as KEY = VALUE; what is not set, and has no default, not.

    With KEY, such as budget.floor, the value alone, of a list each in a line, for scripts. Amounts
    are in wei. Passwords and keys in URLs are left out.
    """
    settings = config.load(config_file)
    values = dict(_flat(settings.model_dump(mode="json", by_alias=True)))
    urls = dict[str, list[str]]()
    for name, url in settings.urls:
        urls.setdefault(name, []).append(shown(url))
    values |= {name: each[0] if len(each) == 1 else each for name, each in urls.items()}
    if key is None:
        for name, value in values.items():
            if value is not None:
                click.echo(f"{name} = {json.dumps(value, ensure_ascii=False)}")
        return
    if key not in values:
        raise Misconfigured(f"there is no key {key}; there are: {', '.join(values)}")
    value = values[key]
    for each in value if isinstance(value, list) else [value]:
        if each is not None:
            click.echo(each if isinstance(each, str) else json.dumps(each))


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The keys with their values, those of tables as TABLE.KEY."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
