"""What a further bid for a slot must cost to replace the one before. Pure."""

from collections.abc import Mapping

from scheduler.transactions.encoding import DynamicFee, Fee, LegacyFee

# By how much a replacement must outbid, in percent: geth's --txpool.pricebump, which counts for tip
# and cap alike, and rskj's tx.gasPriceBump.
GETH_PERCENT = 10
RSKJ_PERCENT = 40


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


def fee_of(fields: Mapping[str, str]) -> Fee:
    """The fee of a transaction as eth_sendTransaction takes it."""
    if "gasPrice" in fields:
        return LegacyFee(int(fields["gasPrice"], 16))
    return DynamicFee(int(fields["maxFeePerGas"], 16), int(fields["maxPriorityFeePerGas"], 16))


def _raised(price: int, percent: int) -> int:
    # At least one wei more: at a price of 0 a percentage raises nothing.
    return max(price + 1, -(-price * (100 + percent) // 100))
