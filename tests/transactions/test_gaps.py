"""Nonces of the account that are in no slot of the journal: others' transactions, and gaps."""

from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.chain.errors import RpcError
from scheduler.chain.model import Conditions, Head
from scheduler.errors import NotYet
from scheduler.transactions.care import FOREIGN_PATIENCE, GONE_PATIENCE
from scheduler.transactions.quarantine import CALM_BLOCKS
from scheduler.transactions.states import AttemptState, IntentState, Purpose
from tests.transactions.rig import CONFIRMATIONS, VIEW, Bench, Office, later, office

GWEI = 10**9


@pytest.fixture
async def at(on_anvil: Office) -> Office:
    """A program that runs, with nothing to do yet."""
    base_fee(on_anvil.bench, GWEI // 2)
    await on_anvil.turn()
    return on_anvil


def base_fee(bench: Bench, wei: int) -> None:
    """Of the next block, which is mined."""
    bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(wei))
    bench.mine()


def expensive(at: Office) -> None:
    """A block in which nothing is mined that pays a gwei."""
    base_fee(at.bench, 20 * GWEI)


async def sent_behind_a_stranger(at: Office, gas_price: int = 10**11) -> str:
    """A wish in the slot behind somebody else's pending transaction, whose hash it returns."""
    hash_ = at.stranger(at.bench.nonce(at.address), data=VIEW, gas_price=gas_price)
    at.want(at.wish())
    await at.turn()
    return hash_


def account_intent(at: Office, nonce: int) -> str:
    return f"account:consume:{at.desk.account.chain}:{at.address}:{nonce}"


async def test_a_transaction_that_vanished_leaves_a_gap_that_is_closed(
    at: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """Before it was ever seen at the node, so that nothing is known of it."""
    at.node.pooled = nothing_shown
    hash_ = await sent_behind_a_stranger(at)
    at.bench.endpoint.request("anvil_dropTransaction", hash_)
    await at.mine_and_turn(GONE_PATIENCE - 1)
    assert [attempt.nonce for attempt in at.open_attempts()] == [1]
    await at.mine_and_turn(3)
    assert "nonce 0 of" in caplog.text
    assert at.hits == 1
    assert at.bench.nonce(at.address) == 2
    await at.mine_and_turn(CONFIRMATIONS + 1)
    key = account_intent(at, 0)
    assert at.journal.intent_states([key, "one"]) == {
        key: IntentState.SUCCEEDED,
        "one": IntentState.SUCCEEDED,
    }


async def test_what_was_mined_is_followed_while_nobody_signs_for_a_gap(
    at: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.node.pooled = nothing_shown
    at.want(at.wish())
    await at.turn()
    [one] = at.open_attempts()
    gap = at.stranger(1, data=VIEW)
    at.want(at.wish("two"))
    await at.turn()
    ask = at.bench.endpoint.request
    at.node.refusal = RpcError(-32000, "something that nobody has heard of")
    for hash_ in (gap, one.hash):
        ask("anvil_dropTransaction", hash_)
    await at.mine_and_turn(GONE_PATIENCE - 1)

    async def busy(_: object) -> None:
        raise NotYet("nothing was signed")

    monkeypatch.setattr(at.desk.signer, "sign", busy)
    assert one.raw is not None
    ask("eth_sendRawTransaction", "0x" + one.raw.hex())
    with pytest.raises(NotYet, match="nothing was signed"):
        await at.mine_and_turn()
    assert at.family.story("one")[-1] == "succeeded"


async def nothing_shown(*_: object) -> dict[int, object]:
    return {}


async def test_a_transaction_that_is_pending_is_watched_and_left_alone(at: Office) -> None:
    hash_ = await sent_behind_a_stranger(at)
    [theirs, ours] = at.open_attempts()
    assert (theirs.hash, theirs.is_found, theirs.state) == (hash_, True, AttemptState.BROADCAST)
    assert ours.nonce == 1
    await at.mine_and_turn(CONFIRMATIONS + 2)
    assert at.open_attempts() == []
    assert at.hits == 1
    assert hash_ not in at.node.sent
    key = account_intent(at, 0)
    assert at.journal.intent_states([key]) == {key: IntentState.SUCCEEDED}


async def test_one_that_vanishes_while_it_is_watched_is_replaced(at: Office) -> None:
    hash_ = await sent_behind_a_stranger(at)
    at.bench.endpoint.request("anvil_dropTransaction", hash_)
    await at.mine_and_turn(GONE_PATIENCE - 1)
    assert [attempt.purpose for attempt in at.open_attempts()] == [Purpose.ACT, Purpose.ACT]
    await at.mine_and_turn(3)
    assert at.hits == 1
    assert hash_ not in at.node.sent


async def test_one_that_keeps_work_back_for_long_is_outbid(at: Office) -> None:
    await sent_behind_a_stranger(at, gas_price=GWEI)
    for _ in range(FOREIGN_PATIENCE + 2):
        expensive(at)
        await at.turn()
    expensive(at)
    await at.turn()
    assert at.hits == 1
    assert at.bench.nonce(at.address) == 2


async def test_one_that_keeps_nothing_back_is_never_outbid(at: Office) -> None:
    at.stranger(0, data=VIEW, gas_price=GWEI)
    at.want()
    await at.turn()
    for _ in range(FOREIGN_PATIENCE + 3):
        expensive(at)
        await at.turn()
    [theirs] = at.open_attempts()
    assert theirs.is_found
    assert at.node.sent == []


async def test_what_the_node_does_not_show_is_waited_for_longer(at: Office) -> None:
    """Its nonce counts as pending, so something is there.

    geth counts whatever is in its pool; anvil leaves out what is too cheap for the next block.
    """
    conditions = at.node.conditions

    async def as_geth_counts(account: str, head: Head) -> Conditions:
        found: Conditions = await conditions(account, head)
        return replace(found, nonces=replace(found.nonces, pending=max(found.nonces.pending, 1)))

    at.node.conditions = as_geth_counts
    at.node.pooled = nothing_shown
    await sent_behind_a_stranger(at, gas_price=GWEI)
    for _ in range(FOREIGN_PATIENCE - 1):
        expensive(at)
        await at.turn()
    assert {attempt.nonce for attempt in at.open_attempts()} == {1}
    for _ in range(6):
        expensive(at)
        await at.turn()
    assert at.hits == 1


async def test_a_dropped_one_that_comes_back_is_no_harm(at: Office) -> None:
    """Whichever is mined, the nonce is consumed, and what waits behind it goes on."""
    at.node.pooled = nothing_shown
    hash_ = await sent_behind_a_stranger(at)
    raw = at.stranger_raw
    at.bench.endpoint.request("anvil_dropTransaction", hash_)
    for _ in range(GONE_PATIENCE):
        at.bench.mine()
        await at.turn()
    closing = at.open_attempts()[0]
    assert closing.nonce == 0
    at.bench.endpoint.request("anvil_dropTransaction", closing.hash)
    at.bench.endpoint.request("eth_sendRawTransaction", raw)
    await at.mine_and_turn(2 * CONFIRMATIONS + 3)
    assert at.open_attempts() == []
    assert at.hits == 1
    key = account_intent(at, 0)
    assert at.journal.intent_states([key]) == {key: IntentState.EXPIRED}


async def test_several_gaps_are_closed_at_once(at: Office) -> None:
    at.node.pooled = nothing_shown
    hashes = [at.stranger(nonce, data=VIEW) for nonce in range(3)]
    at.want(at.wish())
    await at.turn()
    for hash_ in hashes:
        at.bench.endpoint.request("anvil_dropTransaction", hash_)
    await at.mine_and_turn(GONE_PATIENCE + 2)
    assert at.hits == 1
    assert at.bench.nonce(at.address) == 4


async def test_without_a_node_that_is_synced_nothing_is_closed(at: Office) -> None:
    """Absence is not evidence."""
    at.node.pooled = nothing_shown
    hash_ = await sent_behind_a_stranger(at)
    at.bench.endpoint.request("anvil_dropTransaction", hash_)
    at.want()
    at.node.says_syncing = True
    await at.mine_and_turn(GONE_PATIENCE + 2)
    assert [attempt.nonce for attempt in at.open_attempts()] == [1]


async def test_only_one_program_of_an_account_repairs_it(at: Office) -> None:
    at.node.pooled = nothing_shown
    other = later(at, contract="0x" + "ee" * 20)
    hash_ = await sent_behind_a_stranger(at)
    at.bench.endpoint.request("anvil_dropTransaction", hash_)
    for _ in range(GONE_PATIENCE + 2):
        at.bench.mine()
        await at.turn()
        await other.turn()
    assert at.bench.nonce(at.address) == 2
    assert len(set(at.node.sent)) == 2


async def test_in_quarantine_what_is_unknown_is_adopted_and_in_the_end_outbid(
    anvil_bench: Bench, tmp_path: Path
) -> None:
    """As when the journal was lost, and its last transactions are too cheap to be mined."""
    key = anvil_bench.key()
    async with office(anvil_bench, tmp_path / "lost.db", key, admitted=False) as lost:
        base_fee(lost.bench, GWEI // 2)
        for nonce in range(2):
            lost.stranger(nonce, gas_price=GWEI)
        lost.want(lost.wish())
        for _ in range(FOREIGN_PATIENCE + CALM_BLOCKS + 3):
            await lost.trying()
            expensive(lost)
        await lost.trying()
        assert lost.hits == 1
        assert lost.bench.nonce(lost.address) == 3


async def test_it_is_so_on_every_kind_of_node(bench: Bench, tmp_path: Path) -> None:
    """With what each of them shows of its pool, a journal that was lost goes on above it."""
    key = bench.key()
    async with office(bench, tmp_path / "journal.db", key, admitted=False) as at:
        at.stranger(0)
        at.want(at.wish())
        for _ in range(CALM_BLOCKS + 4):
            await at.trying()
            at.bench.mine()
        await at.until_mined()
        assert at.hits == 2
        assert at.bench.nonce(at.address) == 2
