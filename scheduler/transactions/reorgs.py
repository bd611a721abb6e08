"""Final means final, until the chain says otherwise: reorgs deeper than the confirmations.

A slot counts as consumed by the block that did it. Whenever blocks went that may include such a
one, a program starts, or the account's nonce falls, the newest of these blocks is looked up; while
it is on the chain, so is everything before it. What is not is opened again.
"""

import logging
from collections.abc import Callable, Sequence

from scheduler.chain.model import HeadEvent
from scheduler.transactions.desk import Desk
from scheduler.transactions.intents import Told, Unmined
from scheduler.transactions.journal.reopening import Consumed
from scheduler.transactions.quarantine import Gate

log = logging.getLogger("SENDER")

# Consumed slots to read from the journal at once.
_SLOTS_AT_ONCE = 20


class Reorgs:
    """Finds out what a deep reorg took back."""

    def __init__(self, desk: Desk, gate: Gate, confirmations: int) -> None:
        self._desk = desk
        self._gate = gate
        self._confirmations = confirmations
        # What was final may not be, and this was not looked at yet: all, or from this block on.
        self._doubtful = True
        self._removed: int | None = None

    def hear(self, event: HeadEvent) -> None:
        """Of blocks that were removed: kept in mind until it is looked what that means."""
        self._doubtful = self._doubtful or event.rebased
        if event.removed:
            lowest = event.removed[-1].number
            self._removed = lowest if self._removed is None else min(lowest, self._removed)

    async def look(self, event: HeadEvent, latest: int, minds: Callable[[Told], bool]) -> None:
        """Opens again what `event` says is not final, of the intents that this program `minds`.

        `latest` is how many transactions of the account are mined. Concludes nothing from a node
        that lacks blocks. Raises NodeUnavailable, RpcError, JournalUnavailable.
        """
        self.hear(event)
        newest = self._desk.journal.consumed(self._desk.account, None, 1)
        if newest and self._in_doubt(newest[0], latest):
            if self._gate.lags(event.head):
                return
            gone = await self._gone()
            if gone and await self._desk.node.syncing():
                return
            self._reopen([slot for slot in gone if any(minds(intent) for intent in slot.intents)])
        self._doubtful, self._removed = False, None

    def _in_doubt(self, newest: Consumed, latest: int) -> bool:
        fell = latest <= newest.nonce
        removed = self._removed is not None and self._removed <= newest.block_number
        self._doubtful = self._doubtful or fell or removed
        return self._doubtful

    def _reopen(self, mine: Sequence[Consumed]) -> None:
        if not mine:
            return
        log.warning(
            "a reorg deeper than %d blocks took back what was final of %s, nonces %d to %d; it is "
            "followed again, and sent again unchanged",
            self._confirmations,
            self._desk.account.address,
            mine[-1].nonce,
            mine[0].nonce,
        )
        back = self._desk.journal.reopen(self._desk.account, [slot.nonce for slot in mine])
        for intent, hash_ in back:
            self._desk.tell(intent, Unmined(hash_))

    async def _gone(self) -> list[Consumed]:
        """The consumed slots whose blocks are not on the chain any more, newest first."""
        gone: list[Consumed] = []
        below: int | None = None
        while slots := self._desk.journal.consumed(self._desk.account, below, _SLOTS_AT_ONCE):
            for slot in slots:
                if gone and slot.block_hash == gone[-1].block_hash:
                    gone.append(slot)
                    continue
                block = await self._desk.node.block(slot.block_number)
                # Another block in its place is evidence, none is not.
                if block is None or block.hash == slot.block_hash:
                    return gone
                gone.append(slot)
            below = slots[-1].nonce
        return gone
