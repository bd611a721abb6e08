"""What a further bid for a slot costs."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.transactions.encoding import DynamicFee, Fee, LegacyFee, Transaction
from scheduler.transactions.ladder import (
    GETH_PERCENT,
    RISE,
    RSKJ_PERCENT,
    fee_of,
    next_bid,
    outbid,
    too_far,
    without_echo,
)

PRICES = st.integers(min_value=0, max_value=10**15)
FEES = st.one_of(
    PRICES.map(LegacyFee),
    st.tuples(PRICES, PRICES).map(lambda two: DynamicFee(max(two), min(two))),
)
PERCENT = st.sampled_from([GETH_PERCENT, RSKJ_PERCENT])


@pytest.mark.parametrize(
    ("fee", "percent", "lowest"),
    [
        (LegacyFee(100), 10, LegacyFee(110)),
        (LegacyFee(101), 10, LegacyFee(112)),
        (LegacyFee(60_000_000), 40, LegacyFee(84_000_000)),
        (LegacyFee(0), 10, LegacyFee(1)),
        (DynamicFee(1_000, 10), 10, DynamicFee(1_100, 11)),
        (DynamicFee(1_001, 1), 10, DynamicFee(1_102, 2)),
    ],
)
def test_each_price_is_raised_by_the_percentage_rounded_up(
    fee: Fee, percent: int, lowest: Fee
) -> None:
    assert outbid(fee, percent) == lowest


@given(FEES, PERCENT)
def test_a_replacement_is_never_below_what_nodes_ask(fee: Fee, percent: int) -> None:
    """Geth compares each price with old * (100 + bump) / 100, exactly (core/txpool/list.go)."""
    factor = Fraction(100 + percent, 100)
    raised = outbid(fee, percent)
    assert raised.cap >= fee.cap * factor
    assert raised.cap > fee.cap
    if isinstance(fee, DynamicFee) and isinstance(raised, DynamicFee):
        assert raised.tip >= fee.tip * factor
        assert raised.tip > fee.tip


@given(st.data(), PERCENT, st.one_of(st.none(), PRICES))
def test_a_bid_replaces_the_last_and_stays_below_the_ceiling(
    data: st.DataObject, percent: int, ceiling: int | None
) -> None:
    fee = data.draw(FEES)
    market = data.draw(FEES.filter(lambda other: type(other) is type(fee)))
    bid = next_bid(fee, market, percent, ceiling)
    if bid is None:
        assert ceiling is not None, "without a ceiling there is always a next bid"
        return
    assert bid.cap >= outbid(fee, percent).cap
    assert ceiling is None or bid.cap <= ceiling
    if isinstance(bid, DynamicFee):
        assert bid.tip <= bid.max_fee
        lowest = outbid(fee, percent)
        assert isinstance(lowest, DynamicFee)
        assert bid.tip >= lowest.tip


def test_a_bid_follows_the_market_where_that_is_higher() -> None:
    bid = next_bid(DynamicFee(100, 10), DynamicFee(900, 5), 10, None)
    assert bid == DynamicFee(900, 11)
    assert next_bid(LegacyFee(100), LegacyFee(900), 40, None) == LegacyFee(900)


def test_room_for_later_blocks_is_given_up_before_the_bid_is() -> None:
    assert next_bid(DynamicFee(100, 10), DynamicFee(900, 10), 10, 500) == DynamicFee(500, 11)
    assert next_bid(DynamicFee(100, 10), DynamicFee(900, 10), 10, 109) is None


@given(FEES)
def test_a_fee_is_read_back_from_the_fields_that_it_was_written_to(fee: Fee) -> None:
    transaction = Transaction(1337, 0, "0x" + "22" * 20, 0, 21_000, b"", fee)
    assert fee_of(transaction.rpc_fields("0x" + "11" * 20)) == fee


@given(FEES, st.data(), PERCENT)
def test_what_is_offered_ends_somewhere_while_the_market_stands_still(
    first: Fee, data: st.DataObject, percent: int
) -> None:
    market = data.draw(FEES.filter(lambda other: type(other) is type(first)))
    bid, bids = first, 0
    while True:
        further = next_bid(bid, market, percent, None)
        assert further is not None
        if too_far(further, first, market):
            break
        bid, bids = further, bids + 1
        assert bids < 400, "it rises without end"
    if isinstance(bid, LegacyFee):
        assert bid.cap <= max(RISE * first.cap, market.cap)
    elif isinstance(first, DynamicFee) and isinstance(market, DynamicFee):
        assert bids == 0 or bid.tip <= max(RISE * first.tip, market.tip, RISE)


@given(FEES, st.data())
def test_what_the_chain_asks_for_is_followed_wherever_it_goes(
    first: Fee, data: st.DataObject
) -> None:
    market = data.draw(FEES.filter(lambda other: type(other) is type(first)))
    assert not too_far(market, first, market)


def test_a_suggestion_that_is_what_we_raised_a_bid_to_is_none() -> None:
    raised = [(DynamicFee(900, 11), DynamicFee(800, 10)), (DynamicFee(900, 13), DynamicFee(9, 12))]
    assert [without_echo(suggested, raised) for suggested in (9, 10, 11, 12, 13, 14)] == [
        9,
        10,
        10,
        12,
        12,
        14,
    ]
    assert without_echo(140, [(LegacyFee(140), LegacyFee(100))]) == 100
