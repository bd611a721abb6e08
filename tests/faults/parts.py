"""The parts of the long campaign: what is harmed, where, and by what."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scheduler.devchain.nodes import Node
from tests import nodes
from tests.boxes import campaign as boxes
from tests.faults import platter
from tests.faults.campaign import (
    Site,
    Tally,
    every_happening,
    every_point,
    every_trouble,
    random_moments,
)
from tests.faults.happenings import happenings
from tests.faults.nursery import Nursery
from tests.faults.stages import SIGNERS, Calls, DearHits, Hits, Stage
from tests.faults.troubles import troubles
from tests.rskj.server import StandIn
from tests.transactions.company import Company, play
from tests.transactions.refusals import REFUSALS, UNKNOWN
from tests.transactions.rig import ETHER, Bench

# An unlocked account for each case.
MANY = ("--accounts", "1000")

# The kinds of nodes; all make blocks when they are told to. "By fees" is anvil's own order, in
# which it loses transactions that it was asked to sign, of an account whose later nonce pays more.
NODES: Mapping[str, Callable[[], AbstractContextManager[Node | StandIn]]] = {
    "anvil": lambda: nodes.anvil(automine=False, options=MANY),
    "anvil istanbul": lambda: nodes.anvil(automine=False, hardfork="istanbul", options=MANY),
    "anvil by fees": lambda: nodes.anvil(automine=False, order="fees", options=MANY),
    "geth": lambda: nodes.geth(period=0),
    "rskj": lambda: nodes.rskj(automine=False, options=("--gas-price", "0", *MANY)),
}

# By which ways each is reached; what is not told otherwise takes the first.
WAYS = {
    "anvil": ("ipc", "http", "ws"),
    "anvil istanbul": ("ipc",),
    "anvil by fees": ("ipc",),
    "geth": ("ipc", "http", "ws"),
    "rskj": ("ws", "http"),
}

KEYSTORE, *UNLOCKED = SIGNERS

# rskj has no eth_signTransaction.
NODE_SIGNERS = {"rskj": UNLOCKED[1:]}

# Seconds that 1,000 intents may take, at a block a second.
LIMIT = 600.0


@dataclass(frozen=True)
class Part:
    """One part: `harm` is done to programs that do this `work` on this node, with this signer."""

    harm: str
    work: str
    node: str
    signer: str
    way: str

    @property
    def name(self) -> str:
        return "/".join(asdict(self).values()).replace(" ", "-")


@dataclass(frozen=True)
class Share:
    """How much of a part is played: every so many-th point or trouble, so many kills at any moment,
    so many intents for each of four programs."""

    every: int = 1
    moments: int = 50
    intents: int = 250


def parts() -> list[Part]:
    """All, the quick ones first."""
    return [
        *_signed("trouble", "hits", ways=True),
        *_signed("kill at every point", "hits", ways=True),
        *_signed("power cut at every point", "hits", ways=False),
        *[
            Part(harm, "dear hits", node, signer, "ipc")
            for harm in ("kill at every point", "power cut at every point")
            for node in ("anvil", "anvil by fees")
            for signer in (SIGNERS if node == "anvil" else UNLOCKED[1:])
        ],
        *[
            Part(harm, "calls", "anvil", KEYSTORE, way)
            for harm in ("kill at every point", "power cut at every point", "trouble")
            for way in (WAYS["anvil"] if harm == "trouble" else ["ipc"])
        ],
        *[
            Part("chain", "hits", node, signer, "ipc")
            for node in ("anvil", "anvil istanbul")
            for signer in SIGNERS
        ],
        *_signed("kill at any moment", "hits", ways=False),
        *[
            Part(harm, "four programs", node, signer, WAYS[node][0])
            for harm in ("none", "kill every 5 s")
            for node, signer in (("anvil", KEYSTORE), ("geth", KEYSTORE), ("geth", "node"))
        ],
        *[Part(harm, work, "anvil", KEYSTORE, "ipc") for harm, work in boxes.harms()],
    ]


def _signed(harm: str, work: str, ways: bool) -> Iterator[Part]:
    """With every kind of signer on every node; with `ways`, the keystore by every way."""
    for node, (first, *others) in WAYS.items():
        if node == "anvil by fees":
            continue  # prices do not differ here
        yield Part(harm, work, node, KEYSTORE, first)
        yield from [Part(harm, work, node, KEYSTORE, way) for way in others if ways]
        for signer in NODE_SIGNERS.get(node, UNLOCKED):
            yield Part(harm, work, node, signer, first)


def moments_of(total: int) -> int:
    """How many kills each part has, for so many in all."""
    return -(-total // sum(part.harm == "kill at any moment" for part in parts()))


def played(part: Part, share: Share) -> dict[str, Any]:
    """Plays a part; its counts."""
    began = time.monotonic()
    if (part.harm, part.work) in boxes.harms():
        counts = boxes.played(part.harm, part.work, share.intents)
    else:
        counts = _together(part, share) if part.work == "four programs" else _alone(part, share)
    return {**asdict(part), **counts, "seconds": round(time.monotonic() - began, 1)}


def _alone(part: Part, share: Share) -> dict[str, Any]:
    with _site(part) as site:
        if part.harm == "trouble":
            tally = every_trouble(site, troubles([*REFUSALS, *UNKNOWN])[:: share.every])
        elif part.harm == "chain":
            tally = every_happening(site, happenings()[:: share.every])
        elif part.harm == "kill at any moment":
            tally = random_moments(site, share.moments, seed=1)
        else:
            tally = every_point(site, of=share.every)
    return _counted(tally)


def _counted(tally: Tally) -> dict[str, Any]:
    return {
        "crash points": len(tally.points),
        "names of them": sorted(tally.names),
        "cases": tally.cases,
        "killed": tally.killed,
        "transactions on the wire": tally.transactions,
        "wrong": tally.wrong,
    }


def _together(part: Part, share: Share) -> dict[str, Any]:
    """Four programs on one account, a block every second."""
    every = 5.0 if part.harm == "kill every 5 s" else None
    company = Company(each=share.intents, batch=10, kill_every=every)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        bench = Bench(stack.enter_context(nodes.started(part.node)))
        stack.callback(bench.endpoint.close)
        bench.counter  # noqa: B018 - deployed before the programs begin
        who = bench.key(100 * ETHER) if part.signer == KEYSTORE else bench.rich
        result = play(bench, directory, who, company, LIMIT)
    return {"cases": company.effects, "killed": result.killed, "wrong": result.wrong}


@contextmanager
def _site(part: Part) -> Iterator[Site]:
    """A place for cases."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        cut = part.harm.startswith("power cut")
        nursery = stack.enter_context(Nursery([platter.built(directory)] if cut else []))
        stage = stack.enter_context(_stage(part))
        yield Site(stage, nursery, directory, part.way, power_cut=cut)


@contextmanager
def _stage(part: Part) -> Iterator[Stage]:
    if part.work == "calls":
        with nodes.alarm_on_anvil() as chain:
            yield Calls(chain)
        return
    with NODES[part.node]() as node:
        bench = Bench(node)
        yield (Hits if part.work == "hits" else DearHits)(bench, part.signer)
        bench.endpoint.close()
