"""What does the alarm clock cost, and how quick is it? Three tables, each beside a peer or a limit.

- `asking`: what is asked of the node per block, beside timenode-core;
- `reaction`: from a head to the node's answer, beside a bare client;
- `footprint`: memory, processor time and cold start, at 1,000 calls and behind 100,000 others.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.parts import asking, footprint, reaction
from benchmarks.parts.program import table

RESULTS = Path(__file__).parent / "results" / "alarm.json"


def keep(name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Writes a table among the others that were measured."""
    RESULTS.parent.mkdir(exist_ok=True)
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**found, name: rows}, indent=2) + "\n")


TABLES = ("asking", "reaction", "footprint")


@click.command()
@click.option(
    "--table", "chosen", type=click.Choice(TABLES), multiple=True, help="Only this one; or several."
)
@click.option("--calls", type=int, multiple=True, help="Of `asking`: only for so many calls.")
@click.option(
    "--client", type=click.Choice(asking.CLIENTS), multiple=True, help="Of `asking`: only this one."
)
@click.option("--block-time", default=12.0, help="Of `asking`: timenode-core's blocks, in seconds.")
@click.option("--scale", default=1.0, help="Of `reaction`: so many times the usual rounds.")
def main(
    chosen: Sequence[str],
    calls: Sequence[int],
    client: Sequence[str],
    block_time: float,
    scale: float,
) -> None:
    """Measure and print the tables; whole ones are kept in benchmarks/results/alarm.json."""
    short = []
    for name in chosen or TABLES:
        click.echo(f"== {name}", err=True)
        whole = True
        if name == "asking":
            whole = not (calls or client)
            rows = asking.measure(calls or asking.NUMBERS, client or asking.CLIENTS, block_time)
            short += asking.missed(rows)
        elif name == "reaction":
            whole = scale >= 1
            rows = reaction.measure(scale)
            short += reaction.missed(rows)
        else:
            rows = footprint.measure()
            short += footprint.missed(rows)
        click.echo(table(rows))
        if whole:
            keep(name, rows)
    click.echo("\n".join(short) or "all goals are met")
    sys.exit(1 if short else 0)


if __name__ == "__main__":
    main()
