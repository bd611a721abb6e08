"""What a head costs the journal does not grow with what is over: counted in sqlite's own steps."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.chain.model import Head, Receipt
from scheduler.transactions.flow import Flow
from scheduler.transactions.intents import Urgency
from scheduler.transactions.journal import Prepared
from scheduler.transactions.journal.orders import What
from scheduler.transactions.pruning import Keeping
from scheduler.transactions.purse import Budget, Deposits
from scheduler.transactions.states import IntentState
from tests.transactions.rig import CONFIRMATIONS, ETHER, Bench, Office, office
from tests.transactions.samples import DONE, prepared

FEW, MANY = 100, 1_000
WEEK = 7 * 86_400

# By query: the most steps that it took.
Steps = dict[str, int]


def remember(at: Office, head: Head, number: int) -> None:
    """So many intents that are over since long, each with an order for it."""
    at.journal._clock = at.journal.orders._clock = lambda: time.time() - WEEK
    account = at.desk.account
    with at.journal.together():
        past: list[Prepared] = []
        for nonce in range(number):
            wish = at.wish(f"old {nonce}")
            past.append(replace(prepared(nonce, wish, signs=False), head_number=0))
        for attempt in at.journal.reserve(account, past):
            hash_ = f"0x{attempt.nonce:064x}"
            where = (hash_, head.hash, head.number, account.address)
            at.journal.mined(attempt, Receipt(*where, True, 21_000, 10**9, ()), DONE)
            at.journal.final(account, attempt)
            at.journal.orders.give(attempt.intent.key, What.RETRY, "ada")
    at.journal._clock = at.journal.orders._clock = time.time
    at.bench.endpoint.request("anvil_setNonce", at.address, hex(number))
    at.bench.mine()


@contextmanager
def counted(at: Office) -> Iterator[Steps]:
    """Counts what each named query takes while the journal is used."""
    steps: Steps = defaultdict(int)
    connection = at.journal._database.connection

    def counting(inner: Callable[..., object]) -> Callable[..., object]:
        def counts(query: str, *values: object, **named: object) -> object:
            taken = 0

            def step() -> int:
                nonlocal taken
                taken += 1
                return 0

            connection.set_progress_handler(step, 1)
            try:
                return inner(query, *values, **named)
            finally:
                connection.set_progress_handler(None, 1)
                steps[query] = max(steps[query], taken)

        return counts

    with pytest.MonkeyPatch.context() as patch:
        for name in ("_run", "_run_each", "_read"):
            patch.setattr(at.journal, name, counting(getattr(at.journal, name)))
        # Its parts took the journal's own when it was opened.
        for part in (
            at.journal.deposits, at.journal.holds, at.journal.orders, at.journal.prunings
        ):  # fmt: skip
            patch.setattr(part, "_rows", at.journal.rows)
        yield steps


async def some_heads(bench: Bench, path: Path, past: int) -> Steps:
    """Heads with nothing to do, and with intents that are sent, outbid, mined and final."""
    async with office(bench, path, bench.key()) as opened:
        budget = Budget(
            urgent_per_day=ETHER,
            normal_per_day=ETHER,
            loss_per_contract=ETHER,
            deposits=Deposits(frozenset({bench.counter}), ETHER),
        )
        at = Office(bench, opened.node, replace(opened.desk, budget=budget), path, opened.key)
        remember(at, await at.head(), past)
        at.flow = Flow(at.desk, CONFIRMATIONS, Keeping(seconds=86_400, blocks=0))
        with counted(at) as steps:
            await at.turn(rebased=True)
            at.want(at.wish("cheap"))
            await at.turn()
            at.journal.orders.give("cheap", What.BUMP, "ada")
            await at.turn()
            at.want(at.wish("urgent", urgency=Urgency.URGENT))
            await at.turn()
            at.want()
            await at.mine_and_turn(CONFIRMATIONS + 2)
        keys = ["cheap", "urgent"]
        assert set(at.journal.intent_states(keys).values()) == {IntentState.SUCCEEDED}
        assert at.open_attempts() == []
        return dict(steps)


async def test_no_query_takes_more_where_ten_times_as_much_is_over(
    anvil_bench: Bench, tmp_path: Path
) -> None:
    few = await some_heads(anvil_bench, tmp_path / "few.db", FEW)
    many = await some_heads(anvil_bench, tmp_path / "many.db", MANY)
    assert {
        "open_attempts",
        "expenses",
        "stakes",
        "orders.open",
        "deposits.out",
        "pruning.candidates",
    } <= few.keys()
    assert few.keys() == many.keys()
    grew = {name: (few[name], many[name]) for name in few if many[name] > 1.5 * few[name]}
    assert grew == {}
