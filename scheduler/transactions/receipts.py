"""What became of what was sent: mined, taken back by a reorg, final, or displaced."""

from collections.abc import Mapping, Sequence
from functools import partial

from scheduler.chain.errors import RpcError
from scheduler.chain.model import Hash, Head, HeadEvent, Receipt
from scheduler.transactions.broadcast import nameless_bid
from scheduler.transactions.care import OpenSlot
from scheduler.transactions.desk import Desk
from scheduler.transactions.expectations import View
from scheduler.transactions.intents import (
    Displaced,
    Effects,
    Ended,
    Family,
    GaveWay,
    Mined,
    Progress,
    Settled,
    Told,
    Unmined,
    Verdict,
)
from scheduler.transactions.journal import Attempt
from scheduler.transactions.quarantine import Gate
from scheduler.transactions.states import AttemptState, OutcomeKind, Purpose

CANCELLED = Verdict(
    OutcomeKind.EXPIRED, "it could do no good any more, and its nonce was used for nothing"
)


class Receipts:
    """Follows the open slots of the families of one desk from block to block."""

    def __init__(self, desk: Desk, gate: Gate, confirmations: int) -> None:
        """`confirmations` is how many blocks on top of its own make an attempt's outcome final."""
        self._desk = desk
        self._gate = gate
        self._confirmations = confirmations
        # Blocks were removed, or may have been, since everything mined was asked for.
        self._doubtful = True
        # Two of one slot seem to be mined, of which one was not asked for.
        self._contradicted = False
        # Since which head a nonce is consumed on chain without a receipt of ours.
        self._consumed_since: dict[int, int] = {}

    @property
    def doubtful(self) -> bool:
        """Whether what was mined may not be any more."""
        return self._doubtful

    def hear(self, event: HeadEvent) -> None:
        """Of blocks that were removed: kept in mind until everything mined was asked for."""
        self._doubtful = self._doubtful or event.rebased or bool(event.removed)

    async def follow(self, event: HeadEvent, latest: int, slots: Sequence[OpenSlot]) -> None:
        """Brings the journal up to what `event`'s head says, in one transaction.

        `slots` are all of this desk's families that nothing has consumed finally. `latest` is how
        many transactions of the account are mined. Asks for the receipts of what is pending, of
        what became final, and, where blocks were removed, of everything that was mined. That a
        node which lacks blocks has no receipt says nothing. Families are told when it is written.
        Raises NodeUnavailable, JournalUnavailable.
        """
        self.hear(event)
        if not slots:
            self._doubtful = False
            return
        asked = [
            attempt
            for slot in slots
            for attempt in slot.attempts
            if self._desk.family(attempt.intent) is not None and self._to_ask(attempt, event.head)
        ]
        lags = self._gate.lags(event.head)
        receipts = await self._desk.node.receipts([attempt.hash or "" for attempt in asked])
        answers = {attempt.id: receipt for attempt, receipt in zip(asked, receipts, strict=True)}
        shortfalls = await self._shortfalls(asked, answers)
        by_nonce = {slot.nonce: slot for slot in slots}
        strangers = [] if lags else await self._strangers(slots, answers, event.head, latest)
        news: list[tuple[Told, Progress]] = []
        self._contradicted = False
        with self._desk.journal.together():
            unchanged = self._desk.journal.unchanged(asked)
            asked = [attempt for attempt in asked if attempt.id in unchanged]
            # What was mined and is not any more makes room first: a reorg may have swapped bids.
            for attempt in sorted(asked, key=lambda each: each.state is not AttemptState.MINED):
                receipt = answers[attempt.id]
                if receipt is not None or not lags:
                    others = by_nonce[attempt.nonce].others(attempt)
                    short = shortfalls.get(attempt.id)
                    news += self._judged(attempt, receipt, event.head, others, short)
            for slot, receipt in strangers:
                self._desk.journal.displaced(
                    self._desk.account,
                    slot.bid,
                    receipt.transaction_hash,
                    receipt.block_number,
                    receipt.block_hash,
                )
                mine = [slot.bid.intent, *slot.others(slot.bid)]
                news += [(told, Displaced(receipt.transaction_hash)) for told in mine]
        self._doubtful = lags or self._contradicted
        for told, progress in news:
            self._desk.tell(told, progress)

    async def _shortfalls(
        self, asked: Sequence[Attempt], answers: Mapping[int, Receipt | None]
    ) -> dict[int, str]:
        """What those in another block than before did not do, by attempt; read in their blocks."""
        wanted: dict[Hash, list[tuple[int, View]]] = {}
        for attempt in asked:
            receipt, view = answers[attempt.id], attempt.limits.expects.complete
            if receipt is None or view is None or attempt.purpose is not Purpose.ACT:
                continue
            if receipt.block_hash != attempt.block_hash:
                wanted.setdefault(receipt.block_hash, []).append((attempt.id, view))
        found: dict[int, str] = {}
        for block, views in wanted.items():
            try:
                states = await self._desk.node.call([view.call() for _, view in views], at=block)
            except RpcError:
                # Nodes forget the state of old blocks. What the logs say is true all the same.
                continue
            for (number, view), state in zip(views, states, strict=True):
                if not view.holds(state):
                    found[number] = view.otherwise
        return found

    def _family(self, told: Told) -> Family:
        family = self._desk.family(told)
        assert family is not None, "only slots of this desk's families are followed"
        return family

    def _to_ask(self, attempt: Attempt, head: Head) -> bool:
        if attempt.hash is None:
            return False
        if attempt.block_number is None:
            return True
        return self._doubtful or self._is_final(attempt.block_number, head)

    def _is_final(self, block_number: int, head: Head) -> bool:
        return head.number - block_number >= self._confirmations

    def _judged(
        self,
        attempt: Attempt,
        receipt: Receipt | None,
        head: Head,
        others: Sequence[Told],
        shortfall: str | None,
    ) -> list[tuple[Told, Progress]]:
        """Writes what a receipt, or its absence, says of an attempt; what there is to tell.

        `others` are the further intents of its slot: once it is final, nothing of theirs is mined.
        """
        assert attempt.hash is not None
        if attempt.state is not AttemptState.MINED:
            return [] if receipt is None else self._mined(attempt, receipt, shortfall)
        if receipt is not None and receipt.block_hash == attempt.block_hash:
            if not self._is_final(receipt.block_number, head):
                return []
            told = attempt.intent
            retries = partial(self._family(told).retries, told.kind)
            self._desk.journal.final(self._desk.account, attempt, retries)
            end: Progress = Settled(attempt.hash)
            if attempt.purpose is Purpose.CANCEL:
                end = Ended(self._cancelled(attempt))
            # One that is in another slot by now has not ended with this one.
            own = [(told, end)] if attempt.is_placed else []
            return [*own, *((other, GaveWay(attempt.hash)) for other in others)]
        self._desk.journal.unmined(attempt)
        again = [] if receipt is None else self._mined(attempt, receipt, shortfall)
        if attempt.purpose is Purpose.CANCEL:
            return again
        return [(attempt.intent, Unmined(attempt.hash)), *again]

    def _mined(
        self, attempt: Attempt, receipt: Receipt, shortfall: str | None
    ) -> list[tuple[Told, Progress]]:
        told = attempt.intent
        if attempt.purpose is Purpose.CANCEL:
            self._contradicted |= not self._desk.journal.mined(
                attempt, receipt, self._cancelled(attempt)
            )
            return []
        effects = Effects(receipt.status, receipt.logs, receipt.gas_used, shortfall=shortfall)
        verdict = self._family(told).judge(told.kind, told.params, effects)
        if not self._desk.journal.mined(attempt, receipt, verdict):
            self._contradicted = True
            return []
        return [(told, Mined(receipt, verdict))]

    def _cancelled(self, attempt: Attempt) -> Verdict:
        """What it means that this cancellation is mined."""
        who = self._desk.journal.orders.cancelled_by(self._desk.account, attempt)
        if who is None:
            return CANCELLED
        return Verdict(OutcomeKind.ABANDONED, f"{who} ordered that it be cancelled")

    async def _strangers(
        self,
        slots: Sequence[OpenSlot],
        answers: dict[int, Receipt | None],
        head: Head,
        latest: int,
    ) -> list[tuple[OpenSlot, Receipt]]:
        """Slots that a transaction which is not in the journal consumed, finally.

        A nonce below `latest` without a receipt of ours may be one that the node will find later:
        it counts only after the confirmations, and when the other transaction is seen to have them.
        One that does what a bid of the slot does is a bid of it, which the journal lost: an older
        copy was put in its place. It is followed from now on as if it had been there all the time.
        So is one that only the node signed, and whose hash got lost on the way.
        """
        gone = {
            slot.nonce: slot
            for slot in slots
            if slot.nonce < latest
            and not slot.mined
            and not any(answers.get(attempt.id) for attempt in slot.attempts)
        }
        self._consumed_since = {
            nonce: self._consumed_since.get(nonce, head.number) for nonce in gone
        }
        found = []
        for nonce, slot in gone.items():
            if head.number - self._consumed_since[nonce] < self._confirmations:
                continue
            since = min(attempt.head_number for attempt in slot.attempts)
            sent = await self._desk.node.sent_by(self._desk.account.address, nonce, since)
            if sent is None or sent.hash in [bid.hash for bid in slot.attempts]:
                continue
            nameless = nameless_bid(sent, slot.attempts)
            if nameless is not None:
                self._desk.journal.broadcast([(nameless, sent.hash)])
                continue
            like = [b for b in slot.attempts if b.purpose is Purpose.ACT and b.is_like(sent)]
            if like:
                self._desk.journal.adopt(self._desk.account, like[-1], sent, head.number)
                continue
            [receipt] = await self._desk.node.receipts([sent.hash])
            if receipt is not None and self._is_final(receipt.block_number, head):
                found.append((slot, receipt))
        return found
