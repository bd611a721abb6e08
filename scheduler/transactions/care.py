"""What an open slot needs, decided from what is known of it. Pure.

Nothing waits for ever: bytes that a node lost are sent again, a price that the blocks left behind
is raised, and a transaction that can do no good any more makes room for a cancellation.
"""

from dataclasses import dataclass
from enum import Enum

from scheduler.transactions.answers import Answer
from scheduler.transactions.fees import BASE_FEE_CHANGE_DENOMINATOR, price_at
from scheduler.transactions.intents import Told, Urgency
from scheduler.transactions.journal import Attempt
from scheduler.transactions.journal.orders import What
from scheduler.transactions.ladder import fee_of
from scheduler.transactions.states import AttemptState, Purpose

# Blocks that a transaction may miss before its price is raised: an urgent one has few to live.
PATIENCE = {Urgency.REPAIR: 1, Urgency.URGENT: 1, Urgency.NORMAL: 3}


# Blocks for which a transaction that nobody here sent may keep back work of ours: enough for
# whoever did to raise its price.
FOREIGN_PATIENCE = 10

# Blocks after which one that the node does not have (any more) counts as gone.
GONE_PATIENCE = 3

# Answers that no higher price changes.
NO_ROOM = (Answer.NONCE_TOO_HIGH, Answer.POOL_FULL)


class Step(Enum):
    """What to do with a slot now."""

    WAIT = "wait"
    RESEND = "resend"
    BUMP = "bump"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A nonce that nothing has consumed finally, and all that was signed for it, oldest first."""

    attempts: tuple[Attempt, ...]

    @property
    def nonce(self) -> int:
        return self.attempts[0].nonce

    @property
    def bid(self) -> Attempt:
        """What was signed last: it outbids all before."""
        return self.attempts[-1]

    @property
    def mined(self) -> bool:
        return any(attempt.state is AttemptState.MINED for attempt in self.attempts)

    @property
    def cancelling(self) -> bool:
        return self.bid.purpose is Purpose.CANCEL

    @property
    def foreign(self) -> bool:
        """Whether there is nothing in it yet but what somebody else sent."""
        return all(attempt.is_found for attempt in self.attempts)

    @property
    def standing(self) -> tuple[Attempt, ...]:
        """The bids that the node should have one of: once cancelled, no more of the intent's; once
        taken over, no more of the one that gave way."""
        return tuple(
            each
            for each in self.attempts
            if each.purpose is self.bid.purpose and each.intent.key == self.bid.intent.key
        )

    @property
    def began_with(self) -> Attempt:
        """The first bid for what it is for now."""
        return next(each for each in self.attempts if each.intent.key == self.bid.intent.key)

    @property
    def worst_cost(self) -> int:
        """The most that whichever of its transactions is mined takes from the account, wei."""
        return max(_worst_cost(each) for each in self.attempts)

    def others(self, attempt: Attempt) -> list[Told]:
        """The intents, but for the attempt's own, that it is open for."""
        told = {each.intent.key: each.intent for each in self.attempts if each.is_placed}
        return [each for key, each in told.items() if key != attempt.intent.key]


@dataclass(frozen=True, slots=True)
class Situation:
    """How things stand for an unmined slot.

    `tried`: this process has sent its last bid. `refusal`: why the node did not take that then, if
    so. `missed`: blocks that came while that was waiting.
    `useful`: being mined could still have the effect. `known`: the node has one of its standing
    bids. `front`: it is the account's lowest unmined nonce, so nothing but its price keeps it out
    of blocks. `patience`: blocks that it, or what waits behind it, may miss. `pressed`: something
    more urgent waits behind it. `order`: what the operator wants with it. `in_the_way`: it is
    foreign, and keeps back work of ours for too long.
    """

    head_number: int
    tried: bool
    missed: int
    base_fee: int | None
    useful: bool
    known: bool
    front: bool
    patience: int
    pressed: bool = False
    order: What | None = None
    refusal: Answer | None = None
    in_the_way: bool = False


def step_for(slot: OpenSlot, now: Situation) -> Step:
    """What the slot needs."""
    if slot.mined:
        return Step.WAIT
    if now.order is What.CANCEL and not slot.cancelling:
        return Step.CANCEL
    if now.order is What.BUMP and (now.useful or slot.cancelling):
        return Step.BUMP
    if slot.foreign:
        return Step.CANCEL if now.in_the_way else Step.WAIT
    if now.tried and now.head_number <= slot.bid.head_number:
        return Step.WAIT
    if not now.useful and not slot.cancelling:
        return Step.CANCEL
    if now.refusal in NO_ROOM:
        return Step.RESEND
    if not slot.cancelling and _is_too_cheap(slot.bid, now.base_fee):
        return Step.BUMP
    if now.refusal is Answer.REPLACEMENT_UNDERPRICED:
        return Step.BUMP
    priced_out = now.base_fee is not None and fee_of(slot.bid.fields).cap < now.base_fee
    # Behind others it waits for them, whatever it pays. But what waits behind all of them would
    # wait for one after the other.
    if now.missed >= now.patience and (now.front or priced_out or now.pressed):
        return Step.BUMP
    return Step.WAIT if now.known else Step.RESEND


def _is_too_cheap(bid: Attempt, base_fee: int | None) -> bool:
    """Whether it may be mined in the next block at a price at which it has no effect."""
    lowest = None if base_fee is None else base_fee - base_fee // BASE_FEE_CHANGE_DENOMINATOR
    return price_at(fee_of(bid.fields), lowest) < bid.limits.min_price


def slots_of(attempts: list[Attempt]) -> list[OpenSlot]:
    """The attempts by slot; both come by nonce."""
    by_nonce: dict[int, list[Attempt]] = {}
    for attempt in attempts:
        by_nonce.setdefault(attempt.nonce, []).append(attempt)
    return [OpenSlot(tuple(by_nonce[nonce])) for nonce in sorted(by_nonce)]


def _worst_cost(attempt: Attempt) -> int:
    fields = attempt.fields
    return int(fields["value"], 16) + int(fields["gas"], 16) * fee_of(fields).cap
