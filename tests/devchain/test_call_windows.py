"""When a real FutureBlockCall v0.7 may be claimed, executed and cancelled, to the block."""

import pytest

from scheduler.chain.errors import RpcError
from tests.devchain.alarm import Alarm, aborted, executed

GRACE = 40
PENDING, UNCLAIMED, CLAIMED, FROZEN, CALLABLE, EXECUTED, CANCELLED, MISSED = range(8)


@pytest.mark.parametrize("offset", [0, 1, GRACE - 1])
def test_an_unclaimed_call_is_executed_by_anyone_in_its_window(alarm: Alarm, offset: int) -> None:
    call = alarm.schedule(ahead=20, grace=GRACE)
    assert executed(alarm.execute(call, call.target_block + offset))
    assert alarm.view(alarm.contracts.counter, "hits(address)", "uint256", call.address) == 1


@pytest.mark.parametrize("offset", [-1, GRACE])
def test_outside_its_window_executing_a_call_does_nothing_at_all(alarm: Alarm, offset: int) -> None:
    call = alarm.schedule(ahead=20, grace=GRACE)
    assert alarm.execute(call, call.target_block + offset) == []
    assert alarm.view(alarm.contracts.counter, "total()", "uint256") == 0
    assert alarm.view(call.address, "wasCalled()", "bool") is False


@pytest.mark.parametrize("offset", [0, 15, 16])
def test_the_claimer_may_execute_throughout(alarm: Alarm, offset: int) -> None:
    call = alarm.schedule(ahead=20, grace=GRACE)
    alarm.claim(call, call.target_block - 11)
    events = alarm.execute(call, call.target_block + offset, alarm.claimer)
    assert executed(events)


@pytest.mark.parametrize("offset", [0, 15])
def test_for_sixteen_blocks_a_claimed_call_is_its_claimers_alone(alarm: Alarm, offset: int) -> None:
    call = alarm.schedule(ahead=20, grace=GRACE)
    alarm.claim(call, call.target_block - 11)
    assert aborted(alarm.execute(call, call.target_block + offset)) == "NOT_AUTHORIZED"
    assert alarm.view(call.address, "wasCalled()", "bool") is False


def test_after_sixteen_blocks_a_claimed_call_is_anyones(alarm: Alarm) -> None:
    call = alarm.schedule(ahead=20, grace=GRACE)
    alarm.claim(call, call.target_block - 11)
    assert executed(alarm.execute(call, call.target_block + 16))


@pytest.mark.parametrize("offset", [-265, -11])
def test_a_call_can_be_claimed_from_265_to_11_blocks_ahead(alarm: Alarm, offset: int) -> None:
    call = alarm.schedule(ahead=270)
    (event,) = alarm.claim(call, call.target_block + offset, value=2 * 5 * 10**15)
    assert event.name == "Claimed"
    assert event.values[0] == alarm.claimer.address
    assert alarm.view(call.address, "claimer()", "address") == alarm.claimer.address


@pytest.mark.parametrize("offset", [-266, -10])
def test_a_claim_outside_its_window_is_mined_and_its_ether_stays_in_the_call(
    alarm: Alarm, offset: int
) -> None:
    call = alarm.schedule(ahead=270)
    before = alarm.balance(call.address)
    assert alarm.claim(call, call.target_block + offset, value=10**16) == []
    assert alarm.balance(call.address) == before + 10**16
    assert int(alarm.view(call.address, "claimer()", "address"), 16) == 0


def test_a_successful_claims_deposit_is_recorded_and_returned_at_once(alarm: Alarm) -> None:
    call = alarm.schedule(ahead=270)
    before = alarm.balance(call.address)
    alarm.claim(call, call.target_block - 11, value=10**16)
    assert alarm.view(call.address, "claimerDeposit()", "uint256") == 10**16
    assert alarm.balance(call.address) == before


@pytest.mark.parametrize(
    ("next_block", "state"),
    [
        (-266, PENDING),
        (-265, UNCLAIMED),
        (-11, UNCLAIMED),
        (-10, FROZEN),
        (-1, FROZEN),
        (0, CALLABLE),
        (254, CALLABLE),
        (255, MISSED),
    ],
)
def test_the_states_of_a_call_that_nobody_touches(
    alarm: Alarm, next_block: int, state: int
) -> None:
    call = alarm.schedule(ahead=270)
    alarm.at(call.target_block + next_block + 1)
    assert alarm.view(call.address, "state()", "uint8") == state


def test_its_owner_cancels_a_call_only_while_claims_have_not_opened(alarm: Alarm) -> None:
    call = alarm.schedule(ahead=270)
    with alarm.undone():
        (event,) = alarm.cancel(call, call.target_block - 266, alarm.customer)
        assert event.name == "Cancelled"
        assert alarm.view(call.address, "state()", "uint8") == CANCELLED
        assert alarm.balance(call.address) == 0
        assert alarm.execute(call, call.target_block) == []
    assert alarm.cancel(call, call.target_block - 265, alarm.customer) == []
    assert alarm.view(call.address, "state()", "uint8") == UNCLAIMED


def test_anyone_cancels_a_call_that_was_missed(alarm: Alarm) -> None:
    call = alarm.schedule(ahead=20, grace=GRACE)
    assert alarm.cancel(call, call.target_block + GRACE - 1, alarm.executor) == []
    (event,) = alarm.cancel(call, call.target_block + GRACE, alarm.executor)
    assert event.name == "Cancelled"


@pytest.mark.parametrize(
    ("offset", "answers"), [(-1, False), (0, True), (GRACE, True), (GRACE + 1, False)]
)
def test_asking_for_authorization_reverts_outside_the_window_and_one_block_later_than_it_ends(
    alarm: Alarm, offset: int, answers: bool
) -> None:
    call = alarm.schedule(ahead=20, grace=GRACE)
    question = "checkExecutionAuthorization(address,uint256)"
    arguments = (alarm.executor.address, call.target_block + offset)
    if answers:
        assert alarm.view(call.address, question, "bool", *arguments) is True
    else:
        with pytest.raises(RpcError):
            alarm.view(call.address, question, "bool", *arguments)
