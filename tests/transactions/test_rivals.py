"""Who would be mined first, and at what price it would be ours."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.chain.model import Head, Sent
from scheduler.transactions.encoding import DynamicFee, Fee, LegacyFee
from scheduler.transactions.fees import at_least, base_fee_after, lowest_base_fee_after
from scheduler.transactions.rivals import Rival, in_front, overtaking

WEI = st.integers(min_value=0, max_value=10**13)
BASE_FEES = st.one_of(st.integers(min_value=7, max_value=100), WEI.map(lambda wei: wei + 7))


def head(base_fee: int | None) -> Head:
    return Head(1, "0x01", "0x00", 1_700_000_000, 30_000_000, base_fee)


def rival(cap: int, tip: int) -> Rival:
    return Rival("0xaa", Sent("0xbb", "0xcc", 0, b"", 400_000, cap, tip))


@st.composite
def rivals(draw: st.DrawFn, of_a_legacy_chain: bool = False) -> Rival:
    cap = draw(WEI)
    tip = cap if of_a_legacy_chain else draw(st.integers(min_value=0, max_value=cap))
    return rival(cap, tip)


@st.composite
def fees(draw: st.DrawFn) -> DynamicFee:
    cap = draw(WEI)
    return DynamicFee(cap, draw(st.integers(min_value=0, max_value=cap)))


def leaves(cap: int, tip: int, base_fee: int) -> int:
    """EIP-1559: what the block's producer gets of a unit of gas, in wei."""
    return min(tip, cap - base_fee)


@given(BASE_FEES, st.lists(rivals(), min_size=1, max_size=5), fees(), st.data())
def test_who_is_not_in_front_comes_later_at_any_base_fee_that_the_next_block_can_have(
    base_fee: int, all_: list[Rival], fee: DynamicFee, data: st.DataObject
) -> None:
    found = in_front(all_, fee, head(base_fee))
    lowest, highest = lowest_base_fee_after(base_fee, 1), base_fee_after(base_fee, 1)
    then = data.draw(st.integers(min_value=lowest, max_value=highest))
    ours = leaves(fee.max_fee, fee.tip, then)
    for each in all_:
        if each not in found:
            assert leaves(each.sent.cap, each.sent.tip, then) < ours


@given(BASE_FEES, st.lists(rivals(), min_size=1, max_size=5), WEI)
def test_only_who_is_before_a_rival_is_in_front_of_what_overtakes_him(
    base_fee: int, all_: list[Rival], floor: int
) -> None:
    """Though it pays what its call asks for, too."""
    at, him = head(base_fee), all_[0]
    fee = overtaking(him, at)
    dearer = [each for each in all_ if each.leaves(at) > him.leaves(at)]
    for enough in (fee, at_least(fee, floor, base_fee)):
        found = in_front(all_, enough, at)
        assert him not in found
        assert all(each in dearer for each in found)
    # A wei less would not do.
    if isinstance(fee, DynamicFee) and fee.tip > 0:
        assert him in in_front(all_, DynamicFee(fee.max_fee - 1, fee.tip - 1), at)


@given(st.lists(rivals(of_a_legacy_chain=True), min_size=1, max_size=5), WEI)
def test_without_base_fees_the_price_decides(all_: list[Rival], price: int) -> None:
    at = head(None)
    fee: Fee = LegacyFee(price)
    assert {each.sent.cap for each in in_front(all_, fee, at)} == {
        each.sent.cap for each in all_ if each.sent.cap >= price
    }
    assert all_[0] not in in_front(all_, overtaking(all_[0], at), at)


@given(BASE_FEES, st.lists(rivals(), max_size=5), fees())
def test_the_dearest_comes_first(base_fee: int, all_: list[Rival], fee: DynamicFee) -> None:
    at = head(base_fee)
    found = [each.leaves(at) for each in in_front(all_, fee, at)]
    assert found == sorted(found, reverse=True)


def test_it_is_simulated_at_what_it_would_pay_and_never_below_the_base_fee() -> None:
    assert rival(100, 5).call(50).gas_price == 55
    assert rival(52, 5).call(50).gas_price == 52
    assert rival(40, 5).call(50).gas_price == 50
    assert rival(40, 40).call(None).gas_price == 40
