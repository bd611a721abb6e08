"""What the operator ordered, brought to whom it concerns: families, and who tends the slots."""

from collections.abc import Mapping, Sequence

from scheduler.transactions.care import OpenSlot
from scheduler.transactions.desk import Desk
from scheduler.transactions.intents import Replanned
from scheduler.transactions.journal.orders import Order, Orders, OrderState, What


class Ordered:
    """The orders that stand for some slots, by nonce; each takes a transaction, or a refusal."""

    def __init__(self, orders: Orders, standing: Mapping[int, Order]) -> None:
        self._orders = orders
        self._standing = standing

    def what(self, nonce: int) -> What | None:
        """What is ordered for this slot; None where nothing is."""
        order = self._standing.get(nonce)
        return None if order is None else order.what

    def number(self, nonce: int) -> int | None:
        """The order's number, for the transaction that carries it out."""
        order = self._standing.get(nonce)
        return None if order is None else order.id

    def refused(self, nonce: int, why: str) -> None:
        """Answers the order, if there is one: it cannot be carried out now."""
        order = self._standing.get(nonce)
        if order is not None:
            self._orders.answer(order.id, OrderState.REFUSED, why)


class Instructions:
    """Reads the journal's orders with every head."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # The last order of which the families know; what was ordered before a start they read
        # from the intents' states.
        self._told: int | None = None

    def tell(self) -> None:
        """Tells the families which of their intents the operator wants again."""
        orders = self._desk.journal.orders
        if self._told is None:
            self._told = orders.newest()
            return
        for number, who, intent in orders.retried_since(self._told, self._desk.account.chain):
            self._told = number
            self._desk.tell(intent, Replanned(who))

    def for_slots(self, slots: Sequence[OpenSlot]) -> Ordered:
        """What is ordered for these slots; orders that came too late for theirs are refused."""
        by_nonce = {slot.nonce: slot for slot in slots}
        standing = {}
        for nonce, order in self._desk.journal.orders.open(self._desk.account):
            slot = by_nonce.get(nonce)
            if slot is None:
                continue
            late = too_late(order, slot)
            if late is None:
                standing[nonce] = order
            else:
                self._desk.journal.orders.answer(order.id, OrderState.REFUSED, late)
        return Ordered(self._desk.journal.orders, standing)


def too_late(order: Order, slot: OpenSlot) -> str | None:
    """Why the order can do nothing in the slot any more; None where it can. Pure."""
    if slot.bid.intent.key != order.intent:
        return f"nonce {slot.nonce} was taken over by {slot.bid.intent.key}"
    for attempt in slot.attempts:
        if attempt.block_number is not None:
            return f"it is in block {attempt.block_number} already"
    if order.what is What.CANCEL and slot.cancelling:
        return "it is being cancelled already"
    return None
