"""An intent becomes one transaction: simulated, signed, in the journal, and only then sent."""

import asyncio
from dataclasses import replace

import pytest

from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.model import Conditions, Head
from scheduler.errors import NotYet
from scheduler.transactions.expectations import Expectations, View
from scheduler.transactions.intents import Refused
from scheduler.transactions.states import AttemptState, IntentState, OutcomeKind
from tests.transactions.rig import VIEW, Office, later


async def test_an_intent_is_executed_once_however_often_it_is_due(at: Office) -> None:
    at.want(at.wish())
    await at.turn()
    await at.turn()
    await at.until_mined()
    await at.mine_and_turn(2)
    assert at.hits == 1
    assert at.bench.nonce(at.address) == 1
    assert at.family.story("one")[:3] == ["Attempting", "Accepted", "succeeded"]
    assert len(at.node.sent) == 1


async def test_it_is_not_executed_again_after_a_restart(at: Office) -> None:
    at.want(at.wish())
    await at.turn()
    await later(at).turn()
    again = later(at)
    await again.until_mined()
    await later(at).turn()
    assert at.hits == 1
    assert at.bench.nonce(at.address) == 1


async def test_the_outcome_is_final_after_the_confirmations(at: Office) -> None:
    at.want(at.wish())
    await at.turn()
    await at.until_mined()
    [mined] = at.open_attempts()
    assert mined.state is AttemptState.MINED
    assert mined.block_number is not None
    while (await at.head()).number < mined.block_number + 1:
        await at.mine_and_turn()
    if (await at.head()).number == mined.block_number + 1:
        assert at.open_attempts() == [mined], "one confirmation of two"
    await at.mine_and_turn()
    assert at.open_attempts() == []
    assert at.family.story("one")[-1] == "Settled"
    assert at.flow.in_flight == 0


async def test_many_are_sent_at_once_and_each_takes_effect_in_order(at: Office) -> None:
    keys = [f"wish {number}" for number in range(12)]
    at.want(*map(at.wish, keys))
    await at.turn()
    assert [attempt.nonce for attempt in at.open_attempts()] == list(range(12))
    assert [attempt.intent.key for attempt in at.open_attempts()] == keys
    for key in keys:
        await at.until_mined(key)
    assert at.hits == 12


async def test_preparing_leaves_no_trace(at: Office) -> None:
    [prepared] = await at.prepared(at.wish())
    assert prepared.signed is not None
    assert at.open_attempts() == []
    assert at.journal.intent_states(["one"]) == {}
    assert at.bench.nonce(at.address, "pending") == 0


async def test_what_was_prepared_at_one_head_is_committed_at_a_later_one(at: Office) -> None:
    prepared = await at.prepared(at.wish())
    await asyncio.to_thread(at.bench.mine)
    attempts = await at.sender.commit(prepared, await at.head())
    await at.sender.broadcast(attempts)
    await at.until_mined()
    assert at.hits == 1


async def test_what_a_simulation_says_fails_is_refused_and_leaves_no_trace(at: Office) -> None:
    reverts = at.wish("reverts", to=at.bench.reverter)
    never = View(at.bench.counter, VIEW, b"", "nothing would be hit")  # where only views can tell
    misses = at.wish("misses", data=VIEW, expects=Expectations(before=(never,)))
    at.want(reverts, at.wish("one"), misses)
    await at.turn()
    assert at.journal.intent_states(["reverts", "misses"]) == {}
    assert [attempt.intent.key for attempt in at.open_attempts()] == ["one"]
    refused = {key: said.verdict for key, said in at.family.heard if isinstance(said, Refused)}
    assert refused["reverts"].kind is OutcomeKind.REVERTED
    assert refused["misses"].kind is OutcomeKind.NO_EFFECT
    # For whoever measures it: what was refused, and that the other one left.
    assert (at.desk.counters.refused, at.desk.counters.left) == (2, 1)
    await at.until_mined()
    assert at.bench.nonce(at.address) == 1


async def test_one_that_no_block_can_include_does_not_keep_the_others_back(at: Office) -> None:
    """The node refused to simulate all of them, and nothing at all was sent."""
    lacks_gas = at.wish("lacks gas", gas=21_001)
    wants = [at.wish(f"wish {number}") for number in range(4)]
    at.want(*wants[:3], lacks_gas, *wants[3:])
    await at.turn()
    assert [attempt.intent.key for attempt in at.open_attempts()] == [w.key for w in wants]
    assert "Refused" in at.family.story("lacks gas")
    for wanted in wants:
        await at.until_mined(wanted.key)


async def test_one_with_more_gas_than_a_block_has_does_not_keep_the_others_back(
    at: Office,
) -> None:
    limit = (await at.head()).gas_limit
    at.want(at.wish("too big", gas=limit + 1), at.wish())
    try:
        await at.turn()
    finally:
        said = at.family.story("too big")
    assert at.journal.intent_states(["too big", "one"]) == {"one": IntentState.IN_SLOT}
    assert said == ["Refused"]
    await at.until_mined()


async def test_what_costs_more_than_it_may_is_abandoned_before_it_is_sent(at: Office) -> None:
    at.want(at.wish(max_cost=1))
    await at.turn()
    [(_, said)] = at.family.heard
    assert isinstance(said, Refused)
    assert said.verdict.kind is OutcomeKind.ABANDONED
    assert said.verdict.detail.startswith("it would cost ")
    assert at.open_attempts() == []


async def test_an_old_journal_sends_nothing_while_the_node_is_syncing(at: Office) -> None:
    at.node.says_syncing = True
    with pytest.raises(NotYet, match="syncing"):
        await at.prepared(at.wish())


async def test_an_unreachable_node_is_told_and_nothing_is_reserved(
    at: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> object:
        raise NodeUnavailable("gone")

    monkeypatch.setattr(at.node, "conditions", away, raising=False)
    at.want(at.wish())
    with pytest.raises(NodeUnavailable):
        await at.turn()
    assert at.open_attempts() == []


async def test_where_the_node_simulates_nothing_nothing_is_blamed_and_nothing_is_sent(
    on_anvil: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = replace(await on_anvil.head(), hash="0x" + "99" * 32)
    conditions = on_anvil.node.conditions

    async def of_the_real_head(account: str, _: Head) -> Conditions:
        return await conditions(account, await on_anvil.head())

    monkeypatch.setattr(on_anvil.node, "conditions", of_the_real_head)
    with pytest.raises(RpcError):
        await on_anvil.sender.prepare([on_anvil.wish("a"), on_anvil.wish("b")], head)
    assert on_anvil.family.heard == []
    assert on_anvil.open_attempts() == []
