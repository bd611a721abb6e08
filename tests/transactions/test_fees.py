"""First prices: enough to enter in time whatever the base fee does, and never above the ceiling."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scheduler.chain.model import Head
from scheduler.transactions.encoding import DynamicFee, LegacyFee
from scheduler.transactions.fees import (
    STEPS_AHEAD,
    FeePolicy,
    FeeTooHigh,
    at_least,
    at_most,
    base_fee_after,
    first_price,
    in_a_crowd,
    price_at,
    still_enters,
)

GWEI = 10**9
SMALLEST_GAS_LIMIT = 5_000  # Yellow Paper, section 4.4.4


def head(base_fee: int | None = None, minimum_gas_price: int | None = None) -> Head:
    return Head(9, "0x" + "aa" * 32, "0x" + "bb" * 32, 0, 30_000_000, base_fee, minimum_gas_price)


def eip1559_base_fee(base_fee: int, gas_limit: int, gas_used: int) -> int:
    """The next block's base fee where more than the target was used, by the EIP's own text."""
    target = gas_limit // 2
    return base_fee + max(base_fee * (gas_used - target) // target // 8, 1)


@given(
    st.integers(0, 200 * GWEI),
    st.integers(0, 5 * GWEI),
    st.integers(0, 400 * GWEI),
    st.lists(st.integers(-8, 8), min_size=1, max_size=STEPS_AHEAD),
)
def test_a_fee_with_a_floor_pays_no_less_and_enters_the_next_block(
    base_fee: int, tip: int, floor: int, changes: list[int]
) -> None:
    """Whatever the base fee does until then: it changes by an eighth at most."""
    fee = at_least(first_price(head(base_fee), tip, FeePolicy()), floor, base_fee)
    assert isinstance(fee, DynamicFee)
    assert fee.max_fee >= base_fee_after(base_fee, 1)
    later = base_fee
    for change in changes:
        later += later * change // 64
    assert price_at(fee, later) >= floor
    assert price_at(fee, base_fee) <= max(floor, base_fee_after(base_fee, 1) + tip)


@pytest.mark.parametrize(("price", "floor", "paid"), [(5, 3, 5), (3, 5, 5), (5, 5, 5)])
def test_a_legacy_price_with_a_floor_is_the_higher_of_them(
    price: int, floor: int, paid: int
) -> None:
    assert at_least(LegacyFee(price), floor, None) == LegacyFee(paid)


@pytest.mark.parametrize(
    ("base_fee", "suggested", "policy", "expected"),
    [
        (8 * GWEI, 2 * GWEI, FeePolicy(), (10_125_000_000 + 2 * GWEI, 2 * GWEI)),
        (8 * GWEI, 0, FeePolicy(min_tip=GWEI), (10_125_000_000 + GWEI, GWEI)),
        (8 * GWEI, 2 * GWEI, FeePolicy(max_gas_price=11_500_000_000), (11_500_000_000, 2 * GWEI)),
        (0, 0, FeePolicy(), (2, 0)),
        (7, 1, FeePolicy(), (10, 1)),
    ],
)
def test_the_cap_outlives_two_full_blocks(
    base_fee: int, suggested: int, policy: FeePolicy, expected: tuple[int, int]
) -> None:
    fee = first_price(head(base_fee), suggested, policy)
    assert isinstance(fee, DynamicFee)
    assert fee.tip == expected[1]
    # The bound is rounded up, by a two-thousandth of the base fee at most.
    assert 0 <= fee.max_fee - expected[0] <= base_fee // 2000


@pytest.mark.parametrize(
    ("minimum", "suggested", "policy", "price"),
    [
        (60_000_000, 59_000_000, FeePolicy(), 60_000_000),
        (60_000_000, 61_000_000, FeePolicy(), 61_000_000),
        (None, 61_000_000, FeePolicy(), 61_000_000),
        (0, 0, FeePolicy(), 0),
        (60_000_000, 0, FeePolicy(min_tip=70_000_000), 70_000_000),
        (60_000_000, 0, FeePolicy(max_gas_price=60_000_000), 60_000_000),
    ],
)
def test_a_legacy_price_is_at_least_rskjs_minimum(
    minimum: int | None, suggested: int, policy: FeePolicy, price: int
) -> None:
    assert first_price(head(minimum_gas_price=minimum), suggested, policy) == LegacyFee(price)


@pytest.mark.parametrize(
    ("at", "suggested", "ceiling"),
    [
        (head(minimum_gas_price=60_000_000), 0, 59_999_999),
        (head(minimum_gas_price=1), 60_000_000, 59_999_999),
        (head(base_fee=8 * GWEI), GWEI, 10 * GWEI - 1),
    ],
)
def test_nothing_is_priced_that_cannot_enter_below_the_ceiling(
    at: Head, suggested: int, ceiling: int
) -> None:
    with pytest.raises(FeeTooHigh, match=rf"fees\.max-gas-price = {ceiling}\b"):
        first_price(at, suggested, FeePolicy(max_gas_price=ceiling))


def test_a_price_above_the_ceiling_is_told_in_the_same_words_with_every_block() -> None:
    """Trouble is said once: a text with the price of the moment is said again with every block."""
    texts = set()
    for base_fee in (8 * GWEI, 9 * GWEI, 20 * GWEI):
        with pytest.raises(FeeTooHigh) as raised:
            first_price(head(base_fee), GWEI, FeePolicy(max_gas_price=2 * GWEI))
        texts.add(str(raised.value))
    assert len(texts) == 1


@given(
    st.integers(0, 10**15),
    st.lists(st.integers(SMALLEST_GAS_LIMIT, 200_000_000), max_size=6),
)
@example(1_234_567_890, [SMALLEST_GAS_LIMIT + 1])
@example(10**9, [29_999_945])
def test_no_run_of_full_blocks_exceeds_the_bound(base_fee: int, gas_limits: list[int]) -> None:
    """With an odd gas limit a full block is more than twice its target: EIP-1559 rounds it down."""
    exact = base_fee
    for gas_limit in gas_limits:
        exact = eip1559_base_fee(exact, gas_limit, gas_used=gas_limit)
    assert exact <= base_fee_after(base_fee, len(gas_limits))


@given(st.integers(10_000, 10**15), st.integers(0, 6))
def test_the_bound_is_close(base_fee: int, blocks: int) -> None:
    exact = base_fee
    for _ in range(blocks):
        exact = eip1559_base_fee(exact, 30_000_000, 30_000_000)
    assert base_fee_after(base_fee, blocks) <= exact * 1.001


@given(
    base_fee=st.one_of(st.none(), st.integers(0, 10**12)),
    minimum=st.one_of(st.none(), st.integers(0, 10**12)),
    suggested=st.integers(0, 10**12),
    ceiling=st.one_of(st.none(), st.integers(0, 10**12)),
    min_tip=st.integers(0, 10**12),
)
def test_a_price_enters_the_next_block_and_stays_within_the_ceiling(
    base_fee: int | None, minimum: int | None, suggested: int, ceiling: int | None, min_tip: int
) -> None:
    at, policy = head(base_fee, minimum), FeePolicy(ceiling, min_tip)
    try:
        fee = first_price(at, suggested, policy)
    except FeeTooHigh:
        assert ceiling is not None
        return
    assert ceiling is None or fee.cap <= ceiling
    if base_fee is None:
        assert isinstance(fee, LegacyFee)
        assert fee.gas_price >= max(suggested, minimum or 0, min_tip)
        return
    assert isinstance(fee, DynamicFee)
    assert fee.tip >= max(suggested, min_tip)
    assert fee.cap >= base_fee_after(base_fee, 1) + fee.tip
    if ceiling is None:
        assert fee.cap >= base_fee_after(base_fee, STEPS_AHEAD) + fee.tip


@given(
    base_fee=st.integers(0, 200 * GWEI),
    tip=st.integers(0, 5 * GWEI),
    floor=st.integers(0, 400 * GWEI),
    crowded=st.integers(0, 50 * GWEI),
    later_tip=st.integers(0, 50 * GWEI),
    changes=st.tuples(st.integers(-8, 8), st.integers(-8, 8)),
)
def test_what_is_signed_a_block_ahead_enters_its_block_as_it_is(
    base_fee: int,
    tip: int,
    floor: int,
    crowded: int,
    later_tip: int,
    changes: tuple[int, int],
) -> None:
    """It beats the crowd that there was, and pays what its call asks for, whatever blocks do."""
    signed_on, policy = head(base_fee), FeePolicy()
    usual = in_a_crowd(first_price(signed_on, tip, policy, 2), crowded, policy)
    fee = at_least(usual, floor, base_fee, 2)
    before, target = [base_fee := base_fee + base_fee * change // 64 for change in changes]
    today = first_price(head(before), later_tip, policy)
    assert still_enters(fee, today, crowded, head(before))
    assert price_at(fee, target) >= max(floor, target + tip)
    assert not crowded or price_at(fee, target) > target + crowded


@given(st.integers(0, 200 * GWEI), st.integers(0, 400 * GWEI), st.integers(0, 50 * GWEI))
def test_what_may_not_enter_or_not_beat_the_crowd_is_not_sent_as_it_is(
    base_fee: int, cap: int, crowded: int
) -> None:
    at, fee = head(base_fee), DynamicFee(cap, min(cap, GWEI))
    if still_enters(fee, first_price(at, GWEI, FeePolicy()), crowded, at):
        highest = base_fee_after(base_fee, 1)
        assert fee.max_fee >= highest
        assert price_at(fee, highest) - highest >= crowded


@pytest.mark.parametrize(("signed", "today", "enters"), [(5, 5, True), (5, 6, False), (6, 5, True)])
def test_a_legacy_price_is_sent_while_it_is_the_one_of_today(
    signed: int, today: int, enters: bool
) -> None:
    assert still_enters(LegacyFee(signed), LegacyFee(today), 0, head()) is enters


@given(
    base_fee=st.integers(0, 200 * GWEI),
    suggested=st.integers(0, 50 * GWEI),
    crowded=st.integers(0, 10**12),
    ceiling=st.one_of(st.none(), st.integers(0, 10**12)),
)
def test_a_crowd_is_beaten_by_a_wei_and_within_the_ceiling(
    base_fee: int, suggested: int, crowded: int, ceiling: int | None
) -> None:
    """By no more: a crowd may be our own, of a block before."""
    policy = FeePolicy(ceiling)
    try:
        usual = first_price(head(base_fee), suggested, policy)
    except FeeTooHigh:
        return
    fee = in_a_crowd(usual, crowded, policy)
    assert isinstance(usual, DynamicFee)
    assert isinstance(fee, DynamicFee)
    assert fee.tip <= fee.max_fee
    assert fee.tip >= usual.tip
    assert fee.max_fee >= usual.max_fee
    assert ceiling is None or fee.max_fee <= ceiling
    if ceiling is None:
        assert fee.tip == max(usual.tip, crowded + 1 if crowded else 0)
        assert fee.max_fee - fee.tip == usual.max_fee - usual.tip


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_what_is_cut_down_never_costs_more(cap: int, tip: int, most: int, base_fee: int) -> None:
    fee = at_most(DynamicFee(cap, min(tip, cap)), most)
    assert isinstance(fee, DynamicFee)
    assert fee.tip <= fee.max_fee <= cap
    assert price_at(fee, base_fee) <= min(most, price_at(DynamicFee(cap, min(tip, cap)), base_fee))
    assert at_most(LegacyFee(cap), most) == LegacyFee(min(cap, most))


@pytest.mark.parametrize(
    ("fee", "base_fee", "price"),
    [
        (LegacyFee(5), None, 5),
        (LegacyFee(5), 3, 5),
        (DynamicFee(10, 2), 3, 5),
        (DynamicFee(10, 2), 9, 10),
        (DynamicFee(10, 2), None, 2),
    ],
)
def test_what_a_unit_of_gas_costs_in_a_block(
    fee: LegacyFee | DynamicFee, base_fee: int | None, price: int
) -> None:
    assert price_at(fee, base_fee) == price
