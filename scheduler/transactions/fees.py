"""A transaction's first price: enough to be included in time, never above a ceiling."""

from dataclasses import dataclass

from scheduler.chain.model import Head
from scheduler.transactions.encoding import DynamicFee, Fee, LegacyFee
from scheduler.transactions.ladder import GETH_PERCENT

# EIP-1559: from one block to the next the base fee changes by at most one eighth.
BASE_FEE_CHANGE_DENOMINATOR = 8

# Half the smallest gas limit that a block can have (Yellow Paper, section 4.4.4: 5,000). A full
# block of an odd limit uses one gas more than twice its target, which the rule counts, too.
SMALLEST_GAS_TARGET = 2_500

# Steps of base fee that a price survives: two, so that bytes signed one block ahead still enter.
STEPS_AHEAD = 2


class FeeTooHigh(Exception):
    """What inclusion costs now is above the operator's ceiling."""


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """What the operator allows. `max_gas_price` is the ceiling, `min_tip` the floor of the tip.

    Both are in wei per gas; None for the ceiling means that only the intent's own worth limits.
    `bump_percent` is by how much the node wants a replacement to outbid.
    """

    max_gas_price: int | None = None
    min_tip: int = 0
    bump_percent: int = GETH_PERCENT


def base_fee_after(base_fee: int, blocks: int) -> int:
    """The highest base fee possible `blocks` blocks later, wei per gas (EIP-1559).

    A full block raises it by an eighth (rounded up for any gas limit), and by at least one wei.
    """
    for _ in range(blocks):
        excess = base_fee * (SMALLEST_GAS_TARGET + 1) // SMALLEST_GAS_TARGET
        base_fee += max(excess // BASE_FEE_CHANGE_DENOMINATOR, 1)
    return base_fee


def lowest_base_fee_after(base_fee: int, blocks: int) -> int:
    """The lowest base fee possible so many `blocks` later: empty ones lower it by an eighth."""
    for _ in range(blocks):
        base_fee -= base_fee // BASE_FEE_CHANGE_DENOMINATOR
    return base_fee


def first_price(head: Head, suggested: int, policy: FeePolicy, blocks_ahead: int = 1) -> Fee:
    """The price at which a transaction starts that is for the block so many after `head`, at most
    STEPS_AHEAD.

    `suggested` is the node's idea, in wei per gas: of the tip where blocks have a base fee, else
    of the whole price. Raises FeeTooHigh where not even that block's base fee and the tip fit
    below the ceiling; a cap that allows for more than that is cut down to the ceiling.
    """
    ceiling = policy.max_gas_price
    if head.base_fee is None:
        price = max(suggested, head.minimum_gas_price or 0, policy.min_tip)
        if ceiling is not None and price > ceiling:
            raise FeeTooHigh(_too_high(ceiling))
        return LegacyFee(price)
    tip = max(suggested, policy.min_tip)
    needed = base_fee_after(head.base_fee, blocks_ahead) + tip
    if ceiling is not None and needed > ceiling:
        raise FeeTooHigh(_too_high(ceiling))
    cap = base_fee_after(head.base_fee, STEPS_AHEAD) + tip
    return DynamicFee(cap if ceiling is None else min(cap, ceiling), tip)


def in_a_crowd(fee: Fee, crowded: int, policy: FeePolicy) -> Fee:
    """`fee`, with a tip that enters a full block as the latest were, as far as the ceiling lets it.

    `crowded` is the tip above which those were entered, wei per gas; 0 where none was full.
    """
    if isinstance(fee, LegacyFee) or not crowded or crowded < fee.tip:
        return fee
    tip = crowded + 1
    cap = fee.max_fee + tip - fee.tip
    if policy.max_gas_price is not None:
        cap = min(cap, policy.max_gas_price)
    return DynamicFee(cap, min(tip, cap))


def at_least(fee: Fee, price: int, base_fee: int | None, blocks_ahead: int = 1) -> Fee:
    """`fee`, if a unit of gas costs no less than `price` wei with it, whatever base fees do soon.

    Otherwise one with which it costs the same in every block: `price`, or what certainly enters
    the block that it is for, so many after the last one, which has `base_fee`.
    """
    if isinstance(fee, LegacyFee) or base_fee is None:
        return fee if fee.cap >= price else LegacyFee(price)
    if price_at(fee, lowest_base_fee_after(base_fee, STEPS_AHEAD)) >= price:
        return fee
    exact = max(price, price_at(fee, base_fee_after(base_fee, blocks_ahead)))
    return DynamicFee(exact, exact)


def at_most(fee: Fee, price: int) -> Fee:
    """`fee`, cut down so that a unit of gas costs no more than `price` wei in any block."""
    if isinstance(fee, LegacyFee):
        return LegacyFee(min(fee.gas_price, price))
    return DynamicFee(min(fee.max_fee, price), min(fee.tip, price))


def still_enters(fee: Fee, market: Fee, crowded: int, head: Head) -> bool:
    """Whether what was signed at `fee` enters the block after `head`, whatever its base fee is.

    It must leave the tip `crowded` where blocks are full; where they are not, any tip does. Without
    base fees it must be today's price, `market`.
    """
    if isinstance(fee, LegacyFee) or head.base_fee is None:
        return fee.cap >= market.cap
    highest = base_fee_after(head.base_fee, 1)
    return price_at(fee, highest) >= highest + crowded


def price_at(fee: Fee, base_fee: int | None) -> int:
    """What a unit of gas costs in a block with this base fee, wei."""
    if isinstance(fee, LegacyFee):
        return fee.gas_price
    return min(fee.max_fee, (base_fee or 0) + fee.tip)


def _too_high(ceiling: int) -> str:
    """Without the price of the moment: it changes with every block, and trouble is said once."""
    return (
        f"inclusion costs more than fees.max-gas-price = {ceiling} wei per gas now; "
        "what is due is sent when the price falls, or raise that ceiling"
    )
