"""Urgent before cheap: which slots urgent intents take over from others, and for what. Pure.

Work behind others waits for them, and where they are stuck for what they offer, only the lowest is
raised at a time: an urgent intent behind ten of them would miss ten blocks. In the lowest slot it
waits for none, at the price of one replacement.

Taking over costs the other intent no effect and gives it no second one. All that was signed for
either is in one slot, of which exactly one transaction is mined. Both intents stay in it until it
is consumed finally: the one whose transaction that was has its outcome, and of the other nothing
can be mined any more, so that it is planned again, and gets another slot if it is still due.

From another program nothing is taken over. What its transaction did only that program can judge,
and until it has, the slot is open and all that is in it stays there. Were the cheap one mined after
all, and its program gone, the urgent one would wait for that program, in a slot that nobody ends,
and could be given no other: its own bytes may be mined there until the slot is consumed. So the
price of what stands before it is raised instead, by whoever has the urgent work: that needs no
family, adds no intent to a slot, and of two who do it at the same time the journal takes one.
"""

from collections.abc import Sequence

from scheduler.transactions.care import OpenSlot
from scheduler.transactions.encoding import Fee
from scheduler.transactions.fees import FeePolicy, at_least
from scheduler.transactions.intents import ANY_COST, Urgency
from scheduler.transactions.ladder import fee_of, higher, next_bid


def giving_way(slots: Sequence[OpenSlot], latest: int, head_number: int) -> list[OpenSlot]:
    """Those of `slots` that urgent work may take over at this head, lowest first.

    `latest` is how many transactions of the account are mined. They are the ones from the lowest
    unmined nonce on, without a gap, that a block has left out and whose last bid is not for urgent
    work: behind any other slot the urgent intent would wait for that, and gain nothing.
    """
    found: list[OpenSlot] = []
    for slot in sorted(slots, key=lambda each: each.nonce):
        if slot.nonce < latest:
            continue
        left_out = not slot.mined and head_number > slot.bid.head_number
        cheap = slot.bid.limits.urgency is Urgency.NORMAL
        if slot.nonce != latest + len(found) or not left_out or not cheap:
            break
        found.append(slot)
    return found


def in_the_way(
    slots: Sequence[OpenSlot], own: Sequence[OpenSlot], latest: int, head_number: int
) -> list[OpenSlot]:
    """Those of `slots` which are not among `own`, and behind which urgent work of these waits.

    `latest` is how many transactions of the account are mined. They are cheap work that a block has
    left out, and for which no price is too high: whether another one is worth it only its program
    can tell. So is none that somebody else sent.
    """
    urgent = [each.nonce for each in own if each.bid.limits.urgency is Urgency.URGENT]
    looked_after = {each.nonce for each in own}
    return [
        slot
        for slot in slots
        if latest <= slot.nonce < max(urgent, default=latest)
        and slot.nonce not in looked_after
        and not slot.mined
        and not slot.bid.is_found
        and slot.bid.limits.urgency is Urgency.NORMAL
        and (slot.cancelling or slot.bid.limits.max_cost == ANY_COST)
        and head_number > slot.bid.head_number
    ]


def no_less_than(price: Fee, floor: int, base_fee: int | None) -> Fee:
    """`price`, raised where with it a unit of gas may cost less than `floor`, in wei.

    Both its parts, unlike at first: what outbids must not become less.
    """
    return price if at_least(price, floor, base_fee) == price else higher(price, floor, floor)


def outbidding(
    slots: Sequence[OpenSlot], market: Fee, policy: FeePolicy
) -> tuple[list[OpenSlot], Fee]:
    """As many of `slots`, from the first on, as may be outbid, and a price that does so for each.

    It is `market` at least. One price for all, since which intent gets which of the slots is known
    only when all were simulated.
    """
    taken: list[OpenSlot] = []
    price = market
    for slot in slots:
        last = fee_of(slot.bid.fields)
        higher = next_bid(last, price, policy.bump_percent, policy.max_gas_price)
        if higher is None:
            break
        taken.append(slot)
        price = higher
    return taken, price
