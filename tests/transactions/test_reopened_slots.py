"""A deep reorg opens a slot again whose intent was given another since: it is in both, and never in
a third, since what was signed for it in either may be mined."""

from collections.abc import Iterator

import pytest

from scheduler.transactions.intents import Verdict
from scheduler.transactions.journal import Attempt, Journal, Location, Replacement
from scheduler.transactions.journal.orders import What
from scheduler.transactions.states import IntentState, OutcomeKind, Purpose
from tests.transactions.samples import ACCOUNT, DONE, intent, prepared, receipt

ONE = intent("one")
FAILED = Verdict(OutcomeKind.REVERTED, "it reverted")
PASSED = Verdict(OutcomeKind.EXPIRED, "its window passed")


@pytest.fixture
def journal(place: Location) -> Iterator[Journal]:
    journal = Journal.open(place)
    journal.admit(ACCOUNT)
    yield journal
    journal.close()


def state(journal: Journal) -> IntentState:
    return journal.intent_states(["one"])["one"]


def sent(journal: Journal, nonce: int) -> Attempt:
    [attempt] = journal.reserve(ACCOUNT, [prepared(nonce, ONE)])
    return attempt


def final(journal: Journal, nonce: int, verdict: Verdict, block: int = 5) -> None:
    """The newest attempt with this nonce is mined in the block, and final; a failure may be tried
    again."""
    attempt = newest(journal, nonce)
    if attempt.block_hash is None:
        journal.mined(attempt, receipt(attempt, block), verdict)
    journal.final(ACCOUNT, newest(journal, nonce), lambda _: True)


def newest(journal: Journal, nonce: int) -> Attempt:
    return [each for each in journal.open_attempts(ACCOUNT) if each.nonce == nonce][-1]


def cancelled(journal: Journal, nonce: int) -> None:
    """A cancellation, which is a bid like any other here, is final in the slot."""
    attempt = newest(journal, nonce)
    asked = prepared(nonce, intent("the account itself", gas=21_000))
    journal.replace(
        ACCOUNT, [Replacement(attempt, Purpose.CANCEL, asked.transaction, asked.signed, 6)]
    )
    final(journal, nonce, PASSED)


def stranger(journal: Journal, nonce: int) -> None:
    journal.displaced(ACCOUNT, newest(journal, nonce), "0x" + "77" * 32, 6, "0x" + "a" * 64)


def in_both(journal: Journal) -> None:
    """It failed with nonce 0, was sent again with nonce 1, and then 0 was opened again."""
    sent(journal, 0)
    final(journal, 0, FAILED)
    sent(journal, 1)
    journal.reopen(ACCOUNT, [0])
    assert [each.nonce for each in journal.open_attempts(ACCOUNT) if each.is_placed] == [1]


@pytest.mark.parametrize("other", [0, 1])
@pytest.mark.parametrize("end", ["failed", "cancelled", "displaced"])
def test_it_is_planned_again_only_when_both_slots_have_come_to_an_end(
    journal: Journal, end: str, other: int
) -> None:
    in_both(journal)
    ends = {
        "failed": lambda nonce: final(journal, nonce, FAILED),
        "cancelled": lambda nonce: cancelled(journal, nonce),
        "displaced": lambda nonce: stranger(journal, nonce),
    }
    ends[end](1 - other)
    assert state(journal) is IntentState.IN_SLOT
    [left] = journal.open_attempts(ACCOUNT)
    assert (left.nonce, left.is_placed) == (other, True)
    stranger(journal, other)
    assert state(journal) is IntentState.PLANNED


def test_what_was_mined_in_the_other_slot_meanwhile_is_its_outcome(journal: Journal) -> None:
    in_both(journal)
    attempt = newest(journal, 0)
    journal.mined(attempt, receipt(attempt), FAILED)
    again = newest(journal, 1)
    journal.mined(again, receipt(again, 6), DONE)
    final(journal, 0, FAILED)
    assert state(journal) is IntentState.SUCCEEDED
    final(journal, 1, DONE)
    assert state(journal) is IntentState.SUCCEEDED
    assert journal.open_attempts(ACCOUNT) == []


def test_an_order_given_for_it_stays_with_it(journal: Journal) -> None:
    in_both(journal)
    order = journal.orders.give("one", What.CANCEL, "ada")
    stranger(journal, 1)
    assert [(nonce, each.id) for nonce, each in journal.orders.open(ACCOUNT)] == [(0, order.id)]


def test_a_failure_that_was_forgiven_and_then_taken_back_counts_when_it_is_there_again(
    journal: Journal,
) -> None:
    for nonce in range(3):
        sent(journal, nonce)
        final(journal, nonce, FAILED, block=5 + nonce)
    assert state(journal) is IntentState.SUSPENDED
    journal.orders.give("one", What.RETRY, "ada")
    journal.reopen(ACCOUNT, [2])
    final(journal, 2, FAILED, block=9)
    assert state(journal) is IntentState.PLANNED
    assert journal.failures(["one"])["one"].count == 1
