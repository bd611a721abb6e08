"""What is due in the block after next is signed already when its turn comes, if it still holds."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scheduler.chain.errors import CannotSimulate, RpcError
from scheduler.chain.model import Call, CallResult, Head
from scheduler.errors import NotYet
from scheduler.transactions import ahead
from scheduler.transactions.encoding import DynamicFee, Signed, Transaction
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.intents import Urgency
from scheduler.transactions.journal import Journal
from scheduler.transactions.journal.holds import Mode
from scheduler.transactions.ladder import fee_of
from scheduler.transactions.purse import Budget
from tests.transactions.rig import ETHER, Bench, Office, later, office

GWEI = 10**9


@pytest.fixture
def bench(anvil_bench: Bench) -> Bench:
    anvil_bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    anvil_bench.mine()
    return anvil_bench


class Seen:
    """What is asked of the node and the signer, as often as it is."""

    def __init__(self, at: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        self.simulated: list[tuple[int, int]] = []
        self.signed: list[int] = []
        self.commits: list[int] = []
        self._simulate, self._sign = at.node.simulate, at.desk.signer._signer.sign
        self._reserve = at.journal.reserve
        monkeypatch.setattr(at.node, "simulate", self.simulate, raising=False)
        monkeypatch.setattr(at.desk.signer._signer, "sign", self.sign)
        monkeypatch.setattr(at.journal, "reserve", self.reserve)

    async def simulate(
        self, calls: Sequence[Call], on: Head, number: int, **rest: Any
    ) -> list[CallResult]:
        self.simulated.append((on.number, number))
        return list(await self._simulate(calls, on, number, **rest))

    async def sign(self, transactions: Sequence[Transaction]) -> list[Signed | None]:
        self.signed += [transaction.nonce for transaction in transactions]
        return await self._sign(transactions)

    def reserve(self, *given: Any) -> Any:
        attempts = self._reserve(*given)
        self.commits.append(len(attempts))
        return attempts


@pytest.fixture
def seen(at: Office, monkeypatch: pytest.MonkeyPatch) -> Seen:
    return Seen(at, monkeypatch)


async def soon(at: Office, *keys: str, **fields: Any) -> int:
    """Makes wishes due in the block after next, shows the head, and says which block that is."""
    target = at.bench.head + 2
    wishes = [
        at.wish(key, **{"first_block": target, "urgency": Urgency.URGENT, **fields})
        for key in keys or ("one",)
    ]
    at.want(*at.family.wishes, *wishes)
    await at.turn()
    return target


def next_block(at: Office, base_fee: int | None = None) -> None:
    if base_fee is not None:
        at.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
    at.bench.mine()


def raws(at: Office) -> list[bytes | None]:
    return [attempt.raw for attempt in at.open_attempts()]


async def test_what_is_due_after_the_next_block_is_sent_with_its_head_as_it_was_signed(
    at: Office, seen: Seen
) -> None:
    target = await soon(at, "a", "b", "c")
    assert seen.simulated == [(target - 2, target)]
    assert seen.signed == [0, 1, 2]
    assert at.open_attempts() == []
    assert at.journal.intent_states(["a", "b", "c"]) == {}
    next_block(at)
    await at.turn()
    assert seen.simulated == [(target - 2, target)]
    assert seen.signed == [0, 1, 2]
    assert seen.commits == [3]
    assert {attempt.head_number for attempt in at.open_attempts()} == {target - 1}
    next_block(at)
    assert at.hits == 3
    await at.turn()
    assert at.family.story("a") == ["Attempting", "Accepted", "succeeded"]


async def test_it_is_in_the_journal_in_the_block_before_its_own_and_no_earlier(
    at: Office, seen: Seen
) -> None:
    """A program that ends between the heads leaves nothing that anybody must look after."""
    await soon(at)
    again = later(at)
    assert again.open_attempts() == []
    next_block(at)
    await again.turn()
    next_block(at)
    assert at.hits == 1
    assert at.bench.nonce(at.address, "pending") == 1


async def test_what_is_not_due_any_more_is_dropped_and_the_rest_keep_their_bytes(
    at: Office, seen: Seen
) -> None:
    """The last one takes the free nonce: it alone is signed again."""
    target = await soon(at, "a", "b", "c", "d")
    at.want(*(wish for wish in at.family.wishes if wish.key != "b"))
    next_block(at)
    await at.turn()
    assert [attempt.intent.key for attempt in at.open_attempts()] == ["a", "d", "c"]
    assert [attempt.nonce for attempt in at.open_attempts()] == [0, 1, 2]
    assert seen.signed == [0, 1, 2, 3, 1]
    assert seen.simulated == [(target - 2, target)]
    next_block(at)
    assert at.hits == 3


async def test_what_is_asked_for_in_another_way_is_prepared_anew(at: Office, seen: Seen) -> None:
    target = await soon(at, "a", "b")
    a, b = at.family.wishes
    at.want(a, replace(b, gas=b.gas + 1))
    next_block(at)
    await at.turn()
    assert seen.simulated == [(target - 2, target), (target - 1, target)]
    assert [int(each.fields["gas"], 16) for each in at.open_attempts()] == [a.gas, b.gas + 1]
    assert seen.commits == [1, 1]
    next_block(at)
    assert at.hits == 2


async def test_what_became_due_meanwhile_goes_after_what_is_ready(at: Office, seen: Seen) -> None:
    target = await soon(at)
    at.want(*at.family.wishes, at.wish("new", first_block=0))
    next_block(at)
    await at.turn()
    assert seen.simulated == [(target - 2, target), (target - 1, target)]
    assert [attempt.intent.key for attempt in at.open_attempts()] == ["one", "new"]
    next_block(at)
    assert at.hits == 2


async def test_what_is_ready_leaves_although_the_rest_cannot_be_prepared(
    at: Office, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    await soon(at)
    at.want(*at.family.wishes, at.wish("new", first_block=0))

    async def refused(*_: object, **__: object) -> list[CallResult]:
        raise RpcError(-32000, "no")

    monkeypatch.setattr(at.node, "simulate", refused)
    next_block(at)
    with pytest.raises(RpcError):
        await at.turn()
    assert [attempt.intent.key for attempt in at.open_attempts()] == ["one"]
    next_block(at)
    assert at.hits == 1


async def test_a_nonce_that_another_process_took_meanwhile_is_signed_again(
    at: Office, seen: Seen
) -> None:
    target = await soon(at, "a", "b")
    other = later(at, journal=Journal.open(at.path))
    await other.sender.broadcast(
        await other.sender.commit(await other.prepared(at.wish("rival")), await at.head())
    )
    next_block(at)
    await at.turn()
    assert seen.simulated[0] == (target - 2, target)
    assert (target - 1, target) not in seen.simulated
    assert [(each.nonce, each.intent.key) for each in at.open_attempts()] == [
        (0, "rival"),
        (1, "b"),
        (2, "a"),
    ]
    next_block(at)
    assert at.hits == 3
    other.journal.close()


async def test_an_outsiders_nonce_is_signed_again_above_it(at: Office, seen: Seen) -> None:
    await soon(at)
    at.stranger(0)
    next_block(at)
    await at.turn()
    assert [each.nonce for each in at.open_attempts() if not each.is_found] == [1]
    next_block(at)
    assert at.hits == 2


async def test_two_full_blocks_do_not_price_it_out(at: Office, seen: Seen) -> None:
    target = await soon(at)
    base_fee = (await at.head()).base_fee
    assert base_fee is not None
    next_block(at, base_fee * 9 // 8)
    await at.turn()
    assert seen.simulated == [(target - 2, target)]
    next_block(at, base_fee * 9 // 8 * 9 // 8)
    assert at.hits == 1


async def test_one_that_the_base_fee_has_left_behind_is_priced_anew(at: Office, seen: Seen) -> None:
    """More than two full blocks could do: another fork, or another rule of fees."""
    target = await soon(at)
    next_block(at, 5 * GWEI)
    await at.turn()
    assert seen.simulated == [(target - 2, target), (target - 1, target)]
    [attempt] = at.open_attempts()
    assert fee_of(attempt.fields).cap > 5 * GWEI
    next_block(at)
    assert at.hits == 1


@pytest.mark.parametrize("grown", [{"crowded": 50 * GWEI}, {"suggested": 50 * GWEI}])
async def test_a_tip_counts_that_others_paid_for_the_last_room_and_no_other(
    at: Office, seen: Seen, monkeypatch: pytest.MonkeyPatch, grown: dict[str, int]
) -> None:
    """A node suggests what others paid, too, who had no need to."""
    target = await soon(at)
    look = at.node.conditions

    async def dearer(*given: Any) -> Any:
        return replace(await look(*given), **grown)

    monkeypatch.setattr(at.node, "conditions", dearer, raising=False)
    next_block(at)
    await at.turn()
    again = [(target - 1, target)] if "crowded" in grown else []
    assert seen.simulated == [(target - 2, target), *again]
    [attempt] = at.open_attempts()
    fee = fee_of(attempt.fields)
    assert isinstance(fee, DynamicFee)
    assert (fee.tip == 50 * GWEI + 1) == ("crowded" in grown)
    next_block(at)
    assert at.hits == 1


async def test_nothing_is_sent_above_the_ceiling(bench: Bench, tmp_path: Path) -> None:
    policy = FeePolicy(max_gas_price=3 * GWEI)
    async with office(bench, tmp_path / "journal.db", bench.key(), policy) as at:
        await soon(at)
        next_block(at, 5 * GWEI)
        with pytest.raises(NotYet, match="max-gas-price"):
            await at.turn()
        assert at.open_attempts() == []
        next_block(at, GWEI)
        await at.turn()
        next_block(at)
        assert at.hits == 1


async def test_a_pause_that_comes_between_the_heads_keeps_it_back(at: Office, seen: Seen) -> None:
    await soon(at)
    at.journal.holds.place("scheduler", Mode.PAUSE, "ann", "")
    next_block(at)
    with pytest.raises(NotYet, match="held back by ann"):
        await at.turn()
    assert at.open_attempts() == []
    at.journal.holds.lift("scheduler", "ann")
    await at.mine_and_turn(2)
    assert at.hits == 1


async def test_nothing_is_prepared_while_it_is_paused(at: Office, seen: Seen) -> None:
    at.journal.holds.place("scheduler", Mode.PAUSE, "ann", "")
    with pytest.raises(NotYet, match="held back by ann"):
        await soon(at)
    assert seen.simulated == []


async def test_a_budget_that_is_spent_meanwhile_keeps_it_back_and_says_so(
    bench: Bench, tmp_path: Path
) -> None:
    async with office(bench, tmp_path / "journal.db", bench.key()) as at:
        poor = later(at, budget=Budget(urgent_per_day=10**15))
        await soon(poor)
        spent = await at.prepared(at.wish("spent", urgency=Urgency.URGENT, value=10**15 - 1))
        await at.sender.broadcast(await at.sender.commit(spent, await at.head()))
        next_block(at)
        with pytest.raises(NotYet, match=r"budget\.urgent-per-day"):
            await poor.turn()
        assert [attempt.intent.key for attempt in at.open_attempts()] == ["spent"]


async def test_ether_that_is_gone_meanwhile_keeps_it_back_and_says_so(
    at: Office, seen: Seen
) -> None:
    await soon(at)
    at.bench.endpoint.request("anvil_setBalance", at.address, "0x0")
    next_block(at)
    with pytest.raises(NotYet, match="send ether"):
        await at.turn()
    assert at.open_attempts() == []
    at.bench.endpoint.request("anvil_setBalance", at.address, hex(ETHER))
    await at.mine_and_turn(2)
    assert at.hits == 1


async def test_after_a_reorg_of_the_head_it_was_built_on_all_is_prepared_anew(
    at: Office, seen: Seen
) -> None:
    before = at.bench.endpoint.request("evm_snapshot")
    next_block(at)
    target = await soon(at)
    gone = await at.head()
    assert at.bench.endpoint.request("evm_revert", before)
    at.bench.endpoint.request("anvil_setNextBlockTimestamp", hex(gone.timestamp + 5))
    at.bench.mine(2)
    await at.turn(removed=[gone])
    assert seen.simulated == [(target - 2, target), (target - 1, target)]
    next_block(at)
    assert at.hits == 1


async def test_a_block_that_was_not_seen_makes_it_be_prepared_anew(at: Office, seen: Seen) -> None:
    target = await soon(at, last_block=2**31)
    at.bench.mine(2)
    await at.turn()
    assert seen.simulated == [(target - 2, target), (target, target + 1)]
    next_block(at)
    assert at.hits == 1


async def test_behind_a_stuck_transaction_it_takes_that_ones_place(at: Office, seen: Seen) -> None:
    """Ready as it was it would have waited behind it, and missed its block."""
    at.want(at.wish("cheap"))
    await at.turn()
    at.bench.endpoint.request("anvil_dropAllTransactions")
    at.want()
    target = await soon(at, "urgent")
    assert (target - 2, target) in seen.simulated
    at.bench.endpoint.request("anvil_dropAllTransactions")
    next_block(at)
    await at.turn()
    assert (target - 1, target) in seen.simulated
    assert [(each.nonce, each.intent.key) for each in at.open_attempts()][-1] == (0, "urgent")
    next_block(at)
    assert at.hits == 1


async def test_what_prevents_preparing_is_no_trouble_and_nothing_is_said(
    at: Office, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again when it is due, and told then."""
    works = at.node.simulate

    async def refused(*_: object, **__: object) -> list[CallResult]:
        raise RpcError(-32000, "no")

    monkeypatch.setattr(at.node, "simulate", refused)
    await soon(at)
    assert at.family.heard == []
    monkeypatch.setattr(at.node, "simulate", works)
    next_block(at)
    await at.turn()
    next_block(at)
    assert at.hits == 1


async def test_what_would_fail_is_refused_when_it_is_due_and_only_then(
    at: Office, seen: Seen
) -> None:
    await soon(at, to=at.bench.reverter)
    assert at.family.heard == []
    next_block(at)
    await at.turn()
    assert at.family.story("one") == ["Refused"]
    assert at.open_attempts() == []


async def test_a_slow_signer_does_not_delay_the_next_head(
    at: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signing ahead ends where half a slot is over; what is due is signed in its own time."""
    sign = at.desk.signer._signer.sign
    asked = asyncio.Event()

    async def never(_: Sequence[Transaction]) -> list[Signed | None]:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody waits that long")

    monkeypatch.setattr(at.desk.signer._signer, "sign", never)
    await asyncio.wait_for(soon(at), 60)
    assert asked.is_set()
    monkeypatch.setattr(at.desk.signer._signer, "sign", sign)
    next_block(at)
    await at.turn()
    next_block(at)
    assert at.hits == 1


async def test_a_node_that_cannot_simulate_is_asked_once(
    at: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an execution two blocks later does cannot be foreseen there."""
    asked: list[int] = []

    async def cannot(calls: Sequence[Call], on: Head, number: int, **_: Any) -> list[CallResult]:
        asked.append(number - on.number)
        raise CannotSimulate

    monkeypatch.setattr(at.node, "simulate", cannot, raising=False)
    await soon(at, "a")
    next_block(at)
    await at.turn()
    assert [attempt.intent.key for attempt in at.open_attempts()] == ["a"]
    await soon(at, "b")
    assert asked.count(2) == 1
    next_block(at)
    await at.turn()
    next_block(at)
    assert at.hits == 2


async def test_a_node_that_could_not_simulate_is_asked_again_later(
    at: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What answers at the endpoint may be another node by then."""
    monkeypatch.setattr(ahead, "IMPOSSIBLE_BLOCKS", 3)
    simulate = at.node.simulate
    asked: list[int] = []

    async def cannot(calls: Sequence[Call], on: Head, number: int, **_: Any) -> list[CallResult]:
        asked.append(number - on.number)
        raise CannotSimulate

    monkeypatch.setattr(at.node, "simulate", cannot, raising=False)
    await soon(at, "a")
    monkeypatch.setattr(at.node, "simulate", simulate)
    await at.mine_and_turn(3)
    assert at.hits == 1
    await soon(at, "b")
    assert [item.intent.key for item in at.flow._ahead._items] == ["b"]
    assert asked == [2]


async def test_two_contracts_of_a_program_are_one_commit(
    at: Office, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each family says what is its own; one says nothing of what it sees of the other's."""
    target = at.bench.head + 2
    second = later(at, contract=at.bench.reverter)
    second.want(second.wish("theirs", first_block=target, urgency=Urgency.URGENT))
    both = replace(at.desk, families=[at.family, second.family])
    program = Office(at.bench, at.node, both, at.path, at.key)
    at.want(at.wish("ours", first_block=target, urgency=Urgency.URGENT))
    await program.turn()
    next_block(at)
    await program.turn()
    assert seen.simulated == [(target - 2, target)]
    assert seen.commits == [2]
    assert [each.intent.key for each in at.open_attempts()] == ["ours", "theirs"]
    next_block(at)
    assert at.hits == 2
