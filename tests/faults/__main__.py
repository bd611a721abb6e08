"""The long fault campaign: every crash point on every node with every signer, and any moment."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from scheduler.devchain.nodes import Node
from tests import nodes
from tests.faults import platter
from tests.faults.campaign import SIGNERS, Site, Tally, every_point, random_moments
from tests.faults.nursery import Nursery
from tests.transactions.rig import Bench

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "faults.json"
NODES = ("anvil", "anvil istanbul", "geth")
HARMS = ("kill", "power cut")
MOMENTS = 500


def started(name: str) -> AbstractContextManager[Node]:
    """A node that makes blocks when it is told to; anvil with an unlocked account for each case."""
    if name == "geth":
        return nodes.geth(period=0)
    hardfork = "istanbul" if name == "anvil istanbul" else None
    return nodes.anvil(automine=False, hardfork=hardfork, options=("--accounts", "1000"))


@contextmanager
def site(node: str, signer: str, harm: str) -> Iterator[Site]:
    """A place for cases, on a node of its own."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        bench = Bench(stack.enter_context(started(node)))
        stack.callback(bench.endpoint.close)
        cut = harm == "power cut"
        nursery = stack.enter_context(Nursery([platter.built(directory)] if cut else []))
        yield Site(bench, nursery, directory, signer, cut)


def told(tally: Tally, began: float, **what: str) -> dict[str, Any]:
    """Prints a campaign's counts; the same as data."""
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
        "seconds": round(time.monotonic() - began, 1),
    }


def played(node: str, signer: str, harm: str, moments: int, every: int) -> list[dict[str, Any]]:
    """Both campaigns of this kind."""
    what = {"node": node, "signer": signer, "harm": harm}
    with site(node, signer, harm) as place:
        began = time.monotonic()
        found = [told(every_point(place, of=every), began, **what, campaign="every point")]
        if moments:
            began = time.monotonic()
            tally = random_moments(place, moments, seed=1)
            found.append(told(tally, began, **what, campaign="any moment"))
    return found


@click.command()
@click.option("--node", type=click.Choice(NODES), help="Only on this node.")
@click.option("--signer", type=click.Choice(SIGNERS), help="Only with this signer.")
@click.option("--harm", type=click.Choice(HARMS), help="Only this harm.")
@click.option("--moments", default=MOMENTS, show_default=True, help="Random kills, in all.")
@click.option("--every", default=1, show_default=True, help="Only every so many-th crash point.")
def main(node: str | None, signer: str | None, harm: str | None, moments: int, every: int) -> None:
    """Play the campaigns, print their counts, write benchmarks/results/faults.json.

    The file is written where all were played, with every point and at least 500 moments.
    """
    kinds = [
        (one, two, three)
        for one in NODES
        for two in SIGNERS
        for three in HARMS
        if node in (None, one) and signer in (None, two) and harm in (None, three)
    ]
    if platter.compiler() is None and any(three == "power cut" for *_, three in kinds):
        raise click.ClickException("power cuts need a C compiler: apt-get install gcc libc6-dev")
    share = -(-moments // len(kinds))
    results = [result for kind in kinds for result in played(*kind, share, every)]
    if (node, signer, harm, every) == (None, None, None, 1) and moments >= MOMENTS:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    cases = sum(result["cases"] for result in results)
    wrong = sum(len(result["wrong"]) for result in results)
    click.echo(f"{cases} cases, {wrong} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
