"""What the operator orders for one intent is carried out once, within the rules, or refused."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import pytest

from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.intents import Ended, Replanned
from scheduler.transactions.journal.orders import Order, OrderState, What, at_once
from scheduler.transactions.ladder import fee_of, outbid
from scheduler.transactions.states import IntentState, OutcomeKind, Purpose
from tests.transactions.rig import CONFIRMATIONS, Bench, Office, later, office

GWEI = 10**9
ELSEWHERE = "0x" + "ee" * 20


@pytest.fixture
def bench(anvil_bench: Bench) -> Bench:
    anvil_bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    anvil_bench.mine()
    return anvil_bench


async def missed(opened: Office, base_fee: int = 500 * GWEI) -> None:
    """A block too dear for what is in flight."""
    opened.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
    opened.bench.mine()
    await opened.turn()


async def final(opened: Office, base_fee: int = 500 * GWEI) -> None:
    """Blocks that take what is in flight, until it is final."""
    for _ in range(CONFIRMATIONS + 1):
        await missed(opened, base_fee)


def order(opened: Office, what: What, key: str = "one") -> Order:
    return opened.journal.orders.give(key, what, "ann")


def answer(opened: Office, given: Order) -> tuple[OrderState, str]:
    now = opened.journal.orders.one(given.id)
    return now.state, now.result or ""


def state(opened: Office, key: str = "one") -> IntentState:
    return opened.journal.intent_states([key])[key]


async def sent(opened: Office, **fields: object) -> None:
    """One intent in a slot, which no block has taken."""
    opened.want(opened.wish(**fields))
    await opened.turn()
    assert len(opened.open_attempts()) == 1


async def test_a_bump_is_the_next_bid_although_patience_is_not_over(at: Office) -> None:
    await sent(at)
    given = order(at, What.BUMP)
    await missed(at)
    first, second = at.open_attempts()
    assert fee_of(second.fields).cap >= outbid(fee_of(first.fields), 10).cap
    done, words = answer(at, given)
    assert done is OrderState.DONE
    assert words == f"a further bid for nonce 0, at most {fee_of(second.fields).cap} wei per gas"
    await final(at)
    assert at.hits == 1
    assert len(at.node.sent) == 2, "one order, one bid"


async def test_a_bump_above_the_ceiling_is_refused(bench: Bench, tmp_path: Path) -> None:
    policy = FeePolicy(max_gas_price=3 * GWEI)
    async with office(bench, tmp_path / "journal.db", bench.key(), policy) as at:
        await sent(at)
        for _ in range(3):
            order(at, What.BUMP)
            await missed(at, 3 * GWEI)
        given = order(at, What.BUMP)
        await missed(at, 3 * GWEI)
        assert all(fee_of(each.fields).cap <= 3 * GWEI for each in at.open_attempts())
        assert answer(at, given)[0] is OrderState.REFUSED
        assert "fees.max-gas-price" in answer(at, given)[1]


async def test_a_bump_of_what_would_cost_more_than_it_may_is_refused(at: Office) -> None:
    await sent(at, max_cost=100_000 * 10 * GWEI)
    given = order(at, What.BUMP)
    await missed(at)
    assert answer(at, given)[0] is OrderState.REFUSED
    assert answer(at, given)[1].startswith("it is not worth a higher price: it would cost")
    assert len(at.open_attempts()) == 1


async def test_what_is_cancelled_is_abandoned_when_that_is_final(at: Office) -> None:
    await sent(at)
    given = order(at, What.CANCEL)
    await missed(at)
    *_, cancellation = at.open_attempts()
    assert cancellation.purpose is Purpose.CANCEL
    assert answer(at, given)[0] is OrderState.DONE
    assert state(at) is IntentState.IN_SLOT
    await final(at)
    assert state(at) is IntentState.ABANDONED
    [ended] = [said.verdict for _, said in at.family.heard if isinstance(said, Ended)]
    assert (ended.kind, ended.detail) == (
        OutcomeKind.ABANDONED,
        "ann ordered that it be cancelled",
    )
    await final(at)
    assert at.hits == 0
    assert at.open_attempts() == []


async def test_of_a_call_and_its_cancellation_the_one_that_is_mined_decides(at: Office) -> None:
    await sent(at)
    [first] = at.open_attempts()
    given = order(at, What.CANCEL)
    await missed(at)
    *_, cancellation = at.open_attempts()
    assert first.raw is not None
    at.bench.endpoint.request("anvil_dropTransaction", cancellation.hash)
    at.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    at.bench.mine()
    at.bench.endpoint.request("eth_sendRawTransaction", "0x" + first.raw.hex())
    at.bench.mine()
    await at.until_mined()
    assert at.hits == 1
    assert answer(at, given)[0] is OrderState.DONE
    assert state(at) is IntentState.SUCCEEDED


async def test_what_is_mined_is_neither_raised_nor_cancelled_nor_retried(at: Office) -> None:
    await sent(at)
    await at.until_mined()
    for what in What:
        assert "in a block already (succeeded)" in answer(at, order(at, what))[1]
    await at.mine_and_turn(CONFIRMATIONS)
    for what in What:
        assert answer(at, order(at, what))[0] is OrderState.REFUSED
    assert state(at) is IntentState.SUCCEEDED


async def test_an_order_that_comes_when_the_block_is_there_already_is_refused(at: Office) -> None:
    await sent(at)
    at.bench.mine()
    given = order(at, What.CANCEL)
    await at.turn()
    assert answer(at, given) == (OrderState.REFUSED, f"it is in block {at.bench.head} already")
    assert at.hits == 1


async def test_what_was_abandoned_is_sent_again_after_a_retry_and_only_then(at: Office) -> None:
    await sent(at)
    order(at, What.CANCEL)
    await missed(at)
    await final(at)
    await final(at)
    assert (state(at), at.hits) == (IntentState.ABANDONED, 0)
    order(at, What.RETRY)
    assert state(at) is IntentState.PLANNED
    await missed(at)
    assert [said.by for _, said in at.family.heard if isinstance(said, Replanned)] == ["ann"]
    await final(at)
    assert at.hits == 1
    assert [each.nonce for each in at.open_attempts()] == []
    assert at.bench.nonce(at.address) == 2


async def test_after_a_kill_between_order_and_attempt_it_is_carried_out_once(at: Office) -> None:
    await sent(at)
    given = order(at, What.BUMP)
    again = later(at)
    await missed(again)
    assert len(again.open_attempts()) == 2
    assert answer(again, given)[0] is OrderState.DONE
    once_more = later(again)
    await missed(once_more)
    assert len(once_more.open_attempts()) == 2


async def test_an_order_stands_once_and_cancelling_takes_its_place(at: Office) -> None:
    await sent(at)
    first = order(at, What.BUMP)
    assert order(at, What.BUMP).id == first.id
    cancel = order(at, What.CANCEL)
    assert answer(at, first) == (OrderState.REFUSED, "ann ordered: cancel")
    assert order(at, What.BUMP).id == cancel.id
    await missed(at)
    assert [each.purpose for each in at.open_attempts()] == [Purpose.ACT, Purpose.CANCEL]


@pytest.fixture
async def two(bench: Bench, tmp_path: Path) -> AsyncIterator[tuple[Office, Office]]:
    """Two programs with one account and one journal: one that is gone, one that runs."""
    key = bench.key()
    async with AsyncExitStack() as stack:
        path = tmp_path / "journal.db"
        gone = await stack.enter_async_context(office(bench, path, key))
        runs = later(await stack.enter_async_context(office(bench, path, key)), ELSEWHERE)
        yield gone, runs
        runs.flow.close()


async def test_the_custodian_carries_out_what_is_ordered_for_a_program_that_is_gone(
    two: tuple[Office, Office],
) -> None:
    gone, runs = two
    await sent(gone)
    given = order(gone, What.CANCEL)
    await missed(runs)
    assert runs.open_attempts()[-1].purpose is Purpose.CANCEL
    assert answer(runs, given)[0] is OrderState.DONE
    back = later(gone)
    back.want()
    await final(back)
    assert state(back) is IntentState.ABANDONED
    assert back.hits == 0


@pytest.mark.parametrize("what", list(What))
@pytest.mark.parametrize("now", list(IntentState))
@pytest.mark.parametrize("open_slot", [False, True])
@pytest.mark.parametrize("in_series", [False, True])
def test_nothing_that_happened_happens_again_by_an_order(
    what: What, now: IntentState, open_slot: bool, in_series: bool
) -> None:
    """Only what has no outcome, or was given up, goes on; and never while a slot is open."""
    found = at_once(what, now, open_slot, in_series)
    then = found and found.then
    if then is IntentState.PLANNED:
        assert now in (IntentState.SUSPENDED, IntentState.ABANDONED)
        assert not (in_series and now is IntentState.ABANDONED), "others are numbered after it"
    if then is IntentState.ABANDONED:
        assert now in (IntentState.PLANNED, IntentState.SUSPENDED)
    if then is not None:
        assert not open_slot
    assert (found is None) is (now is IntentState.IN_SLOT and what is not What.RETRY)
    assert cast(object, then) in (None, IntentState.PLANNED, IntentState.ABANDONED)
