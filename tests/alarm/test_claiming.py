"""Whether to claim a call, at each boundary: its place in the window, what was drawn, what pays."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.alarm.calls import ClaimTerms, Unit
from scheduler.alarm.claiming import (
    LATE,
    UNSEEN,
    Policy,
    Strategy,
    drawing,
    most_for_gas,
    place,
)
from scheduler.alarm.future_calls import claim_terms

PAYMENT = 5 * 10**15
AT_RISK = 10**17

# A call of v0.7 with its target at block 1000: claims from 735 to 989.
CLAIM = claim_terms(1000, PAYMENT, 989, at_risk=True)
# A request of 1.0 by time: claims within an hour, which ends three minutes before its window.
BY_TIME = ClaimTerms(10_000, 13_599, 3600, 100, 10**16, comes_back=False, at_risk=False)

SEED = Policy(Strategy.SEED, AT_RISK)
PROFIT = Policy(Strategy.PROFIT, AT_RISK)

N = st.integers(0, 255)
BYTE = st.integers(0, 255)
WEI = st.integers(0, 10**20)


@pytest.mark.parametrize(
    ("block", "n"),
    [(734, None), (735, 0), (736, 1), (974, 239), (975, 240), (989, 254), (990, None)],
)
def test_n_counts_the_blocks_since_the_first_that_can_claim(block: int, n: int | None) -> None:
    assert place(CLAIM, block) == n


@pytest.mark.parametrize(
    ("second", "n"),
    [
        (9_999, None), (10_000, 0), (10_014, 0), (10_015, 1), (13_388, 239), (13_389, 240),
        (13_585, 253), (13_586, 254), (13_599, 254), (13_600, None),
    ],
)  # fmt: skip
def test_by_time_n_is_the_share_of_the_window_that_is_over(second: int, n: int | None) -> None:
    assert place(BY_TIME, second) == n


@given(st.integers(0, 10**6), st.integers(1, 10**5), st.integers(0, 2 * 10**6))
def test_n_is_from_0_to_255_and_never_falls(first: int, window: int, now: int) -> None:
    claim = ClaimTerms(first, first + window - 1, window, 100, 1, False, False)
    n = place(claim, now)
    assert (n is None) == (not first <= now < first + window)
    if n is not None:
        assert 0 <= n <= 255
        following = place(claim, now + 1)
        assert following is None or following >= n


def test_a_call_without_a_claim_window_is_nowhere_in_it() -> None:
    claim = ClaimTerms(100, 99, 0, 100, 1, False, False)
    assert {place(claim, now) for now in (98, 99, 100, 101)} == {None}
    assert claim.share(PAYMENT, 100) == 0


@pytest.mark.parametrize(
    ("block", "secures"),
    [
        (734, 0), (735, 0), (736, 20_833_333_333_333), (800, 1_354_166_666_666_666),
        (974, 4_979_166_666_666_666), (975, PAYMENT), (989, PAYMENT),
    ],
)  # fmt: skip
def test_a_claim_secures_as_much_as_the_real_contracts_record(block: int, secures: int) -> None:
    assert CLAIM.share(PAYMENT, block) == secures


@given(N, BYTE, WEI)
def test_by_the_seeds_rules_it_is_claimed_if_x_is_less_than_n(n: int, x: int, secures: int) -> None:
    most = most_for_gas(SEED, CLAIM, n, secures, x)
    if x >= n:
        assert most is None
    elif n < LATE:
        assert most == secures
    else:
        assert most == max(secures, AT_RISK)


@pytest.mark.parametrize(("n", "most"), [(239, 7), (240, AT_RISK), (241, AT_RISK)])
def test_what_does_not_pay_is_claimed_from_240_on(n: int, most: int) -> None:
    assert most_for_gas(SEED, CLAIM, n, 7, x=n - 1) == most
    assert most_for_gas(SEED, CLAIM, n, 7, x=n) is None


@given(N, WEI, st.integers(0, 10**18), st.booleans(), BYTE)
def test_by_profit_what_is_left_after_the_gas_exceeds_the_floor(
    n: int, secures: int, floor: int, at_risk: bool, x: int
) -> None:
    claim = replace(CLAIM, at_risk=at_risk)
    most = most_for_gas(replace(PROFIT, floor=floor), claim, n, secures, x)
    lost = claim.deposit if at_risk else 0
    expected = (256 * UNSEEN - n) * secures - n * lost
    if most is None:
        assert expected < (floor + 1) * 256 * UNSEEN
    else:
        assert expected >= (most + floor + 1) * 256 * UNSEEN
        assert expected < (most + floor + 2) * 256 * UNSEEN


@given(N, WEI, BYTE)
def test_never_is_never(n: int, secures: int, x: int) -> None:
    assert most_for_gas(replace(SEED, strategy=Strategy.NEVER), CLAIM, n, secures, x) is None


@pytest.mark.parametrize("unit", Unit)
def test_the_margin_moves_the_end_of_the_window(unit: Unit) -> None:
    policy = Policy(Strategy.SEED, AT_RISK, {Unit.BLOCKS: 3, Unit.SECONDS: 36})
    assert policy.last(CLAIM, unit) == 989 - policy.margin[unit]


@given(st.binary(min_size=1), st.text(), st.integers(0, 2**63))
def test_a_number_is_drawn_once_for_a_call_and_a_block(key: bytes, call: str, block: int) -> None:
    draw = drawing(key)
    assert draw(call, block) == draw(call, block)
    assert 0 <= draw(call, block) <= 255


def test_calls_blocks_and_programs_draw_different_numbers() -> None:
    draw, other = drawing(), drawing()
    first = [draw("0xca", block) for block in range(1000)]
    assert first != [draw("0xcb", block) for block in range(1000)]
    assert first != [other("0xca", block) for block in range(1000)]
    # Each of 256 numbers is expected four times.
    assert len(set(first)) > 200
