"""What was mined and failed is tried again as far as its family allows it, and never in haste."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.errors import NotYet
from scheduler.transactions.journal.orders import What
from scheduler.transactions.retries import FIRST_PAUSE, MOST_FAILURES, Failures
from scheduler.transactions.states import MINED_FAILURES, IntentState, OutcomeKind
from tests.transactions.rig import CONFIRMATIONS, Office, later

REVERTS = "0x60006000fd"  # PUSH1 0, PUSH1 0, REVERT

PAUSES = [FIRST_PAUSE, 4 * FIRST_PAUSE]


@given(block=st.integers(0, 10**9))
def test_each_pause_is_longer_than_the_one_before(block: int) -> None:
    nexts = [Failures(count, block).next_try for count in range(1, MOST_FAILURES + 1)]
    assert nexts[:2] == [block + pause for pause in PAUSES]
    pauses = [each - block for each in nexts]
    assert pauses == sorted(set(pauses))


@given(count=st.integers(1, 100))
def test_three_failures_suspend_it(count: int) -> None:
    state = Failures(count, 5).next_state
    assert state is (IntentState.SUSPENDED if count >= 3 else IntentState.PLANNED)


@contextmanager
def broken(opened: Office) -> Iterator[None]:
    """The counter refuses every call, as a contract does that changed after the simulation."""
    code = opened.bench.code_of_counter
    opened.bench.endpoint.request("anvil_setCode", opened.bench.counter, REVERTS)
    try:
        yield
    finally:
        opened.bench.endpoint.request("anvil_setCode", opened.bench.counter, code)


def state(opened: Office) -> IntentState:
    return opened.journal.intent_states(["one"])["one"]


async def fails(opened: Office) -> int:
    """It is sent, and fails in the next block: that block's number."""
    await opened.turn()
    assert state(opened) is IntentState.IN_SLOT
    with broken(opened):
        await opened.mine_and_turn()
    assert state(opened) is IntentState.REVERTED
    return opened.bench.head


async def mine_to(opened: Office, head: int) -> None:
    """The blocks up to this one at once, and a turn at it."""
    opened.bench.mine(head - opened.bench.head)
    await opened.turn()


@pytest.fixture
def at(on_anvil: Office) -> Office:
    """A program that wants a hit of a family that tries again after a revert."""
    on_anvil.family.tries_again_after = frozenset({OutcomeKind.REVERTED})
    on_anvil.want(on_anvil.wish())
    return on_anvil


async def test_a_mined_failure_is_tried_again_when_it_is_final_and_after_a_pause(
    at: Office,
) -> None:
    failed = await fails(at)
    await mine_to(at, failed + CONFIRMATIONS - 1)
    assert state(at) is IntentState.REVERTED
    await mine_to(at, failed + CONFIRMATIONS)
    assert state(at) is IntentState.PLANNED
    # The last head on which nothing is built: the block after it is one too early.
    await mine_to(at, failed + FIRST_PAUSE - 2)
    assert at.open_attempts() == []
    await mine_to(at, failed + FIRST_PAUSE - 1)
    [attempt] = at.open_attempts()
    assert attempt.nonce == 1
    await at.until_mined()
    await at.mine_and_turn(CONFIRMATIONS)
    assert at.hits == 1
    assert state(at) is IntentState.SUCCEEDED
    assert at.journal.outcome_counts(at.desk.account.chain) == {"reverted": 1, "succeeded": 1}


async def test_a_failure_that_a_reorg_takes_back_stays_in_its_slot(at: Office) -> None:
    """Before it is final the same bytes may still be mined, and have the effect."""
    await at.turn()
    snapshot = at.bench.endpoint.request("evm_snapshot")
    with broken(at):
        await at.mine_and_turn()
    removed = await at.head()
    assert state(at) is IntentState.REVERTED
    assert at.bench.endpoint.request("evm_revert", snapshot)
    at.bench.endpoint.request("anvil_setNextBlockTimestamp", hex(removed.timestamp + 5))
    at.bench.mine()
    await at.turn(removed=[removed])
    await at.mine_and_turn(1 + CONFIRMATIONS)
    assert at.hits == 1
    assert at.bench.nonce(at.address, "pending") == 1
    assert state(at) is IntentState.SUCCEEDED


async def test_it_is_not_sent_while_a_simulation_says_that_it_would_fail_again(
    at: Office,
) -> None:
    failed = await fails(at)
    await mine_to(at, failed + CONFIRMATIONS)
    with broken(at):
        await mine_to(at, failed + FIRST_PAUSE)
        assert at.open_attempts() == []
        assert at.family.story("one")[-1] == "Refused"
    await at.turn()
    assert state(at) is IntentState.IN_SLOT


async def test_after_three_failures_only_the_operator_lets_it_be_tried_again(at: Office) -> None:
    for pause in [*PAUSES, 0]:
        failed = await fails(at)
        await mine_to(at, failed + CONFIRMATIONS)
        if pause:
            at.bench.mine(failed + pause - 1 - at.bench.head)
    assert state(at) is IntentState.SUSPENDED
    again = later(at)
    again.family.tries_again_after = at.family.tries_again_after
    at.bench.mine(1_000)
    with pytest.raises(NotYet, match=r"suspended; see why: scheduler journal show one;"):
        await again.turn()
    assert at.bench.nonce(at.address, "pending") == 3
    at.journal.orders.give("one", What.RETRY, "the operator")
    # Its failures count anew: one more does not suspend it.
    failed = await fails(again)
    await mine_to(again, failed + CONFIRMATIONS)
    assert state(again) is IntentState.PLANNED
    await mine_to(again, failed + FIRST_PAUSE - 1)
    await again.until_mined()
    await again.mine_and_turn(CONFIRMATIONS)
    assert at.hits == 1
    assert state(again) is IntentState.SUCCEEDED


@pytest.mark.parametrize("kind", sorted(MINED_FAILURES - {OutcomeKind.REVERTED}, key=str))
async def test_what_its_family_does_not_try_again_stays_as_it_ended(
    at: Office, kind: OutcomeKind
) -> None:
    at.family.tries_again_after = frozenset({kind})
    failed = await fails(at)
    await mine_to(at, failed + CONFIRMATIONS)
    await mine_to(at, failed + 2 * FIRST_PAUSE)
    assert state(at) is IntentState.REVERTED
    assert at.bench.nonce(at.address, "pending") == 1
