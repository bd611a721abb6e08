"""What a further bid for a slot must cost to replace the one before. Pure."""

from collections.abc import Iterable, Mapping

from scheduler.transactions.encoding import DynamicFee, Fee, LegacyFee

# By how much a replacement must outbid, in percent: geth's --txpool.pricebump, which counts for tip
# and cap alike, and rskj's tx.gasPriceBump.
GETH_PERCENT = 10
RSKJ_PERCENT = 40

# Where the operator gives no ceiling: how many times what its first bid offered the builder a slot
# may come to offer. In steps of ten percent that takes 25 bids: it is not the price, then.
RISE = 10


def outbid(fee: Fee, percent: int) -> Fee:
    """The lowest fee that replaces `fee`: each price raised by `percent`, rounded up."""
    if isinstance(fee, LegacyFee):
        return LegacyFee(_raised(fee.gas_price, percent))
    return DynamicFee(_raised(fee.max_fee, percent), _raised(fee.tip, percent))


def next_bid(fee: Fee, market: Fee, percent: int, ceiling: int | None) -> Fee | None:
    """What to bid after `fee`: enough to replace it, and no less than `market`, today's price.

    None where a unit of gas could then cost more than `ceiling`, in wei; the part of the market's
    price that only leaves room for later blocks is given up first.
    """
    lowest = outbid(fee, percent)
    if ceiling is not None and lowest.cap > ceiling:
        return None
    if isinstance(lowest, LegacyFee) or isinstance(market, LegacyFee):
        price = max(lowest.cap, market.cap)
        return None if ceiling is not None and price > ceiling else LegacyFee(price)
    cap = max(lowest.max_fee, market.max_fee)
    tip = max(lowest.tip, market.tip)
    if ceiling is not None:
        cap = min(cap, ceiling)
    return DynamicFee(cap, min(tip, cap)) if tip <= cap else None


def too_far(bid: Fee, first: Fee, market: Fee) -> bool:
    """Whether a slot that began with `first` should not come to bid this at today's `market`.

    What the chain itself asks for (base fee, minimum price) is followed wherever it goes. What is
    offered beyond may not rise without end: where a transaction is kept out by something else than
    its price, no price gets it mined, and it would be paid when that has passed.
    """
    if isinstance(bid, LegacyFee) or isinstance(first, LegacyFee) or isinstance(market, LegacyFee):
        return bid.cap > max(RISE * first.cap, market.cap)
    base = market.max_fee - market.tip
    tip = max(first.tip, 1)
    return bid.tip > max(RISE * tip, market.tip) or bid.max_fee > max(
        RISE * (base + tip), market.max_fee
    )


def without_echo(suggested: int, raised: Iterable[tuple[Fee, Fee]]) -> int:
    """The node's idea of a tip (or legacy price), wei per gas, unless it is our own of before.

    A node suggests what the latest blocks were paid. Where nobody else sends, that is what we
    raised a bid to, and repeats itself while blocks are empty (geth 1.16.7, eth/gasprice): each
    slot would begin where the last one ended. `raised` has such bids, each with its slot's first;
    a suggestion that is one of them to the wei means that first one.
    """
    echoes = {_offered(bid): _offered(first) for bid, first in raised}
    return min(suggested, echoes.get(suggested, suggested))


def _offered(fee: Fee) -> int:
    return fee.gas_price if isinstance(fee, LegacyFee) else fee.tip


def higher(fee: Fee, cap: int, tip: int) -> Fee:
    """`fee`, with each of its prices at least that of a transaction which pays so much, in wei."""
    if isinstance(fee, LegacyFee):
        return LegacyFee(max(fee.gas_price, cap))
    return DynamicFee(max(fee.max_fee, cap), max(fee.tip, tip))


def fee_of(fields: Mapping[str, str]) -> Fee:
    """The fee of a transaction as eth_sendTransaction takes it."""
    if "gasPrice" in fields:
        return LegacyFee(int(fields["gasPrice"], 16))
    return DynamicFee(int(fields["maxFeePerGas"], 16), int(fields["maxPriorityFeePerGas"], 16))


def _raised(price: int, percent: int) -> int:
    # At least one wei more: at a price of 0 a percentage raises nothing.
    return max(price + 1, -(-price * (100 + percent) // 100))
