"""Amounts, times and foreign words as an operator reads them."""

import time
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.operations.wording import count, ether, gwei, local_time, printable


@pytest.mark.parametrize(
    ("wei", "text"),
    [
        (0, "0 ether"),
        (1, "0.000000000000000001 ether"),
        (15 * 10**17, "1.5 ether"),
        (-15 * 10**17, "-1.5 ether"),
        (1234 * 10**18, "1,234 ether"),
    ],
)
def test_ether_is_exact(wei: int, text: str) -> None:
    assert ether(wei) == text


@given(st.integers(-(10**30), 10**30))
def test_no_wei_is_lost(wei: int) -> None:
    number, _, _ = gwei(wei).replace(",", "").partition(" ")
    assert Fraction(number) * 10**9 == wei


def test_one_is_singular() -> None:
    assert [count(number, "byte") for number in (0, 1, 2000)] == [
        "0 bytes",
        "1 byte",
        "2,000 bytes",
    ]


@pytest.fixture
def in_india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_india")
def test_times_are_local() -> None:
    assert local_time(1772366422.7) == "2026-03-01T17:30:22+05:30"


def test_nothing_steers_the_terminal() -> None:
    assert printable("é \x1b[2J\r\n\u202e…") == r"é \x1b[2J\r\n\u202e…"
