"""Where things are drawn, and how amounts and times are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.operations.page import wording
from scheduler.operations.page.drawing import HALF_HEIGHT, bars, line
from scheduler.operations.page.past import Day

ETHER = 10**18

BLOCKS = st.integers(min_value=0, max_value=10**9)
AMOUNTS = st.integers(min_value=0, max_value=10**24)


@given(head=BLOCKS, ahead=st.lists(st.integers(min_value=-50, max_value=5_000), max_size=8))
def test_the_head_and_all_that_is_near_are_on_the_line(head: int, ahead: list[int]) -> None:
    found = line(head, [head + each for each in ahead])
    assert 0 <= found.first <= found.head < found.last
    x = found.x(head)
    assert x is not None
    assert 0 <= x < 100
    for each in ahead:
        if 0 < each <= 480:
            place = found.x(head + each)
            assert place is not None
            assert x < place <= 100
    assert found.x(found.last + 1) is None
    assert found.x(found.first - 1) is None


@given(amounts=st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=30))
def test_bars_are_in_proportion_and_within_the_plot(amounts: list[tuple[int, int]]) -> None:
    days = [Day(f"day {number}", *each) for number, each in enumerate(amounts)]
    found = bars(days)
    most = max(max(each) for each in amounts)
    right = 0.0
    for bar, (earned, spent) in zip(found, amounts, strict=True):
        assert right <= bar.x < bar.x + bar.width <= 100
        right = bar.x + bar.width
        for amount, height in ((earned, bar.earned), (spent, bar.spent)):
            assert (height > 0) == (amount > 0)
            assert height <= HALF_HEIGHT
            if most:
                assert height == pytest.approx(HALF_HEIGHT * amount / most, abs=1.0)


def test_days_without_anything_are_drawn_as_nothing() -> None:
    found = bars([Day("a", 0, 0), Day("b", 0, 0)])
    assert [(bar.earned, bar.spent) for bar in found] == [(0, 0), (0, 0)]
    assert bars([]) == []


@pytest.mark.parametrize(
    ("wei", "text"),
    [(0, "0"), (1, "<0.000001"), (-1, ">-0.000001"), (ETHER, "1"), (-ETHER // 2, "-0.5"),
     (12_345_678 * ETHER // 10_000, "1,235"), (48_190_000_000_000_000, "0.04819"),
     (-96_605_000_676_235, "-0.000097"), (10**13, "0.00001")],
)  # fmt: skip
def test_amounts_are_short(wei: int, text: str) -> None:
    assert wording.ether(wei) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3_600, "1 h"),
     (5_400, "1 h 30 min"), (86_400 * 3 + 7_200, "3 d 2 h"), (86_400 * 40, "40 d"),
     (-61, "1 min 1 s")],
)  # fmt: skip
def test_spans_are_short(seconds: float, text: str) -> None:
    assert wording.span(seconds) == text


def test_times_and_keys_are_as_people_write_them() -> None:
    assert wording.ago(100.0, now=100.5) == "now"
    assert wording.ago(100.0, now=160.0) == "1 min ago"
    assert wording.moment(0) == "1970-01-01 00:00:00 UTC"
    assert wording.day("2026-03-01") == "Mar 1"
    assert wording.short("0x27d668603c635f85a667149a8b10ad4729f75a34") == "0x27d668…f75a34"
    assert wording.short("liquidation") == "liquidation"
    assert wording.words("target_failed") == "target failed"
    assert wording.days(9_999_999.0) == "more than 9,999 days"
