"""Final means final, until the chain says otherwise: reorgs deeper than the confirmations.

A slot counts as consumed by the block that did it. Whenever blocks went that may include such a
one, a program starts, or the account's nonce falls, the newest of these blocks is looked up; while
it is on the chain, so is everything before it. What is not is opened again.
"""

import logging
from collections.abc import Callable

from scheduler.chain.model import HeadEvent
from scheduler.transactions.intents import Told, Unmined
from scheduler.transactions.journal.reopening import Consumed
from scheduler.transactions.quarantine import Gate
from scheduler.transactions.sender import Desk

log = logging.getLogger("SENDER")

# Consumed slots to read from the journal at once.
_SLOTS_AT_ONCE = 20


class Reorgs:
    """Finds out what a deep reorg took back."""

    def __init__(self, desk: Desk, gate: Gate, confirmations: int) -> None:
        self._desk = desk
        self._gate = gate
        self._confirmations = confirmations
        # What was final may not be, and this was not looked at yet.
        self._doubtful = True

    async def look(self, event: HeadEvent, latest: int, minds: Callable[[Told], bool]) -> None:
        """Opens again what `event` says is not final, of the intents that this program `minds`.

        `latest` is how many transactions of the account are mined. Concludes nothing from a node
        that lacks blocks. Raises NodeUnavailable, RpcError, JournalUnavailable.
        """
        newest = self._desk.journal.consumed(self._desk.account, None, 1)
        self._doubtful = self._doubtful or event.rebased
        if not newest:
            self._doubtful = False
            return
        removed = event.removed[-1].number if event.removed else event.head.number + 1
        fell = latest <= newest[0].nonce
        self._doubtful = self._doubtful or fell or removed <= newest[0].block_number
        if not self._doubtful or self._gate.lags(event.head):
            return
        gone = await self._gone()
        if gone and await self._desk.node.syncing():
            return
        self._doubtful = False
        mine = [slot for slot in gone if all(minds(intent) for intent in slot.intents)]
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
            family = self._desk.family(intent)
            if family is not None:
                family.told(intent, Unmined(hash_))

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
