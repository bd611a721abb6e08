"""Others' transactions to what ours are for: which of them would be mined before ours. Pure.

A block's producer takes first what leaves it more per gas; of two that leave the same, what it has
known for longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.chain.model import Address, Call, Head, Sent
from scheduler.transactions.encoding import DynamicFee, Fee, LegacyFee
from scheduler.transactions.fees import base_fee_after, lowest_base_fee_after


@dataclass(frozen=True, slots=True)
class Rival:
    """A transaction of somebody else's that the node would mine next."""

    sender: Address
    sent: Sent

    def call(self, base_fee: int | None) -> Call:
        """What it does in a block with this base fee; at that price at the least, since nodes
        simulate nothing below it."""
        sent = self.sent
        price = sent.cap if base_fee is None else max(base_fee, min(sent.cap, base_fee + sent.tip))
        return Call(
            sent.to or "", sent.data, self.sender, sent.value, gas=sent.gas, gas_price=price
        )

    def leaves(self, head: Head) -> int:
        """The most per gas that the producer of the block after `head` gets from it, in wei."""
        if head.base_fee is None:
            return self.sent.cap
        return min(self.sent.tip, self.sent.cap - lowest_base_fee_after(head.base_fee, 1))


def in_front(rivals: Sequence[Rival], fee: Fee, head: Head) -> list[Rival]:
    """Those that may be mined in the block after `head` before what is sent now at `fee`."""
    ours = _leaves(fee, head)
    found = [rival for rival in rivals if rival.leaves(head) >= ours]
    return sorted(found, key=lambda rival: rival.leaves(head), reverse=True)


def overtaking(rival: Rival, head: Head) -> Fee:
    """The lowest fee that is mined before this one in the block after `head`, if that has room,
    whatever its base fee is."""
    more = rival.leaves(head) + 1
    if head.base_fee is None:
        return LegacyFee(more)
    return DynamicFee(base_fee_after(head.base_fee, 1) + more, more)


def _leaves(fee: Fee, head: Head) -> int:
    """The least per gas that the producer of the block after `head` gets at this fee, in wei."""
    if isinstance(fee, LegacyFee) or head.base_fee is None:
        return fee.cap
    return min(fee.tip, fee.max_fee - base_fee_after(head.base_fee, 1))
