"""Looks after what is in flight: what is sent again, outbid, or cancelled, and when."""

from collections.abc import Sequence

from scheduler.chain.model import Head
from scheduler.errors import NotYet
from scheduler.transactions.bidding import Bidder
from scheduler.transactions.care import (
    FOREIGN_PATIENCE,
    GONE_PATIENCE,
    PATIENCE,
    OpenSlot,
    Situation,
    Step,
    step_for,
)
from scheduler.transactions.desk import Desk
from scheduler.transactions.instructions import Ordered
from scheduler.transactions.intents import Urgency
from scheduler.transactions.journal import Attempt
from scheduler.transactions.sender import Sender


class Keeper:
    """Gets every open slot consumed, unless the price to do so is too high."""

    def __init__(self, desk: Desk, sender: Sender) -> None:
        self._desk = desk
        self._sender = sender
        self._bidder = Bidder(desk, sender)
        # Since which head a bid waits, by attempt. Bytes that a reorg gave back, or that a former
        # process left, begin anew: they are sent again as they are, before they are outbid.
        self._waits_since: dict[int, int] = {}
        # Since which head the node does not have what somebody else sent, by attempt.
        self._gone_since: dict[int, int] = {}

    async def tend(
        self,
        slots: Sequence[OpenSlot],
        queue: Sequence[OpenSlot],
        head: Head,
        latest: int,
        ordered: Ordered,
        others: Sequence[OpenSlot] = (),
    ) -> bool:
        """Does for each of `slots` what it needs at `head`, and what the operator `ordered`;
        whether one turns out to be mined.

        `queue` are all of the account's open slots, other programs' among them, by nonce, and
        `latest` is how many transactions of the account are mined. `others` are those of programs
        that run, behind which urgent ones of `slots` wait: their price is raised, and the rest left
        to these programs. Raises NodeUnavailable, RpcError, JournalUnavailable, NotYet.
        """
        # One that the node signed may be mined under a hash that is still to be found.
        waiting = [
            slot
            for slot in sorted([*slots, *others], key=lambda slot: slot.nonce)
            if not slot.mined and (slot.nonce >= latest or slot.bid.hash is None)
        ]
        # The blocks that others' have missed are known: no process of theirs is gone.
        known_since = {slot.bid.id: slot.bid.head_number for slot in others}
        self._waits_since = {
            slot.bid.id: known_since.get(
                slot.bid.id, self._waits_since.get(slot.bid.id, head.number)
            )
            for slot in waiting
        }
        self._sender.broadcaster.forget_all_but(self._waits_since)
        self._bidder.forget_all_but({slot.nonce for slot in waiting})
        if not waiting:
            return False
        bids = [bid for slot in waiting for bid in slot.standing if bid.hash is not None]
        found = await self._desk.node.known([bid.hash or "" for bid in bids])
        there = [bid for bid, is_there in zip(bids, found, strict=True) if is_there]
        self._sender.broadcaster.seen(there)
        known = {bid.nonce for bid in there}
        self._gone_since = {
            slot.bid.id: self._gone_since.get(slot.bid.id, head.number)
            for slot in waiting
            if slot.foreign and slot.nonce not in known
        }
        theirs = {slot.nonce for slot in others}
        steps = [
            (slot, step)
            for slot, step in self._steps(waiting, _pressing(queue), known, head, latest, ordered)
            if step is Step.BUMP or slot.nonce not in theirs
        ]
        wanted = [(slot, step) for slot, step in steps if step in (Step.BUMP, Step.CANCEL)]
        replaced: list[Attempt] = []
        unsigned: NotYet | None = None
        try:
            replaced = await self._bidder.replaced(wanted, head, latest, ordered, theirs)
        except NotYet as error:
            # What is signed already is sent again all the same.
            unsigned = error
        bidding = {attempt.nonce for attempt in replaced}
        # All bids, the lowest first: one may be refused that an earlier one was not.
        lost = [
            bid
            for slot, step in steps
            if step is not Step.WAIT and slot.nonce not in known | bidding
            for bid in slot.standing
            if not bid.is_found
        ]
        used = False
        if lost or replaced:
            used = await self._sender.broadcast(
                sorted([*lost, *replaced], key=lambda attempt: attempt.nonce)
            )
        if unsigned is not None:
            raise unsigned
        return used

    def _steps(
        self,
        waiting: Sequence[OpenSlot],
        pressing: int | None,
        known: set[int],
        head: Head,
        latest: int,
        ordered: Ordered,
    ) -> list[tuple[OpenSlot, Step]]:
        steps: list[tuple[OpenSlot, Step]] = []
        for slot in waiting:
            bid = slot.bid
            in_front = pressing is not None and slot.nonce < pressing
            situation = Situation(
                head_number=head.number,
                tried=bid.id in self._sender.broadcaster.tried,
                refusal=self._sender.broadcaster.refusal(bid),
                missed=head.number - self._waits_since[bid.id],
                base_fee=head.base_fee,
                useful=self._useful(bid, head),
                known=slot.nonce in known,
                front=slot.nonce == latest,
                patience=PATIENCE[Urgency.URGENT if in_front else bid.limits.urgency],
                pressed=in_front,
                order=ordered.what(slot.nonce),
                in_the_way=slot.foreign and self._is_in_the_way(slot, head),
            )
            steps.append((slot, step_for(slot, situation)))
        return steps

    def _is_in_the_way(self, slot: OpenSlot, head: Head) -> bool:
        """Whether work waits behind what somebody else sent, and has waited long enough."""
        gone = head.number - self._gone_since.get(slot.bid.id, head.number)
        waited = head.number - self._waits_since[slot.bid.id]
        if gone < GONE_PATIENCE and waited < FOREIGN_PATIENCE:
            return False
        journal, account = self._desk.journal, self._desk.account
        # In quarantine all that is due waits.
        return not journal.admitted(account) or any(
            attempt.nonce > slot.nonce and not attempt.is_found
            for attempt in journal.open_attempts(account)
        )

    def _useful(self, bid: Attempt, head: Head) -> bool:
        if head.number >= bid.limits.last_block or not bid.is_placed:
            return False
        family = self._desk.family(bid.intent)
        return family is None or family.still_useful(bid.intent.kind, bid.intent.params, head)


def _pressing(queue: Sequence[OpenSlot]) -> int | None:
    """The highest nonce with work that cannot wait: whatever is below it keeps it waiting."""
    return max(
        (each.nonce for each in queue if each.bid.limits.urgency is not Urgency.NORMAL),
        default=None,
    )
