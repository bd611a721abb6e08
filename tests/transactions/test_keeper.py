"""What is in flight is looked after: nothing waits for ever, and nothing has two effects."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scheduler.chain.errors import RpcError
from scheduler.chain.model import Head
from scheduler.errors import NotYet
from scheduler.transactions.encoding import DynamicFee, LegacyFee, sign
from scheduler.transactions.expectations import Expectations, View
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.intents import Displaced, Ended, Urgency
from scheduler.transactions.ladder import RISE, fee_of, outbid
from scheduler.transactions.states import AttemptState, IntentState, OutcomeKind, Purpose
from tests import nodes
from tests.transactions.rig import VIEW, Bench, Office, later, office

GWEI = 10**9


@pytest.fixture
def bench(anvil_bench: Bench) -> Bench:
    """The tests say what blocks cost and hold, which only anvil lets them."""
    anvil_bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    anvil_bench.mine()
    return anvil_bench


async def mine_at(opened: Office, base_fee: int, blocks: int = 1) -> None:
    """Blocks at this base fee, in wei per gas, each seen by the program."""
    for _ in range(blocks):
        opened.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
        opened.bench.mine()
        await opened.turn()


async def stuck(opened: Office, blocks: int, base_fee: int = 500 * GWEI) -> None:
    """Blocks too dear for what is in flight; the one after them would be as dear."""
    await mine_at(opened, base_fee, blocks)


def hits(opened: Office) -> int:
    """How often the counter was hit by anybody."""
    call = {"to": opened.bench.counter, "data": "0x" + VIEW.hex()}
    return opened.bench.endpoint.number("eth_call", call, "latest")


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Counted:
    """A method of the node that counts how often it was called."""

    def __init__(self, method: Callable[..., Awaitable[Any]]) -> None:
        self._method = method
        self.count = 0

    async def __call__(self, *given: Any, **named: Any) -> Any:
        self.count += 1
        return await self._method(*given, **named)


def state(opened: Office, key: str = "one") -> IntentState:
    return opened.journal.intent_states([key])[key]


async def test_what_the_node_dropped_is_sent_again_with_the_same_bytes(at: Office) -> None:
    at.want(at.wish())
    await at.turn()
    [attempt] = at.open_attempts()
    at.bench.endpoint.request("anvil_dropTransaction", attempt.hash)
    await at.mine_and_turn()
    assert at.node.sent == [attempt.hash, attempt.hash]
    await at.until_mined()
    assert at.hits == 1


async def test_what_was_dropped_is_sent_again_where_no_further_bid_is_signed(
    at: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signer that is busy with a bid kept back what needs none."""
    at.want(at.wish())
    await at.turn()

    async def busy(_: object) -> None:
        raise NotYet("nothing was signed")

    monkeypatch.setattr(at.desk.signer, "sign", busy)
    [attempt] = at.open_attempts()
    await stuck(at, 2)
    at.node.sent.clear()
    with pytest.raises(NotYet, match="nothing was signed"):
        await stuck(at, 1)
    assert at.node.sent == [attempt.hash]


async def test_families_look_ahead_though_no_further_bid_is_signed(
    at: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that clef's rules do not let be outbid kept new calls from being claimed."""
    at.want(at.wish())
    await at.turn()
    looked: list[int] = []

    async def busy(_: object) -> None:
        raise NotYet("nothing was signed")

    async def look_ahead(head: Head) -> None:
        looked.append(head.number)

    monkeypatch.setattr(at.desk.signer, "sign", busy)
    monkeypatch.setattr(at.family, "look_ahead", look_ahead)
    await stuck(at, 2)
    with pytest.raises(NotYet, match="nothing was signed"):
        await stuck(at, 1)
    assert looked[-1] == (await at.head()).number
    assert at.flow.in_flight == 1


async def test_a_price_that_the_blocks_left_behind_is_raised_until_it_is_mined(at: Office) -> None:
    at.want(at.wish())
    await at.turn()
    await stuck(at, 4)
    first, second = at.open_attempts()
    assert (first.nonce, first.purpose) == (second.nonce, second.purpose)
    assert fee_of(second.fields).cap >= outbid(fee_of(first.fields), 10).cap
    assert fee_of(second.fields).cap > 500 * GWEI
    await mine_at(at, 500 * GWEI)
    assert at.hits == 1
    assert state(at) is IntentState.SUCCEEDED
    await at.mine_and_turn(3)
    assert at.open_attempts() == []
    assert at.bench.nonce(at.address) == 1


async def test_a_normal_one_may_miss_three_blocks_and_an_urgent_one_only_one(at: Office) -> None:
    at.want(at.wish())
    await at.turn()
    await stuck(at, 2)
    assert len(at.open_attempts()) == 1
    await stuck(at, 1)
    assert len(at.open_attempts()) == 2


async def test_urgent_work_is_not_stuck_behind_cheap_work(at: Office) -> None:
    """The cheap one is raised as fast as the urgent one needs it to be."""
    at.want(at.wish("cheap"))
    await at.turn()
    at.want(at.wish("urgent", urgency=Urgency.URGENT))
    await at.turn()
    await stuck(at, 1)
    assert [attempt.intent.key for attempt in at.open_attempts()] == [
        "cheap",
        "cheap",
        "urgent",
        "urgent",
    ]
    await mine_at(at, 500 * GWEI)
    assert at.hits == 2


async def test_the_bids_of_a_head_are_simulated_in_one_request(
    at: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each behind those with lower nonces, as they would be mined: here the first is enough."""
    once = Expectations(after=(View(at.bench.counter, VIEW, word(hits(at) + 1), "more than one"),))
    at.want(at.wish("a", expects=once), at.wish("b"))
    await at.turn()
    requests = Counted(at.node.simulate)
    monkeypatch.setattr(at.node, "simulate", requests, raising=False)
    at.want()
    await stuck(at, 3)
    assert [bid.intent.key for bid in at.open_attempts()] == ["a", "a", "b", "b"]
    assert requests.count == 1
    await mine_at(at, 500 * GWEI)
    assert at.hits == 2


async def test_whichever_bid_is_mined_is_the_outcome(at: Office) -> None:
    """The node takes no higher one, so the first is mined after all."""
    at.want(at.wish())
    await at.turn()
    at.node.refusal = RpcError(-32000, "something that nobody has heard of")
    await stuck(at, 3)
    first, second = at.open_attempts()
    await mine_at(at, GWEI)
    assert first.raw is not None
    at.bench.endpoint.request("eth_sendRawTransaction", "0x" + first.raw.hex())
    await at.until_mined()
    assert at.hits == 1
    states = {attempt.hash: attempt.state for attempt in at.open_attempts()}
    assert states == {first.hash: AttemptState.MINED, second.hash: AttemptState.SIGNED}
    at.node.refusal = None
    await at.mine_and_turn(3)
    assert at.open_attempts() == []
    assert at.family.story("one").count("succeeded") == 1
    assert at.hits == 1


async def test_where_the_node_has_no_bid_of_a_slot_it_is_given_all(at: Office) -> None:
    """One of them may be refused, for lack of ether for instance, and must not lose the others."""
    at.want(at.wish())
    await at.turn()
    await stuck(at, 3)
    first, second = at.open_attempts()
    for attempt in (second, first):
        at.bench.endpoint.request("anvil_dropTransaction", attempt.hash)
    at.node.sent.clear()
    await stuck(at, 1, 400_000 * GWEI)
    assert at.node.sent == [first.hash, second.hash]


async def test_nothing_is_bid_above_the_ceiling_and_that_is_said_once(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "SENDER")
    policy = FeePolicy(max_gas_price=100 * GWEI)
    async with office(bench, tmp_path / "journal.db", bench.key(), policy) as at:
        await mine_at(at, GWEI)
        at.want(at.wish())
        await at.turn()
        await stuck(at, 6)
        assert all(fee_of(each.fields).cap <= 100 * GWEI for each in at.open_attempts())
        said = [each.message for each in caplog.records if "max-gas-price" in each.message]
        assert len(said) == 1
        await mine_at(at, GWEI)
        await at.until_mined()
        assert at.hits == 1


async def test_what_is_kept_out_by_something_else_than_its_price_does_not_rise_without_end(
    at: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """The only transaction of an empty chain, and blocks leave it out: it became ever dearer."""
    caplog.set_level(logging.WARNING, "SENDER")
    at.node.refusal = RpcError(-32000, "something that nobody has heard of")
    at.want(at.wish(urgency=Urgency.URGENT))
    await at.turn()
    await mine_at(at, GWEI, 60)
    first, *_, last = [fee_of(attempt.fields) for attempt in at.open_attempts()]
    assert isinstance(first, DynamicFee)
    assert isinstance(last, DynamicFee)
    assert first.tip < last.tip <= RISE * first.tip
    assert last.max_fee <= RISE * first.max_fee
    said = [each.message for each in caplog.records if f"offers {RISE} times" in each.message]
    assert len(said) == 1
    at.node.refusal = None
    await mine_at(at, GWEI, 2)
    assert at.hits == 1


async def test_a_slot_does_not_begin_where_the_last_one_ended(
    at: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a chain without others a node comes to suggest what we paid, raised as it was."""
    at.want(at.wish())
    await at.turn()
    await stuck(at, 3)
    first, raised = [fee_of(attempt.fields) for attempt in at.open_attempts()]
    assert isinstance(first, DynamicFee)
    assert isinstance(raised, DynamicFee)
    await mine_at(at, GWEI)

    head = await at.head()
    # As geth's, where most of the latest blocks' transactions are like this one.
    paid_last = replace(await at.sender.conditions(head), suggested=raised.tip)
    market = at.desk.market(head, paid_last)
    assert isinstance(market, DynamicFee)
    assert market.tip == first.tip < raised.tip


async def test_what_can_do_no_good_any_more_frees_its_nonce(at: Office) -> None:
    last = (await at.head()).number + 2
    at.want(at.wish(last_block=last))
    await at.turn()
    await stuck(at, 3)
    *_, cancellation = at.open_attempts()
    assert cancellation.purpose is Purpose.CANCEL
    assert cancellation.fields["to"] == at.address
    assert int(cancellation.fields["value"], 16) == 0
    at.want(at.wish("two"))
    await mine_at(at, 500 * GWEI)
    assert state(at) is IntentState.IN_SLOT, "a cancellation counts only when it is final"
    await mine_at(at, 500 * GWEI, 3)
    assert state(at) is IntentState.EXPIRED
    assert [said.verdict.kind for _, said in at.family.heard if isinstance(said, Ended)] == [
        OutcomeKind.EXPIRED
    ]
    await at.until_mined("two")
    assert at.hits == 1


async def test_what_somebody_else_did_meanwhile_is_not_bid_for_but_cancelled(at: Office) -> None:
    """Each bid is simulated again, on a state without our own attempt."""
    at.want(at.wish())
    await at.turn()
    code = at.bench.code_of_counter
    at.bench.endpoint.request("anvil_setCode", at.bench.counter, "0x00")
    try:
        await stuck(at, 4)
    finally:
        at.bench.endpoint.request("anvil_setCode", at.bench.counter, code)
    *_, last = at.open_attempts()
    assert last.purpose is Purpose.CANCEL
    await mine_at(at, 500 * GWEI, 4)
    assert at.hits == 0
    assert state(at) is IntentState.EXPIRED


async def test_a_cancellation_that_is_stuck_is_raised_too(at: Office) -> None:
    last = (await at.head()).number + 1
    at.want(at.wish(last_block=last))
    await at.turn()
    await stuck(at, 1, 200 * GWEI)
    await stuck(at, 4, 2_000 * GWEI)
    purposes = [attempt.purpose for attempt in at.open_attempts()]
    assert purposes[:3] == [Purpose.ACT, Purpose.CANCEL, Purpose.CANCEL]
    await mine_at(at, 2_000 * GWEI, 4)
    assert at.open_attempts() == []
    assert state(at) is IntentState.EXPIRED


async def test_an_outsider_who_takes_the_nonce_costs_no_effect(at: Office) -> None:
    """Only when the other's transaction is final is the intent given another slot."""
    at.want(at.wish())
    await at.turn()
    [ours] = at.open_attempts()
    assert at.key is not None
    at.bench.endpoint.request("anvil_dropTransaction", ours.hash)
    at.node.refusal = RpcError(-32000, "replacement transaction underpriced")
    outsiders = sign(
        at.desk_transaction(to=at.address, nonce=ours.nonce, fee=DynamicFee(300 * GWEI, GWEI)),
        at.key,
    )
    at.bench.endpoint.request("eth_sendRawTransaction", "0x" + outsiders.raw.hex())
    await at.mine_and_turn(2)
    assert state(at) is IntentState.IN_SLOT
    at.node.refusal = None
    await at.mine_and_turn(2)
    displaced = [said for _, said in at.family.heard if isinstance(said, Displaced)]
    assert [said.hash for said in displaced] == [outsiders.hash]
    await at.until_mined()
    assert at.hits == 1
    assert at.bench.nonce(at.address) == 2


async def test_a_price_that_the_account_cannot_pay_ends_nothing(at: Office) -> None:
    """The bid's simulation failed for lack of ether, so the intent was cancelled for good, and at
    that price."""
    at.want(at.wish())
    await at.turn()
    await stuck(at, 6, 10_000 * GWEI)
    assert [bid.purpose for bid in at.open_attempts()] == [Purpose.ACT]
    await mine_at(at, GWEI)
    await at.until_mined()
    assert at.hits == 1


async def test_a_bid_that_the_node_finds_too_low_is_raised_with_the_next_block(
    at: Office,
) -> None:
    at.node.refusal = RpcError(-32000, "replacement transaction underpriced")
    at.want(at.wish())
    await at.turn()
    await mine_at(at, GWEI)
    first, second = at.open_attempts()
    assert fee_of(second.fields).cap >= outbid(fee_of(first.fields), 10).cap
    at.node.refusal = None
    await at.until_mined()
    assert at.hits == 1


async def test_what_somebody_else_has_in_the_slot_is_outbid_in_one_step(at: Office) -> None:
    at.want(at.wish())
    await at.turn()
    [ours] = at.open_attempts()
    assert at.key is not None
    at.bench.endpoint.request("anvil_dropTransaction", ours.hash)
    theirs = outbid(fee_of(ours.fields), 200)
    outsiders = sign(at.desk_transaction(to=at.address, nonce=ours.nonce, fee=theirs), at.key)
    for _ in range(2):  # ours is refused, then raised; the other is not mined meanwhile
        at.bench.mine()
        at.bench.endpoint.request("eth_sendRawTransaction", "0x" + outsiders.raw.hex())
        await at.turn()
        at.bench.endpoint.request("anvil_dropTransaction", outsiders.hash)
    *_, bid = at.open_attempts()
    assert fee_of(bid.fields) == outbid(theirs, 10)
    await at.until_mined()
    assert at.hits == 1
    assert at.bench.nonce(at.address) == 1


async def test_where_there_is_no_room_a_higher_price_makes_none(at: Office) -> None:
    at.node.refusal = RpcError(-32000, "txpool is full")
    at.want(at.wish())
    await at.turn()
    await stuck(at, 5, GWEI)
    assert len(at.open_attempts()) == 1
    at.node.refusal = None
    await at.until_mined()
    assert at.hits == 1


async def test_a_restart_goes_on_with_the_bids_that_are_there(at: Office) -> None:
    at.want(at.wish())
    await at.turn()
    await stuck(at, 3)
    again = later(at)
    await stuck(again, 4, 5_000 * GWEI)
    assert len(again.open_attempts()) == 3
    await mine_at(again, 5_000 * GWEI)
    assert again.hits == 1


@pytest.fixture(scope="module")
def istanbul() -> Iterator[Bench]:
    with nodes.anvil(automine=False, hardfork="istanbul") as node:
        bench = Bench(node)
        yield bench
        bench.endpoint.close()


@pytest.fixture
async def legacy(istanbul: Bench, tmp_path: Path) -> AsyncIterator[Office]:
    policy = FeePolicy(bump_percent=40)
    async with office(istanbul, tmp_path / "journal.db", istanbul.key(), policy) as opened:
        yield opened


async def test_legacy_prices_rise_by_what_the_node_asks_for(legacy: Office) -> None:
    legacy.want(legacy.wish())
    await legacy.turn()
    legacy.node.refusal = RpcError(-32000, "something that nobody has heard of")
    [first] = legacy.open_attempts()
    legacy.bench.endpoint.request("anvil_dropTransaction", first.hash)
    await legacy.mine_and_turn(3)
    _, second = legacy.open_attempts()
    assert isinstance(fee_of(second.fields), LegacyFee)
    assert fee_of(second.fields).cap >= outbid(fee_of(first.fields), 40).cap
    legacy.node.refusal = None
    await legacy.until_mined()
    assert legacy.hits == 1
