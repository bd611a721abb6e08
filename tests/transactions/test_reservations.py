"""What the journal promises to a slot, and for how long: read from rows, where it is written."""

from collections.abc import Iterator

import pytest

from scheduler.transactions.encoding import DynamicFee
from scheduler.transactions.intents import Verdict
from scheduler.transactions.journal import Account, Journal, Location, Withheld
from scheduler.transactions.purse import NO_BUDGET, Allowance, Budget, Funds, Want
from scheduler.transactions.retries import Failures
from scheduler.transactions.states import OutcomeKind
from tests.transactions.samples import ACCOUNT, CONTRACT, DONE, intent, prepared, receipt

FAILED = Verdict(OutcomeKind.REVERTED, "it reverted")
CAP = 9  # wei per gas; what samples bid
COST = 50_000 * CAP


@pytest.fixture
def journal(place: Location) -> Iterator[Journal]:
    journal = Journal.open(place, clock=lambda: 1_000.0)
    journal.admit(ACCOUNT)
    yield journal
    journal.close()


def allowance(balance: int, budget: Budget = NO_BUDGET, head: int = 4) -> Allowance:
    return Allowance(budget, Funds(balance, nonce=0, head_number=head))


def affords(journal: Journal, cost: int, has: Allowance, account: Account = ACCOUNT) -> bool:
    """Whether so many wei more could be promised."""
    return journal.purse(account, has).takes(Want(intent().urgency, CONTRACT, cost))


def test_the_samples_cost_what_these_tests_think() -> None:
    assert prepared(0).transaction.fee == DynamicFee(CAP, 1)
    assert prepared(0).transaction.worst_cost == COST
    assert prepared(0, intent(value=7)).transaction.worst_cost == COST + 7


def test_what_is_too_much_leaves_no_trace_and_is_named(journal: Journal) -> None:
    both = [prepared(0, intent("a")), prepared(1, intent("b"))]
    with pytest.raises(Withheld, match="send ether to it") as withheld:
        journal.reserve(ACCOUNT, both, allowance=allowance(2 * COST - 1))
    assert withheld.value.keys == ["b"]
    assert journal.intent_states(["a", "b"]) == {}
    assert journal.next_nonce(ACCOUNT) == 0
    assert len(journal.reserve(ACCOUNT, both, allowance=allowance(2 * COST))) == 2


def test_one_that_is_left_out_makes_room_for_the_next(journal: Journal) -> None:
    """Its nonce was counted, and the one behind it found no slot."""
    both = [prepared(0, intent("dear", value=COST)), prepared(1, intent("cheap"))]
    with pytest.raises(Withheld) as withheld:
        journal.reserve(ACCOUNT, both, allowance=allowance(COST, Budget(slots=1)))
    assert withheld.value.keys == ["dear"]


def test_a_promise_lasts_until_the_balance_is_one_after_its_block(journal: Journal) -> None:
    """A balance read before the block that paid for it does not know that it is gone."""
    [attempt] = journal.reserve(ACCOUNT, [prepared(0)])
    assert not affords(journal, 1, allowance(COST))
    journal.mined(attempt, receipt(attempt, block=5), DONE)
    assert not affords(journal, 1, allowance(COST, head=4))
    assert affords(journal, COST, allowance(COST, head=5))
    journal.unmined(attempt)
    assert not affords(journal, 1, allowance(COST, head=6))


def test_accounts_do_not_share_what_they_have(journal: Journal) -> None:
    journal.reserve(ACCOUNT, [prepared(0)])
    assert affords(journal, COST, allowance(COST), Account("another chain", ACCOUNT.address))


def test_a_failure_counts_when_it_is_final(journal: Journal) -> None:
    """Before, a reorg may still take it back."""
    [attempt] = journal.reserve(ACCOUNT, [prepared(0, intent("a"))])
    journal.mined(attempt, receipt(attempt, block=5), FAILED)
    assert journal.failures(["a"]) == {}
    journal.final(ACCOUNT, attempt)
    assert journal.failures(["a"]) == {"a": Failures(1, last_block=5)}


def test_a_success_is_no_failure(journal: Journal) -> None:
    [attempt] = journal.reserve(ACCOUNT, [prepared(0, intent("a"))])
    journal.mined(attempt, receipt(attempt), DONE)
    journal.final(ACCOUNT, attempt, retries=lambda _: True)
    assert journal.failures(["a"]) == {}
