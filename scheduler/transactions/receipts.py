"""What became of what was sent: mined, taken back by a reorg, final, or to be sent again."""

from collections.abc import Sequence

from scheduler.chain.model import Head, HeadEvent, Receipt
from scheduler.transactions.intents import Effects, Mined, Settled, Unmined
from scheduler.transactions.journal import Attempt
from scheduler.transactions.sender import Desk, Sender
from scheduler.transactions.states import AttemptState


class Receipts:
    """Follows the open attempts of the families of one desk from block to block."""

    def __init__(self, desk: Desk, sender: Sender, confirmations: int) -> None:
        """`confirmations` is how many blocks on top of its own make an attempt's outcome final."""
        self._desk = desk
        self._sender = sender
        self._confirmations = confirmations
        # Blocks were removed, or may have been, since everything mined was asked for.
        self._doubtful = True

    async def follow(self, event: HeadEvent) -> int:
        """Brings the journal up to what `event`'s head says; how many attempts remain open.

        Asks for the receipts of what is pending, of what became final, and, where blocks were
        removed, of everything that was mined. Raises NodeUnavailable, JournalUnavailable.
        """
        self._doubtful = self._doubtful or event.rebased or bool(event.removed)
        attempts = [
            attempt
            for attempt in self._desk.journal.open_attempts(self._desk.account)
            if self._desk.family(attempt.intent) is not None
        ]
        asked = [attempt for attempt in attempts if self._to_ask(attempt, event.head)]
        receipts = await self._desk.node.receipts([attempt.hash or "" for attempt in asked])
        missing = []
        for attempt, receipt in zip(asked, receipts, strict=True):
            if attempt.state is AttemptState.MINED:
                settled = self._confirm(attempt, receipt, event.head)
                if not settled and receipt is None:
                    missing.append(attempt)
            elif receipt is not None:
                self._mine(attempt, receipt)
            elif attempt.head_number < event.head.number:
                missing.append(attempt)
        self._doubtful = False
        unsent = [attempt for attempt in attempts if attempt.hash is None]
        await self._send_again(missing, unsent)
        return len(attempts)

    def _to_ask(self, attempt: Attempt, head: Head) -> bool:
        if attempt.hash is None:
            return False
        if attempt.block_number is None:
            return True
        return self._doubtful or self._deep_enough(attempt, head)

    def _deep_enough(self, attempt: Attempt, head: Head) -> bool:
        assert attempt.block_number is not None
        return head.number - attempt.block_number >= self._confirmations

    def _mine(self, attempt: Attempt, receipt: Receipt) -> None:
        family = self._desk.family(attempt.intent)
        assert family is not None, "only attempts of this desk's families are followed"
        effects = Effects(receipt.status, receipt.logs, receipt.gas_used)
        verdict = family.judge(attempt.intent.kind, attempt.intent.params, effects)
        self._desk.journal.mined(attempt, receipt, verdict)
        family.told(attempt.intent, Mined(receipt, verdict))

    def _confirm(self, attempt: Attempt, receipt: Receipt | None, head: Head) -> bool:
        """A mined attempt, asked about again: still there and final, or taken back and moved.

        False where it is in no block any more.
        """
        family = self._desk.family(attempt.intent)
        assert family is not None
        assert attempt.hash is not None
        if receipt is not None and receipt.block_hash == attempt.block_hash:
            if self._deep_enough(attempt, head):
                self._desk.journal.final(self._desk.account, attempt)
                family.told(attempt.intent, Settled(attempt.hash))
            return True
        self._desk.journal.unmined(attempt)
        family.told(attempt.intent, Unmined(attempt.hash))
        if receipt is not None:
            self._mine(attempt, receipt)
        return receipt is not None

    async def _send_again(self, missing: Sequence[Attempt], unsent: Sequence[Attempt]) -> None:
        """Sends the same bytes again where the node has lost them, or never had them."""
        known = await self._desk.node.known([attempt.hash or "" for attempt in missing])
        lost = [attempt for attempt, there in zip(missing, known, strict=True) if not there]
        again = sorted([*lost, *unsent], key=lambda attempt: attempt.nonce)
        if again:
            await self._sender.broadcast(again)
