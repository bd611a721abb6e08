"""The long fault campaign: every crash point on every node with every signer, and any moment."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from tests import nodes
from tests.faults import platter
from tests.faults.campaign import Site, Tally, every_point, random_moments
from tests.faults.nursery import Nursery
from tests.faults.stages import SIGNERS, Calls, DearHits, Hits, Stage
from tests.transactions.rig import Bench

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "faults.json"
NODES = ("anvil", "anvil istanbul", "geth")
HARMS = ("kill", "power cut")
MOMENTS = 500


# Intents to hit a counter, by the parts that every program is made of; the same while blocks
# become dear, so that prices rise; and calls that the real program executes.
WORKS = ("hits", "dear hits", "calls")


@dataclass(frozen=True)
class Kind:
    """Of what kind a campaign is: who does what where, and what happens to it."""

    work: str
    node: str
    signer: str
    harm: str


KINDS = [
    Kind(work, node, signer, harm)
    for work in WORKS
    for node in NODES
    for signer in SIGNERS
    for harm in HARMS
    if work == "hits" or (node == "anvil" and (work == "dear hits" or signer == "keystore"))
]


@contextmanager
def stage(kind: Kind) -> Iterator[Stage]:
    """A node of its own, which makes blocks when it is told to; anvil with an unlocked account for
    each case."""
    if kind.work == "calls":
        with nodes.alarm_on_anvil() as chain:
            yield Calls(chain)
        return
    hardfork = "istanbul" if kind.node == "anvil istanbul" else None
    many = ("--accounts", "1000")
    start = (
        nodes.geth(period=0)
        if kind.node == "geth"
        else nodes.anvil(automine=False, hardfork=hardfork, options=many)
    )
    with start as node:
        bench = Bench(node)
        yield (Hits if kind.work == "hits" else DearHits)(bench, kind.signer)
        bench.endpoint.close()


@contextmanager
def site(kind: Kind) -> Iterator[Site]:
    """A place for cases."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        cut = kind.harm == "power cut"
        nursery = stack.enter_context(Nursery([platter.built(directory)] if cut else []))
        yield Site(stack.enter_context(stage(kind)), nursery, directory, power_cut=cut)


def told(kind: Kind, campaign: str, tally: Tally, seconds: float) -> dict[str, Any]:
    """Prints a campaign's counts; the same as data."""
    what = {**asdict(kind), "campaign": campaign}
    click.echo(f"{', '.join(what.values())}: {tally}")
    for line in tally.wrong:
        click.echo(f"  {line}")
    return {
        **what,
        "crash points": len(tally.points),
        "names of them": len(tally.names),
        "cases": tally.cases,
        "killed": tally.killed,
        "transactions on the wire": tally.transactions,
        "wrong": tally.wrong,
        "seconds": round(seconds, 1),
    }


def played(kind: Kind, moments: int, every: int) -> list[dict[str, Any]]:
    """Both campaigns of this kind."""
    with site(kind) as place:
        began = time.monotonic()
        tally = every_point(place, of=every)
        found = [told(kind, "every point", tally, time.monotonic() - began)]
        if moments:
            began = time.monotonic()
            tally = random_moments(place, moments, seed=1)
            found.append(told(kind, "any moment", tally, time.monotonic() - began))
    return found


@click.command()
@click.option("--work", type=click.Choice(WORKS), help="Only this work.")
@click.option("--node", type=click.Choice(NODES), help="Only on this node.")
@click.option("--signer", type=click.Choice(SIGNERS), help="Only with this signer.")
@click.option("--harm", type=click.Choice(HARMS), help="Only this harm.")
@click.option("--moments", default=MOMENTS, show_default=True, help="Random kills, in all.")
@click.option("--every", default=1, show_default=True, help="Only every so many-th crash point.")
def main(moments: int, every: int, **only: str | None) -> None:
    """Play the campaigns, print their counts, write benchmarks/results/faults.json.

    The file is written where all were played, with every point and at least 500 moments.
    """
    kinds = [kind for kind in KINDS if all(only[k] in (None, v) for k, v in asdict(kind).items())]
    if not kinds:
        raise click.UsageError(
            "there is no such campaign: beyond hits there are campaigns on anvil alone"
        )
    if platter.compiler() is None and any(kind.harm == "power cut" for kind in kinds):
        raise click.ClickException("power cuts need a C compiler: apt-get install gcc libc6-dev")
    share = -(-moments // len(kinds))
    results = [result for kind in kinds for result in played(kind, share, every)]
    if kinds == KINDS and every == 1 and moments >= MOMENTS:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    cases = sum(result["cases"] for result in results)
    wrong = sum(len(result["wrong"]) for result in results)
    click.echo(f"{cases} cases, {wrong} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
