"""How a test's program follows the chain: it sees the present head when the test says so."""

from scheduler.chain.heads import HeadTracker
from scheduler.chain.model import Head, HeadEvent
from scheduler.chain.node import JsonRpcNode
from scheduler.transactions.flow import Flow


class Seeing:
    """The head loop of a program whose heads come one by one, when they are asked for."""

    node: JsonRpcNode
    flow: Flow
    tracker: HeadTracker

    async def event(self) -> HeadEvent | None:
        """What the follower of heads would report now."""
        head = await self.node.block()
        assert head is not None
        steps = self.tracker.track(head)
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send([await self.node.block(which) for which in wanted])
        except StopIteration as done:
            event: HeadEvent | None = done.value
        if event is not None:
            self.tracker.accept(event)
        return event

    async def see(self) -> Head:
        """Deals with the present head, and with all blocks since the last one that it saw."""
        event = await self.event()
        assert event is not None, "there is nothing new to see"
        await self.flow.on(event)
        return event.head
