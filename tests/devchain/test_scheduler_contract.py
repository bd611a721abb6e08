"""The project's Scheduler contract refuses and enumerates calls as the original v0.7 does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.devchain.scheduling import CallRejected, CallRequest, schedule
from tests.devchain.alarm import Alarm

GWEI = 10**9
NOBODY = "0x" + "00" * 20


def test_it_introduces_itself_as_version_7(alarm: Alarm) -> None:
    contract = alarm.contracts.scheduler
    assert alarm.view(contract, "callAPIVersion()", "uint256") == 7
    assert alarm.view(contract, "defaultPayment()", "uint256") == 5 * 10**15
    assert alarm.view(contract, "getMinimumGracePeriod()", "uint256") == 32
    assert alarm.view(contract, "getFirstSchedulableBlock()", "uint256") == alarm.head + 10


def test_a_scheduled_call_carries_what_was_asked_for(alarm: Alarm) -> None:
    call = alarm.schedule(ahead=20, required_gas=300_000, grace=77, payment=123)
    expected = {
        "targetBlock()": ("uint256", call.target_block),
        "gracePeriod()": ("uint8", 77),
        "requiredGas()": ("uint256", 300_000),
        "basePayment()": ("uint256", 123),
        "baseDonation()": ("uint256", 5 * 10**13),
        "callValue()": ("uint256", 0),
        "requiredStackDepth()": ("uint16", 10),
        "schedulerAddress()": ("address", alarm.customer.address),
        "contractAddress()": ("address", alarm.contracts.counter),
        "origin()": ("address", alarm.contracts.scheduler),
    }
    read = {
        name: (kind, alarm.view(call.address, name, kind)) for name, (kind, _) in expected.items()
    }
    assert read == expected
    assert alarm.view(alarm.contracts.scheduler, "isKnownCall(address)", "bool", call.address)


def test_scheduling_costs_about_what_the_original_costs(alarm: Alarm) -> None:
    original = 1_130_963  # gas, measured on the original contracts
    assert alarm.schedule(ahead=20).gas_used == pytest.approx(original, rel=0.1)


@pytest.mark.parametrize(
    ("ahead", "request_", "reason"),
    [
        (9, {}, "TOO_SOON"),
        (20, {"grace": 31}, "GRACE_TOO_SHORT"),
        (20, {"required_gas": 199_999}, "REQUIRED_GAS_OUT_OF_RANGE"),
        (20, {"required_gas": 30_000_000 - 199_999}, "REQUIRED_GAS_OUT_OF_RANGE"),
        (2**32, {}, "TOO_LATE"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason_and_the_money_comes_back(
    alarm: Alarm, ahead: int, request_: dict[str, int], reason: str
) -> None:
    before = alarm.balance(alarm.customer.address)
    with pytest.raises(CallRejected) as refusal:
        alarm.schedule(ahead, **request_)
    assert refusal.value.reason == reason
    spent = before - alarm.balance(alarm.customer.address)
    assert spent < 100_000 * 4 * GWEI
    assert alarm.balance(alarm.contracts.scheduler) == 0


@pytest.mark.parametrize(
    ("ahead", "request_"),
    [(10, {}), (20, {"grace": 32}), (20, {"required_gas": 30_000_000 - 200_000})],
)
def test_a_request_at_the_limit_is_accepted(
    alarm: Alarm, ahead: int, request_: dict[str, int]
) -> None:
    call = alarm.schedule(ahead, **request_)
    assert call.target_block == call.scheduled_in + ahead


def test_the_endowment_must_cover_gas_payment_and_donation_twice(alarm: Alarm) -> None:
    contract = alarm.contracts.scheduler
    request = CallRequest(alarm.contracts.counter, alarm.head + 50)
    price = 3 * GWEI
    least = price * 200_000 + 2 * (5 * 10**15 + 5 * 10**13)
    with pytest.raises(CallRejected, match="INSUFFICIENT_FUNDS"):
        schedule(alarm.customer, contract, request, endowment=least - 1, gas_price=price)
    call = schedule(alarm.customer, contract, request, endowment=least, gas_price=price)
    assert alarm.balance(call.address) == least


def test_an_empty_index_has_no_next_call_and_strangers_have_no_siblings(alarm: Alarm) -> None:
    contract = alarm.contracts.scheduler
    assert alarm.view(contract, "getNextCall(uint256)", "address", 0) == NOBODY
    assert alarm.view(contract, "getNextCallSibling(address)", "address", contract) == NOBODY
    assert alarm.view(contract, "isKnownCall(address)", "bool", contract) is False


# Blocks ahead that share words of the index, sit at the edges of its levels, or repeat.
OFFSETS = st.one_of(
    st.integers(40, 60),
    st.sampled_from([k * 256 + d for k in (1, 2, 255, 256) for d in (-1, 0, 1)]),
    st.sampled_from([2**16 + 1, 2**24 - 1, 2**24, 2**24 + 2**16, 2**31, 2**32 - 10_000]),
    st.integers(40, 2**32 - 10_000),
)


@settings(max_examples=15)
@given(offsets=st.lists(OFFSETS, max_size=8), queries=st.lists(OFFSETS, max_size=4))
def test_calls_are_enumerated_by_target_block_then_in_the_order_of_scheduling(
    alarm: Alarm, offsets: list[int], queries: list[int]
) -> None:
    contract = alarm.contracts.scheduler
    with alarm.undone():
        base = alarm.head
        calls = []
        for offset in offsets:
            request = CallRequest(alarm.contracts.counter, base + offset)
            calls.append(schedule(alarm.customer, contract, request))
        expected = [c.address for c in sorted(calls, key=lambda c: c.target_block)]

        found = []
        call = alarm.view(contract, "getNextCall(uint256)", "address", 0)
        while call != NOBODY:
            found.append(call)
            call = alarm.view(contract, "getNextCallSibling(address)", "address", call)
        assert found == expected

        for block in [base + q for q in queries] + [c.target_block + 1 for c in calls]:
            later = [c.address for c in calls if c.target_block >= block]
            first = next((address for address in expected if address in later), NOBODY)
            assert alarm.view(contract, "getNextCall(uint256)", "address", block) == first
