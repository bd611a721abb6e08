"""Following a node's head for ever: by subscription, else by polling, through every outage."""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

from scheduler.chain import codec
from scheduler.chain.blocks import blocks
from scheduler.chain.blocksage import BlockSage
from scheduler.chain.connection import Connection
from scheduler.chain.errors import ChainChanged, NodeGone, NodeUnavailable, RpcError
from scheduler.chain.heads import HeadTracker
from scheduler.chain.jsonrpc import Json
from scheduler.chain.landmarks import Landmarks, landmarks
from scheduler.chain.model import Head, HeadEvent
from scheduler.chain.outage import Outage
from scheduler.chain.transport import Subscription

_log = logging.getLogger("CHAIN")

LONGEST_SILENCE = 60.0
"""Seconds after which a silent subscription is doubted, however slow the blocks seem to be."""

_GRACE = 1.0
"""Seconds that a report may come later than the answer to a question."""


class Follower:
    """The heads of the node at `connection`, linked to one another.

    `quiet` is the number of seconds without a head (at least three block times) after which the
    node is asked whether the subscription is still alive. `patience` is for how many seconds a node
    that is away is waited for; `outage` says whether it is now.
    """

    def __init__(
        self,
        connection: Connection,
        sage: BlockSage,
        tracker: HeadTracker | None = None,
        quiet: float = 10.0,
        patience: float = math.inf,
    ) -> None:
        self._connection = connection
        self._sage = sage
        self._tracker = tracker or HeadTracker()
        self._quiet = quiet
        self._waits_for = patience
        self.outage = Outage(f"Node {connection.endpoint}")
        self._subscribes = connection.can_subscribe
        self._landmarks: Landmarks | None = None
        self._unsure = False

    async def events(self) -> AsyncIterator[HeadEvent]:
        """Every new tip; a node that is away or refuses is waited for.

        Raises ChainChanged, NodeGone.
        """
        clock = asyncio.get_running_loop().time
        while True:
            try:
                async with aclosing(self._heads()) as heads:
                    async for head in heads:
                        event = await self._link(head)
                        self.outage.works(clock())
                        if event:
                            yield event
            except NodeUnavailable as error:
                delay = self.outage.failed(f"Node {error}", clock())
                away = self.outage.lasts(clock())
                if away > self._waits_for:
                    raise NodeGone(f"{error}; it has been away for {away:.0f} s") from error
            except RpcError as error:
                delay = self.outage.failed(
                    f"Node {self._connection.endpoint} refuses: {error}", clock()
                )
            await asyncio.sleep(delay)

    async def _link(self, head: Head) -> HeadEvent | None:
        """The event that `head` makes, with the blocks between fetched where there are any."""
        steps = self._tracker.track(head)
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(await blocks(self._connection, wanted))
        except StopIteration as done:
            event: HeadEvent | None = done.value
        if event is None:
            return None
        if event.removed or event.rebased or self._unsure:
            await self._check_chain()
        if event.rebased:
            await self._seed_sage(head)
        # Only now: had one of these questions failed, the event would be lost.
        self._tracker.accept(event)
        for block in event.added:
            self._sage.observe(block)
        return event

    async def _seed_sage(self, head: Head) -> None:
        # Not block 0: on development chains its time may be 1970.
        older = max(1, head.number - self._sage.window)
        if older < head.number:
            # A node that does not keep it leaves the sage to learn from what comes.
            with suppress(RpcError):
                (block,) = await blocks(self._connection, [older])
                if block:
                    self._sage.observe(block)

    async def _heads(self) -> AsyncGenerator[Head, None]:
        """The latest head, then whatever the node reports, until something fails."""
        await self._check_chain()
        if self._subscribes:
            try:
                subscription = await self._connection.subscribe("newHeads")
            except RpcError as error:
                self._subscribes = False
                _log.warning(
                    "Node %s refuses to report new blocks (%s): asking for them instead.",
                    self._connection.endpoint,
                    error,
                )
        heads = self._subscribed(subscription) if self._subscribes else self._polled()
        async with aclosing(heads):
            async for head in heads:
                yield head

    async def _subscribed(self, subscription: Subscription) -> AsyncGenerator[Head, None]:
        # Asked for after the subscription began, so that no block falls between the two.
        yield await self._latest()
        doubted = False
        while True:
            try:
                item = await subscription.next(_GRACE if doubted else self._patience())
            except TimeoutError:
                if doubted:
                    await self._connection.close()
                    raise NodeUnavailable(
                        f"{self._connection.endpoint}: it has newer blocks than it reports"
                    ) from None
                latest = await self._latest()
                # A newer block than those reported: unless its report is on its way just now.
                doubted = self._tracker.tip is None or latest.number > self._tracker.tip.number
                yield latest
            else:
                doubted = False
                # After a slow round several may wait: what was decided on an old one would come
                # late. The blocks between are fetched.
                yield await self._complete(subscription.last() or item)

    async def _polled(self) -> AsyncGenerator[Head, None]:
        while True:
            yield await self._latest()
            await asyncio.sleep(min(1.0, max(0.1, self._sage.block_time / 10)))

    def _patience(self) -> float:
        return min(LONGEST_SILENCE, max(self._quiet, 3 * self._sage.block_time))

    async def _latest(self) -> Head:
        (head,) = await blocks(self._connection, [None])
        if head is None:
            raise NodeUnavailable(f"{self._connection.endpoint}: it has no latest block")
        return head

    async def _complete(self, item: Json) -> Head:
        """The reported header; on rskj it lacks the minimum gas price, which the block has."""
        head = self._connection.understand(codec.head, item)
        tip = self._tracker.tip
        if head.minimum_gas_price is None and tip and tip.minimum_gas_price is not None:
            (block,) = await blocks(self._connection, [head.hash])
            return block or head
        return head

    async def _check_chain(self) -> None:
        """Makes sure that this is the chain that it was. Raises ChainChanged."""
        now = await landmarks(self._connection)
        before = self._landmarks or now
        if now.differ(before):
            raise ChainChanged(
                f"{self._connection.endpoint} serves another chain than before:"
                f" chain id {now.chain_id}, genesis {now.genesis}, first block {now.first};"
                f" it was {before.chain_id}, {before.genesis}, {before.first}"
            )
        self._landmarks = now if before.first is None else before
        self._unsure = before.first is not None and now.first is None
