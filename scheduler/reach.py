"""Which node a plan means: the first of its endpoints that can be worked with, also later on."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from scheduler.chain.blocksage import BlockSage
from scheduler.chain.connection import Connection, connect
from scheduler.chain.dialect import dialect_of
from scheduler.chain.endpoint import Endpoint
from scheduler.chain.errors import NodeGone, NodeUnavailable, RpcError
from scheduler.chain.model import Address, Head, HeadEvent, Identity
from scheduler.chain.node import JsonRpcNode
from scheduler.errors import Misconfigured, NotYet
from scheduler.networks import Network, network_of, networks
from scheduler.notices import Notice
from scheduler.plan import Plan
from scheduler.preference import BEHIND_BLOCKS, Record, choice
from scheduler.spelling import speak_of
from scheduler.transactions.clef import Clef
from scheduler.transactions.journal.location import Remote

GRACE_SECONDS = 2.0
"""For how much longer than the first node that would do the others are waited for."""

PATIENCE_SECONDS = 10.0
"""For how long a node that is away is waited for where there are others, or other boxes."""

LOOK_SECONDS = 15.0
"""How often all nodes are looked at while one is worked with."""

log = logging.getLogger("CHAIN")


@dataclass(frozen=True, slots=True)
class Reached:
    """A node that can be worked with, what its chain is, and its latest block."""

    node: JsonRpcNode
    identity: Identity
    network: Network
    head: Head

    @property
    def chain_id(self) -> int:
        return self.identity.chain_id


async def account_of(plan: Plan, node: JsonRpcNode) -> Address:
    """The account that signs for the plan, which has no key of its own: the node's, or clef's.

    Raises NotYet where that does not have it, NodeUnavailable, RpcError.
    """
    holder, who = (node, "the node") if plan.clef is None else (Clef(Path(plan.clef)), "clef")
    wanted, accounts = plan.account, await holder.accounts()
    if wanted is None and not accounts:
        raise NotYet(
            f"{who} has no account to sign with; make one there and unlock it, or use "
            'signer = "keystore"'
        )
    if wanted is not None and wanted not in accounts:
        raise NotYet(
            f"{who} does not have the account {wanted}; unlock it there, correct account "
            'in the configuration, or use signer = "keystore"'
        )
    return wanted or accounts[0]


@dataclass(slots=True)
class _Way:
    """A way to a node: one that the plan names, or one beside it by which it may report its blocks,
    which may fail in silence. `why_not` tells once why it cannot be worked with."""

    connection: Connection
    is_named: bool
    record: Record = field(default_factory=Record)
    why_not: Notice = field(default_factory=lambda: Notice(log))

    def told(self, look: Reached | Exception) -> None:
        """Says of a node that the plan names, though others do, whether it would do."""
        if isinstance(look, Exception):
            self.why_not.raised(f"Node {self.connection.endpoint} is left out: {look}")
        else:
            self.why_not.cleared(f"Node {self.connection.endpoint} would do again")


class Reach:
    """The nodes of a plan, in the order of preference; a node that may report its new blocks by a
    way of its own, which the plan does not name, is tried that way first. One is worked with at a
    time; when another is to be, work starts over."""

    def __init__(self, plan: Plan) -> None:
        """Raises Misconfigured for an endpoint that can be none."""
        self._plan = plan
        self._ways: list[_Way] = []
        self._current: int | None = None
        # Which the first node had that was worked with: where there are several, no other is meant.
        self._chain_id: int | None = None
        # Those that failed, or were away, since a head was dealt with.
        self._useless: set[int] = set()
        # Other boxes, which share the journal, are one more way, behind all of this one's.
        self._boxes = Record() if isinstance(plan.location(), Remote) else None
        try:
            for each in (plan.endpoint, *plan.fallbacks):
                reporting = Endpoint.parse(each).reporting
                if reporting is not None:
                    self._ways.append(_Way(connect(reporting), False))
                self._ways.append(_Way(connect(each), True))
        except ValueError as error:
            raise Misconfigured(f"rpc-url: {error}") from error

    @property
    def has_others(self) -> bool:
        """Whether there is another way, to this node or to another, when one is away."""
        return len(self._ways) > 1

    async def node(self) -> Reached:
        """The first that can be worked with, is not behind the others, and did not fail lately.

        Raises NodeUnavailable, NotYet, RpcError as the one says that is the most worth telling.
        """
        looks = await self._looks(GRACE_SECONDS)
        chosen = self._choice(looks)
        self._useless |= {at for at, look in enumerate(looks) if isinstance(look, Exception)}
        for at, (way, look) in enumerate(zip(self._ways, looks, strict=True)):
            if at != chosen:
                await way.connection.close()
            if chosen is not None and way.is_named:
                way.told(look)
        if chosen is None:
            raise _most_telling(
                [look for way, look in zip(self._ways, looks, strict=True) if way.is_named]
            )
        found = looks[chosen]
        assert isinstance(found, Reached)
        self._current = chosen
        if self.has_others:
            self._chain_id = found.chain_id
        speak_of(found.chain_id)
        self._ways[chosen].record.taken(time.monotonic())
        return found

    async def follow(self, node: JsonRpcNode) -> AsyncIterator[HeadEvent]:
        """The heads of the present node. Raises ChainChanged; and NodeGone when another one should
        be worked with: this one is away or behind, or one that is preferred is well again."""
        has_successor = self.has_others or self._boxes is not None
        heads = node.follow(PATIENCE_SECONDS if has_successor else math.inf)
        watch = asyncio.ensure_future(self._watch() if self.has_others else asyncio.Event().wait())
        upcoming: asyncio.Future[HeadEvent] | None = None
        try:
            while True:
                upcoming = asyncio.ensure_future(anext(heads))
                await asyncio.wait({upcoming, watch}, return_when=asyncio.FIRST_COMPLETED)
                if not upcoming.done():
                    watch.result()
                try:
                    event = upcoming.result()
                except NodeGone:
                    self.failed()
                    raise
                yield event
        finally:
            watch.cancel()
            if upcoming is not None:
                upcoming.cancel()

    async def _watch(self) -> NoReturn:
        """Looks at all nodes now and then. Raises NodeGone when another should be worked with."""
        before: int | None = None
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            looks = await self._looks()
            chosen = self._choice(looks)
            for at, (way, look) in enumerate(zip(self._ways, looks, strict=True)):
                if at != self._current:
                    await way.connection.close()
                    if way.is_named:
                        way.told(look)
            if chosen not in (None, self._current) and chosen == before:
                raise NodeGone(self._reason(looks, chosen))
            # Twice in a row: a node that was started a moment ago may be gone in another.
            before = chosen

    def works(self) -> None:
        """A head was dealt with."""
        self._useless.clear()

    def failed(self) -> None:
        """The present node went away, or would not do its work: others go first for a while."""
        if self._current is not None:
            self._useless.add(self._current)
            self._ways[self._current].record.failed(time.monotonic())

    def has_better(self) -> bool:
        """Whether there is another that did not fail lately."""
        now = time.monotonic()
        return any(
            way.record.is_trusted(now) for at, way in enumerate(self._ways) if at != self._current
        )

    def yields(self) -> bool:
        """Whether it is another box's turn from now on: all nodes failed in a row, and its own may
        do the work. Less and less often, where none takes it."""
        now = time.monotonic()
        untried = set(range(len(self._ways))) - self._useless - {self._current}
        if self._boxes is None:
            return False
        yields = not untried and self._boxes.is_trusted(now)
        if yields:
            self._boxes.failed(now)
        # As long as this is asked, nothing goes well: a pause redeems nobody.
        self._boxes.taken(now)
        return yields

    def _choice(self, looks: Sequence[Reached | Exception]) -> int | None:
        now = time.monotonic()
        heads = [look.head.number if isinstance(look, Reached) else None for look in looks]
        return choice(heads, [way.record.is_trusted(now) for way in self._ways])

    def _reason(self, looks: Sequence[Reached | Exception], chosen: int) -> str:
        """Why the node at `chosen` is to be worked with, not the present one, which may count as a
        failure of that."""
        assert self._current is not None
        here, there = looks[self._current], looks[chosen]
        assert isinstance(there, Reached)
        if isinstance(here, Exception):
            self.failed()
            return f"Node {self._ways[self._current].connection.endpoint} will not do: {here}"
        if there.head.number - here.head.number > BEHIND_BLOCKS:
            return (
                f"Node {here.node.endpoint} is at block {here.head.number}, {there.node.endpoint} "
                f"at block {there.head.number}"
            )
        return f"Node {there.node.endpoint}, which is preferred, is well again"

    async def _looks(self, grace: float | None = None) -> list[Reached | Exception]:
        """What is found of each; with a `grace`, no more than so many seconds later than of the
        first that can be worked with."""
        looking = [asyncio.ensure_future(self._look(way.connection)) for way in self._ways]
        waiting = set(looking)
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if grace is not None and any(isinstance(one.result(), Reached) for one in done):
                    if waiting:
                        _, waiting = await asyncio.wait(waiting, timeout=grace)
                    break
        finally:
            for one in waiting:
                one.cancel()
        return self._of_one_chain(
            [
                NodeUnavailable(f"{way.connection.endpoint}: no answer within {grace:g} s")
                if one in waiting
                else one.result()
                for way, one in zip(self._ways, looking, strict=True)
            ]
        )

    def _of_one_chain(self, looks: Sequence[Reached | Exception]) -> list[Reached | Exception]:
        """The same without nodes of another chain than the first has: blocks of two chains cannot
        be compared, and without a network in the configuration any would do."""
        known, first = self._chain_id, None
        agreed: list[Reached | Exception] = []
        for look in looks:
            if isinstance(look, Reached):
                if first is None and known in (None, look.chain_id):
                    first = look.identity
                elif look.identity != first:
                    look = NotYet(
                        f"the node serves another chain (chain id {look.chain_id}, genesis "
                        f"{look.identity.genesis}) than the others; correct rpc-url, and name the "
                        "network that is meant"
                    )
            agreed.append(look)
        return agreed

    async def _look(self, connection: Connection) -> Reached | Exception:
        try:
            return await self._ready(JsonRpcNode(connection))
        except (NodeUnavailable, NotYet, RpcError) as error:
            return error

    async def _ready(self, node: JsonRpcNode) -> Reached:
        # One message.
        identity, syncing, head = await asyncio.gather(
            node.identity(), node.syncing(), node.block()
        )
        network = self.network(identity.chain_id)
        node.sage = BlockSage(base=network.block_time)
        node.speak(dialect_of(network.node))
        if syncing:
            raise NotYet("the node is syncing; work begins when it has caught up")
        if head is None:
            raise NotYet("the node has no block yet; work begins when it has one")
        return Reached(node, identity, network, head)

    def network(self, chain_id: int) -> Network:
        """The network with this chain id. Raises NotYet where the plan means another."""
        name, wanted = self._plan.network, self._plan.chain_id
        if wanted not in (None, chain_id):
            raise NotYet(
                f"the node serves chain id {chain_id}, but the configuration says {wanted}; start "
                "the right node, or correct chain_id or uri in the configuration"
            )
        if name is None:
            return network_of(chain_id)
        network = networks()[name]
        if chain_id not in network.chain_ids:
            raise NotYet(
                f"the node serves chain id {chain_id}, but the network {name} has "
                f"{' or '.join(map(str, network.chain_ids))}; start the right node, or correct "
                "network or rpc-url in the configuration"
            )
        return network


def _most_telling(looks: Sequence[Reached | Exception]) -> Exception:
    """What a node answers is the operator's to mend, more than that another one is away."""
    failures = [look for look in looks if isinstance(look, Exception)]
    return next((each for each in failures if isinstance(each, NotYet)), failures[0])
