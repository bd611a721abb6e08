"""What do several boxes cost, and how quick is another one there? Two tables.

- `takeover`: from what happens to the box that works to the other's lease, and until a transaction
  of the other's leaves it, with leases of their usual time; the goal is 15 s after a box's death;
- `journal`: reserving slots in PostgreSQL, behind leases, beside SQLite, and beside the limit of
  each: a bare commit of one small row, as durable. A round notes what was answered, too.

PostgreSQL is on the same machine, so that its network is a socket; both are on the same disk.
"""

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import click
import psycopg

from benchmarks.parts.program import table
from scheduler.transactions.custody import actor
from scheduler.transactions.journal import Journal
from scheduler.transactions.journal.database import opened
from scheduler.transactions.journal.location import Remote
from scheduler.transactions.leases import TERM_SECONDS, Leases
from tests.boxes.harms import HARMS
from tests.boxes.journals import migrated
from tests.boxes.play import take_over
from tests.postgres import Server, postgres
from tests.transactions.samples import ACCOUNT, CONTRACT, prepared

RESULTS = Path(__file__).parent / "results" / "many-boxes.json"

TAKEOVER_GOAL = 15.0
"""Seconds after the first box's death."""

DEATHS = ("killed", "stopped")

EFFECTS = 40

DUE = (1, 10, 50)
"""How many slots are reserved in one transaction."""


def takeovers(server: Server, only: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for harm in HARMS:
        if only and str(harm) not in only:
            continue
        click.echo(f"== {harm}", err=True)
        taken = take_over(server, harm, EFFECTS, TERM_SECONDS)
        rows.append(
            {
                "harm": str(harm),
                "lease/s": round(taken.seconds, 1),
                "sends/s": round(taken.sends, 1),
                "wrong": len(taken.wrong),
            }
        )
    return rows


def journals(server: Server, rounds: int) -> list[dict[str, Any]]:
    """All ways by turns, so that what else the machine does meets all alike."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="many-boxes-")))
        where = migrated(server, directory)
        leases = stack.enter_context(closing(Leases(where, "benchmark", term=3600)))
        leases.take(actor("tests", ACCOUNT, CONTRACT))
        postgresql = Journal(leases.fencing(opened(where)), time.time)
        sqlite = Journal.open(directory / "journal.db")
        for journal in (postgresql, sqlite):
            stack.callback(journal.close)
            journal.admit(ACCOUNT)
        bare = stack.enter_context(_bare_postgresql(where))
        file = stack.enter_context(closing(_bare_sqlite(directory / "bare.db")))
        rows = []
        for due in DUE:
            click.echo(f"== {due} due", err=True)
            taken = defaultdict[str, list[float]](list)
            for _ in range(rounds):
                # Signed before the clock runs.
                ways: dict[str, Callable[[], object]] = {
                    "postgresql": _ready(postgresql, due),
                    "sqlite": _ready(sqlite, due),
                    "postgresql's limit": partial(_commit, bare),
                    "sqlite's limit": partial(_commit, file),
                }
                for name, way in ways.items():
                    began = time.perf_counter()
                    way()
                    taken[name].append(time.perf_counter() - began)
            ms = {name: 1000 * statistics.median(times) for name, times in taken.items()}
            rows.append(_row(due, ms))
        return rows


def _row(due: int, ms: dict[str, float]) -> dict[str, Any]:
    return {
        "due": due,
        **{f"{name}/ms": round(value, 2) for name, value in ms.items()},
        "postgresql slots/s": round(1000 * due / ms["postgresql"]),
        "sqlite slots/s": round(1000 * due / ms["sqlite"]),
        "of sqlite": round(ms["sqlite"] / ms["postgresql"], 2),
    }


def _ready(journal: Journal, due: int) -> Callable[[], None]:
    """What reserves the next slots and notes the node's answers."""
    first = journal.next_nonce(ACCOUNT)
    items = [prepared(first + number) for number in range(due)]

    def act() -> None:
        attempts = journal.reserve(ACCOUNT, items)
        journal.broadcast([(each, each.hash or "") for each in attempts])

    return act


def _bare_postgresql(where: Remote) -> Any:
    connection = psycopg.connect(where.url, autocommit=True)
    connection.execute("CREATE TABLE bare (number integer)")
    return closing(connection)


def _bare_sqlite(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE bare (number INTEGER)")
    return connection


def _commit(connection: Any) -> None:
    connection.execute("INSERT INTO bare VALUES (1)")


def missed(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What falls short of the goals, a line each."""
    late = [row for row in rows if row["harm"] in DEATHS and row["sends/s"] > TAKEOVER_GOAL]
    return [
        *(f"{row['harm']}: the other box sends after {row['sends/s']} s" for row in late),
        *(f"{row['harm']}: {row['wrong']} wrong" for row in rows if row["wrong"]),
    ]


@click.command()
@click.option("--harm", type=click.Choice([*map(str, HARMS)]), multiple=True, help="Only this one.")
@click.option("--rounds", default=200, show_default=True, help="Of each kind of transaction.")
def main(harm: Sequence[str], rounds: int) -> None:
    """Print the tables; all harms write benchmarks/results/many-boxes.json."""
    with postgres(fsync="on") as server:
        stored = journals(server, rounds)
        click.echo(table(stored))
        taken = takeovers(server, harm)
    click.echo(table(taken))
    if not harm:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({"journal": stored, "takeover": taken}, indent=2) + "\n")
    short = missed(taken)
    click.echo(f"goal: the other box sends within {TAKEOVER_GOAL:g} s of a box's death")
    click.echo("\n".join(short) or "it is met")
    sys.exit(1 if short else 0)


if __name__ == "__main__":
    main()
