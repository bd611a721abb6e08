"""What an account can pay for."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.transactions.purse import Purse

WEI = st.integers(min_value=0, max_value=10**24)


@given(balance=WEI, committed=WEI, costs=st.lists(WEI))
def test_never_promises_more_than_there_is(balance: int, committed: int, costs: list[int]) -> None:
    purse = Purse("0xabc", balance, committed)
    promised = sum(cost for cost in costs if purse.takes(cost))
    assert promised <= max(0, balance - committed)


def test_expensive_intent_does_not_keep_cheap_ones_back() -> None:
    purse = Purse("0xabc", 100, 0)
    assert [purse.takes(cost) for cost in (101, 60, 50, 40)] == [False, True, False, True]
    assert purse.shortage == (
        "0xabc has 100 wei, 1 wei less than what is due may cost; send ether to it"
    )


def test_all_that_can_be_paid_leaves_nothing_to_say() -> None:
    purse = Purse("0xabc", 100, 40)
    assert purse.could_hold(100)
    assert purse.takes(60)
    assert purse.shortage is None
