"""What an account may promise: money out of three purses, and places in the node's pool."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.transactions.intents import Urgency
from scheduler.transactions.purse import (
    NO_BUDGET,
    Allowance,
    Books,
    Budget,
    Deposits,
    Expense,
    Funds,
    Promise,
    Purse,
    Want,
)
from scheduler.transactions.states import MINED_OUTCOMES, OutcomeKind

CONTRACT, OTHER = "0xc0", "0x07"
NORMAL, URGENT, REPAIR = Urgency.NORMAL, Urgency.URGENT, Urgency.REPAIR

WEI = st.integers(min_value=0, max_value=10**24)
LIMITS = st.none() | WEI
URGENCIES = st.sampled_from(Urgency)
PROMISES = st.lists(st.builds(Promise, st.integers(0, 40), URGENCIES, WEI)).map(tuple)
EXPENSES = st.lists(
    st.builds(
        Expense,
        URGENCIES,
        st.sampled_from([CONTRACT, OTHER]),
        st.sampled_from(sorted(MINED_OUTCOMES, key=str)),
        WEI,
        WEI,
        WEI,
    )
).map(tuple)
WANTS = st.lists(st.builds(Want, URGENCIES, st.just(CONTRACT), WEI, st.none()))


def purse(
    balance: int = 100, budget: Budget = NO_BUDGET, books: Books | None = None, nonce: int = 0
) -> Purse:
    """That of 0xabc, whose nonces below `nonce` were mined."""
    return Purse("0xabc", Allowance(budget, Funds(balance, nonce, 7)), books or Books())


def wants(*costs: int, urgency: Urgency = NORMAL) -> list[Want]:
    """Transactions for CONTRACT, each in a slot of its own from nonce 0 on."""
    return [Want(urgency, CONTRACT, cost, nonce) for nonce, cost in enumerate(costs)]


def expense(kind: OutcomeKind, fee: int, earned: int = 0, sent: int = 0) -> Expense:
    return Expense(NORMAL, CONTRACT, kind, sent, fee, earned)


@given(balance=WEI, promises=PROMISES, asked=WANTS)
def test_never_promises_more_than_there_is(
    balance: int, promises: tuple[Promise, ...], asked: list[Want]
) -> None:
    there = purse(balance, books=Books(promises))
    given_away = sum(want.cost for want in asked if there.takes(want))
    assert given_away <= max(0, balance - sum(promise.cost for promise in promises))


@given(
    limit=WEI, promises=PROMISES, expenses=EXPENSES, asked=WANTS, urgency=st.sampled_from([0, 1])
)
def test_no_day_costs_more_than_its_budget_and_each_purse_has_its_own(
    limit: int,
    promises: tuple[Promise, ...],
    expenses: tuple[Expense, ...],
    asked: list[Want],
    urgency: int,
) -> None:
    bounded, free = [(URGENT, NORMAL), (NORMAL, URGENT)][urgency]
    key = "urgent_per_day" if bounded is URGENT else "normal_per_day"
    there = purse(10**27, Budget(**{key: limit}), Books(promises, expenses))
    taken = [want for want in asked if there.takes(want)]
    before = sum(each.cost for each in promises if each.urgency is bounded)
    before += sum(each.spent for each in expenses if each.urgency is bounded)
    added = sum(want.cost for want in taken if want.urgency is bounded)
    assert added <= max(0, limit - before)
    left_out = [want for want in asked if want not in taken]
    assert all(want.urgency is bounded for want in left_out), f"{free} has no limit here"


@given(urgent=LIMITS, normal=LIMITS, floor=WEI, cost=WEI)
def test_repairs_are_bounded_by_the_balance_alone(
    urgent: int | None, normal: int | None, floor: int, cost: int
) -> None:
    books = Books(
        tuple(Promise(nonce, NORMAL, 0) for nonce in range(20)),
        (expense(OutcomeKind.REVERTED, fee=10**24),),
    )
    budget = Budget(urgent, normal, floor, loss_per_contract=0, slots=16, kept=4)
    there = purse(10**18, budget, books)
    assert there.takes(Want(REPAIR, CONTRACT, cost, nonce=20)) is (cost <= 10**18)


def test_what_is_too_much_keeps_no_smaller_one_back() -> None:
    there = purse(100)
    assert [there.takes(want) for want in wants(101, 60, 50, 40)] == [False, True, False, True]
    assert there.shortage == (
        "0xabc has 100 wei, 1 wei less than what is due may cost; send ether to it"
    )


def test_all_that_can_be_paid_leaves_nothing_to_say() -> None:
    there = purse(100, books=Books((Promise(0, NORMAL, 40),)))
    assert there.could_hold(100)
    assert there.takes(*wants(60))
    assert there.shortage is None


def test_the_floor_is_kept_from_what_is_not_urgent() -> None:
    there = purse(100, Budget(floor=30))
    assert not there.takes(*wants(71))
    assert there.takes(*wants(70))
    assert there.takes(*wants(30, urgency=URGENT))
    assert there.shortage is not None
    assert there.shortage.startswith("0xabc has 100 wei, and 30 wei (budget.floor) of it are kept")


def test_the_rest_never_spends_what_urgent_work_needs() -> None:
    there = purse(10**6, Budget(urgent_per_day=50, normal_per_day=50))
    assert [there.takes(want) for want in wants(50, 1)] == [True, False]
    assert [there.takes(want) for want in wants(50, 1, urgency=URGENT)] == [True, False]
    assert there.shortage is not None
    assert "budget.normal-per-day is 50 wei, 1 wei less than" in there.shortage
    assert "budget.urgent-per-day is 50 wei, 1 wei less than" in there.shortage


@pytest.mark.parametrize(
    ("kind", "sent", "spent", "lost"),
    [
        (OutcomeKind.SUCCEEDED, 100, 107, 4),
        (OutcomeKind.NO_EFFECT, 100, 107, 104),
        (OutcomeKind.DEPOSIT_LOST, 100, 107, 104),
        (OutcomeKind.TARGET_FAILED, 100, 107, 104),
        (OutcomeKind.REVERTED, 0, 7, 4),
        (OutcomeKind.EXPIRED, 100, 107, 104),
    ],
)
def test_what_a_mined_transaction_spent_and_lost(
    kind: OutcomeKind, sent: int, spent: int, lost: int
) -> None:
    """It used gas for 7 and was paid 3."""
    entry = expense(kind, fee=7, earned=3, sent=sent)
    assert (entry.spent, entry.lost) == (spent, lost)


@given(entries=EXPENSES)
def test_what_one_earned_never_pays_for_what_another_lost(entries: tuple[Expense, ...]) -> None:
    assert all(entry.lost >= 0 for entry in entries)


def test_a_contract_that_lost_too_much_is_left_alone_and_no_other() -> None:
    books = Books(expenses=(expense(OutcomeKind.NO_EFFECT, 6), expense(OutcomeKind.REVERTED, 4)))
    there = purse(10**6, Budget(loss_per_contract=10), books)
    [want] = wants(1)
    assert not there.takes(want)
    assert not there.takes(replace(want, urgency=URGENT))
    assert there.takes(replace(want, nonce=None)), "what has its slot may be raised"
    assert there.takes(replace(want, contract=OTHER))
    assert there.shortage is not None
    assert there.shortage.startswith("0xc0 lost 10 wei today (UTC)")
    assert purse(10**6, Budget(loss_per_contract=11), books).takes(want)


@given(
    limit=WEI,
    stakes=st.lists(st.tuples(st.sampled_from([CONTRACT, OTHER]), WEI)).map(tuple),
    entries=EXPENSES,
    asked=st.lists(WEI),
)
def test_no_more_is_staked_in_a_day_than_the_operator_allows(
    limit: int, stakes: tuple[tuple[str, int], ...], entries: tuple[Expense, ...], asked: list[int]
) -> None:
    deposits = Deposits(frozenset([CONTRACT]), limit)
    there = purse(10**40, Budget(deposits=deposits), Books((), entries, stakes))
    staked = sum(stake for contract, stake in stakes if contract == CONTRACT)
    staked += sum(entry.staked for entry in entries if entry.contract == CONTRACT)
    for nonce, stake in enumerate(asked):
        allowed = there.takes(Want(NORMAL, CONTRACT, stake, nonce, stake))
        assert allowed is (not stake or staked + stake <= limit)
        staked += stake * allowed
        assert there.takes(Want(NORMAL, OTHER, stake, nonce, stake)), "it is of another contract"


@pytest.mark.parametrize(
    ("kind", "earned", "staked"),
    [
        (OutcomeKind.SUCCEEDED, 10, 0),
        (OutcomeKind.SUCCEEDED, 0, 10),
        (OutcomeKind.NO_EFFECT, 0, 10),
        (OutcomeKind.NO_EFFECT, 10, 0),
        (OutcomeKind.DEPOSIT_LOST, 0, 10),
    ],
)
def test_what_came_back_with_a_transaction_is_not_staked_any_more(
    kind: OutcomeKind, earned: int, staked: int
) -> None:
    assert expense(kind, 3, earned, sent=10).staked == staked


@given(
    slots=st.integers(1, 20),
    kept=st.integers(0, 20),
    mined=st.integers(0, 5),
    asked=st.lists(st.sampled_from([URGENT, NORMAL]), max_size=50),
)
def test_the_pool_never_overflows_and_the_rest_leaves_the_kept_slots_alone(
    slots: int, kept: int, mined: int, asked: list[Urgency]
) -> None:
    there = purse(10**6, Budget(slots=slots, kept=kept), nonce=mined)
    taken: list[Urgency] = []
    for urgency in asked:
        if there.takes(Want(urgency, CONTRACT, 1, mined + len(taken))):
            taken.append(urgency)
    assert len(taken) <= slots
    assert taken.count(NORMAL) <= max(0, slots - kept)
    if len(taken) < slots:
        assert taken.count(URGENT) == asked.count(URGENT)


def test_slots_that_were_mined_are_free_again() -> None:
    promises = Books(tuple(Promise(nonce, NORMAL, 0) for nonce in range(12)))
    budget = Budget(slots=16, kept=4)
    [want] = [Want(NORMAL, CONTRACT, 1, 12)]
    assert not purse(10**6, budget, promises, nonce=0).takes(want)
    assert purse(10**6, budget, promises, nonce=1).takes(want)
