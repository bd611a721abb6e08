"""What is due in the block after next is prepared now, so that its own head finds it signed.

It was simulated for the block that it is for, on a head two blocks before that. When the next head
comes, the families have read what that block changed: what they then ask for in the very same way
is sent as it is, and the rest is prepared anew; so is what the pool shows a rival for, who would
be mined before it. Nothing is reserved for it, and it is nowhere but in memory.
"""

from collections.abc import Sequence
from dataclasses import replace

from scheduler.chain.endpoint import within
from scheduler.chain.errors import CannotSimulate, NodeUnavailable, RpcError
from scheduler.chain.model import Conditions, Hash, Head, HeadEvent
from scheduler.errors import NotYet
from scheduler.transactions.desk import Desk
from scheduler.transactions.fees import still_enters
from scheduler.transactions.intents import Intent, Progress, Told
from scheduler.transactions.journal import JournalUnavailable, Prepared
from scheduler.transactions.preparing import Preparer, replaceable
from scheduler.transactions.rivals import in_front
from scheduler.transactions.sender import Sender

# For which block after a head something is prepared.
BLOCKS_AHEAD = 2

# For how many blocks nothing is prepared after the node could not simulate.
IMPOSSIBLE_BLOCKS = 100

# The share of a slot that preparing may take, so that the next head need not wait for it.
SHARE = 0.5


class Ahead:
    """Keeps what is signed for the block after next, until the next head tells what of it holds."""

    def __init__(self, desk: Desk, sender: Sender) -> None:
        self._desk = desk
        self._sender = sender
        self._preparer = Preparer(desk, sender.pool, _to_nobody)
        self._built_on: Hash | None = None
        self._items: list[Prepared] = []
        # From which head on it is tried, again where the node could not simulate.
        self._possible_from = 0

    async def prepare(self, head: Head) -> None:
        """Prepares what will be due in the block after the one that follows `head`.

        What prevents that is no trouble yet: what is not prepared now is prepared when it is due,
        and its family and the operator are told then.
        """
        self._items = []
        # Nothing is signed in the shadow, so nothing is ready earlier.
        if self._desk.shadow or head.number < self._possible_from:
            return
        intents = [each for family in self._desk.families for each in family.upcoming(head)]
        if not intents:
            return
        try:
            self._items = await within(SHARE * self._desk.slot_time, self._prepared(intents, head))
        except CannotSimulate:
            self._possible_from = head.number + IMPOSSIBLE_BLOCKS
        except (NotYet, NodeUnavailable, RpcError, JournalUnavailable, TimeoutError):
            return
        self._built_on = head.hash

    async def _prepared(self, intents: Sequence[Intent], head: Head) -> list[Prepared]:
        conditions = await self._sender.outlook(head)
        fresh = self._preparer.admission.fresh(intents, head.number + BLOCKS_AHEAD)
        if not fresh:
            return []
        return await self._preparer.prepare(fresh, head, conditions, BLOCKS_AHEAD)

    async def look(self, head: Head) -> None:
        """Looks for rivals of what is prepared, if any of it may have some."""
        if any(item.intent.contested for item in self._items):
            await self._sender.pool.look(head)

    async def take(
        self, intents: Sequence[Intent], event: HeadEvent
    ) -> tuple[list[Prepared], list[Intent]]:
        """What is prepared of these, which are due in the block after `event`'s head; and the rest.

        Each is given out once.
        """
        items, self._items = self._items, []
        if not items or event.rebased or event.head.parent != self._built_on:
            return [], list(intents)
        due = {intent.key: intent for intent in intents}
        ready = [
            replace(item, intent=intent, head_number=event.head.number)
            for item in items
            if (intent := due.get(item.intent.key)) is not None and _is_still(item.intent, intent)
        ]
        ready = [item for item in ready if not self._is_overtaken(item, event.head)]
        ready = await self._payable(ready, event.head)
        taken = {item.intent.key for item in ready}
        return ready, [intent for intent in intents if intent.key not in taken]

    async def _payable(self, items: Sequence[Prepared], head: Head) -> list[Prepared]:
        """Those whose price is one of today; none where something else's slot is to be taken over.

        So late, a transaction that waits behind another one would miss its block.
        """
        try:
            conditions = await self._sender.conditions(head)
            market = self._desk.market(head, conditions)
        except (NotYet, NodeUnavailable, RpcError):
            return []
        if self._is_behind(conditions) and replaceable(self._desk, conditions, head):
            return []
        return [
            item
            for item in items
            if still_enters(item.transaction.fee, market, conditions.crowded, head)
        ]

    def _is_overtaken(self, item: Prepared, head: Head) -> bool:
        rivals = self._sender.pool.rivals(item.intent.to, head) if item.intent.contested else ()
        return bool(rivals) and bool(in_front(rivals, item.transaction.fee, head))

    def _is_behind(self, conditions: Conditions) -> bool:
        """Whether anything of the account waits to be mined."""
        return conditions.nonces.latest < self._desk.journal.next_nonce(self._desk.account)


def _is_still(before: Intent, now: Intent) -> bool:
    """Whether the same is asked for, on the same state of what it is about.

    How many blocks a window of seconds may last depends on when the next one came.
    """
    return before is now or replace(before, last_block=now.last_block) == now


def _to_nobody(told: Told, progress: Progress) -> None:
    """What is refused now is tried once more when it is due."""
