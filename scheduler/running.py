"""A program at work: its life with each head, as long as its chain, node and contracts stay."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from scheduler.agenda import SHOWN, Appointment
from scheduler.alarm.family import AlarmClock
from scheduler.chain.blocksage import Heartbeat
from scheduler.chain.errors import (
    ChainChanged,
    FirstBlockMissing,
    NodeGone,
    NodeUnavailable,
    RpcError,
)
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.model import Head, HeadEvent
from scheduler.chain.node import JsonRpcNode
from scheduler.errors import NotYet, Outdated
from scheduler.health import Vitals, together
from scheduler.jobs.family import JobFamily
from scheduler.networks import Network
from scheduler.reach import Reach
from scheduler.roster import LOOK_AGAIN_BLOCKS, Roster
from scheduler.transactions.flow import Flow
from scheduler.transactions.leases import Leases

FAILING_SECONDS = 60.0
"""For how long a node is worked with, where there are others, or other boxes, whose heads come, but
that does not answer, or refuses, what the work needs."""


@dataclass(slots=True)
class Running:
    """A program that has everything it needs. At block `looked_at` its contracts were looked at;
    `held` are its journal and its locks."""

    node: JsonRpcNode
    network: Network
    chain: str
    flow: Flow
    families: Sequence[AlarmClock | JobFamily]
    roster: Roster
    looked_at: int
    heartbeat: Heartbeat
    held: ExitStack
    reach: Reach
    leases: Leases | None = None
    same_chain: bool = False
    failing_since: float | None = None

    def follow(self) -> AsyncIterator[HeadEvent]:
        return self.reach.follow(self.node)

    async def on(self, event: HeadEvent) -> None:
        """See Work. Where there are other nodes, or boxes, one that answers no more than its heads
        is left, too: it may have lost what it needs, or refuse what it is asked."""
        try:
            await self._on(event)
        except (NodeUnavailable, RpcError) as error:
            self._fails(str(error), error)
            raise
        except NotYet:
            # What is kept back, for whatever reason, tells nothing of the node.
            self._judge()
            raise
        self._judge()
        if self.failing_since is None:
            self.reach.works()

    def _judge(self) -> None:
        """Whether the node took anything of what it was given at this head, if that was anything.
        Raises NodeGone."""
        if self.flow.rejection is None:
            self.failing_since = None
        else:
            self._fails(self.flow.rejection)

    def _fails(self, why: str, error: Exception | None = None) -> None:
        """Takes note that the node is of no use. Raises NodeGone where that is so for long, and
        there is something better."""
        now = time.monotonic()
        self.failing_since = self.failing_since or now
        if now - self.failing_since <= FAILING_SECONDS:
            return
        if self.leases is not None and self.reach.yields():
            self.leases.give_way("as its node does not do what the work needs")
        elif not self.reach.has_better():
            return
        self.reach.failed()
        raise NodeGone(f"Node {self.node.endpoint} is of no use: {why}") from error

    async def _on(self, event: HeadEvent) -> None:
        self._check_leases()
        if event.rebased or not self.same_chain:
            await self._check_chain()
        self.heartbeat.beat(event.head)
        try:
            await self.flow.on(event)
        finally:
            await self._check_contracts(event.head)

    def waited(self, seconds: float) -> None:
        self._check_leases()
        self.heartbeat.waited(seconds)

    def counts(self) -> Mapping[str, int]:
        calls = Counter[str]()
        for family in self.families:
            calls.update(family.counts())
        shadowed = {"shadowed": self.flow.shadowed} if self.flow.shadowed else {}
        return {**calls, "due": self.flow.due, "in_flight": self.flow.in_flight, **shadowed}

    def agenda(self) -> list[Appointment]:
        """What is next, the nearest first of each kind of time."""
        found = [each for family in self.families for each in family.agenda(SHOWN)]
        return sorted(found, key=lambda each: (each.unit, each.at))[:SHOWN]

    def vitals(self) -> Vitals:
        """Those of the families, and whether there is a chain that moves."""
        still = "no block came for long" if self.heartbeat.is_stuck else None
        chain = Vitals(tuple(filter(None, (self.node.away, still))))
        return together([chain, *(family.vitals() for family in self.families)])

    def _check_leases(self) -> None:
        """Raises LeaseLost."""
        if self.leases is not None:
            self.leases.check_here()

    async def _check_chain(self) -> None:
        """Raises ChainChanged unless this is the chain for which the program was put together.

        Following compares with what it saw first, and a development chain may have been reset
        before that: nonces of one chain must not be used on another.
        """
        self.same_chain = False
        try:
            found = await fingerprint(self.node, self.network.development)
        except FirstBlockMissing:
            found = None
        if found != self.chain:
            raise ChainChanged(f"{self.node.endpoint} serves another chain than a moment before")
        self.same_chain = True

    async def _check_contracts(self, head: Head) -> None:
        """Raises Outdated where the jobs' contracts have another code than they were found with."""
        if self.roster.jobs and head.number - self.looked_at >= LOOK_AGAIN_BLOCKS:
            change = await self.roster.change(self.node, head)
            if change is not None:
                raise Outdated(change)
            self.looked_at = head.number

    async def close(self) -> None:
        self.flow.close()
        self.held.close()
        await self.node.close()
