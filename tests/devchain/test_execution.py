"""What executing a real FutureBlockCall v0.7 does and logs; the receipt's status is always 1."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.devchain.alarm import Alarm, aborted, executed


def test_a_call_is_executed_once_and_a_second_execution_logs_nothing(alarm: Alarm) -> None:
    call = alarm.schedule(ahead=20)
    assert executed(alarm.execute(call, call.target_block))
    assert alarm.execute(call, call.target_block + 1) == []
    assert alarm.view(alarm.contracts.counter, "hits(address)", "uint256", call.address) == 1


def test_a_target_that_reverts_is_told_and_the_executor_is_paid_all_the_same(
    alarm: Alarm,
) -> None:
    call = alarm.schedule(ahead=20, to=alarm.contracts.reverter)
    before = alarm.balance(alarm.executor.address)
    (event,) = alarm.execute(call, call.target_block)
    assert event.name == "CallExecuted"
    assert event.values[-1] is False
    assert alarm.view(call.address, "wasCalled()", "bool") is True
    assert alarm.view(call.address, "wasSuccessful()", "bool") is False
    assert alarm.balance(alarm.executor.address) > before


@pytest.mark.parametrize(("gas", "reason"), [(230_000, "NOT_ENOUGH_GAS"), (250_000, None)])
def test_at_200000_required_gas_a_limit_of_230000_aborts_and_250000_executes(
    alarm: Alarm, gas: int, reason: str | None
) -> None:
    call = alarm.schedule(ahead=20, required_gas=200_000)
    events = alarm.execute(call, call.target_block, gas=gas)
    assert aborted(events) == reason
    assert executed(events) == (reason is None)


def test_what_is_left_of_the_endowment_returns_to_whoever_scheduled(alarm: Alarm) -> None:
    call = alarm.schedule(ahead=20)
    endowment = alarm.balance(call.address)
    before = alarm.balance(alarm.customer.address)
    (event,) = alarm.execute(call, call.target_block)
    _gas_cost, payment, donation, _success = event.values
    assert alarm.balance(call.address) == 0
    assert alarm.balance(alarm.customer.address) - before == endowment - payment - donation


@pytest.mark.parametrize(
    ("claimed_at", "expected"),
    [(-264, 5 * 10**15 * 9999 // 10000), (-11, 5 * 10**15 * 10001 // 10000), (None, 5 * 10**15)],
)
def test_the_default_payment_follows_what_claimers_ask_for(
    alarm: Alarm, claimed_at: int | None, expected: int
) -> None:
    call = alarm.schedule(ahead=270)
    if claimed_at is not None:
        alarm.claim(call, call.target_block + claimed_at)
    alarm.execute(call, call.target_block, alarm.claimer)
    assert alarm.view(alarm.contracts.scheduler, "defaultPayment()", "uint256") == expected


def test_a_stranger_cannot_move_the_default_payment(alarm: Alarm) -> None:
    alarm.executor.transact(alarm.contracts.scheduler, keccak(text="updateDefaultPayment()")[:4])
    assert alarm.view(alarm.contracts.scheduler, "defaultPayment()", "uint256") == 5 * 10**15


def test_the_guzzler_burns_the_gas_it_is_told_to(alarm: Alarm) -> None:
    data = keccak(text="burn(uint256)")[:4] + encode(["uint256"], [5_000_000])
    receipt = alarm.executor.transact(alarm.contracts.guzzler, data, gas=6_000_000)
    assert 5_000_000 < int(receipt["gasUsed"], 16) < 5_050_000
