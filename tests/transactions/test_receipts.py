"""What was mined can be taken back by a reorg, until it is final; the bytes stay the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.model import Head
from scheduler.transactions.intents import Mined
from scheduler.transactions.journal import Attempt
from scheduler.transactions.states import AttemptState, IntentState
from tests.transactions.rig import CONFIRMATIONS, Office, later


@dataclass
class Mistakes:
    """Makes one method of the node fail."""

    office: Office
    patch: pytest.MonkeyPatch

    def fails(self, method: str, error: Exception) -> None:
        async def failing(*_: object, **__: object) -> object:
            raise error

        self.patch.setattr(self.office.node, method, failing, raising=False)

    def mend(self) -> None:
        self.patch.undo()


@pytest.fixture
def mistakes(on_anvil: Office, monkeypatch: pytest.MonkeyPatch) -> Mistakes:
    return Mistakes(on_anvil, monkeypatch)


async def sent_and_reorged(office: Office) -> Sequence[Head]:
    """An intent mined in a block that another replaces: the removed blocks."""
    bench = office.bench
    snapshot = bench.endpoint.request("evm_snapshot")
    office.want(office.wish())
    await office.turn()
    await office.mine_and_turn()
    assert office.hits == 1
    head = await office.head()
    assert bench.endpoint.request("evm_revert", snapshot)
    assert office.hits == 0
    # Another block at the same height, without it.
    bench.endpoint.request("anvil_setNextBlockTimestamp", hex(head.timestamp + 5))
    bench.mine()
    return [head]


async def test_a_reorg_sends_the_same_bytes_again(on_anvil: Office) -> None:
    removed = await sent_and_reorged(on_anvil)
    [before] = on_anvil.open_attempts()
    await on_anvil.turn(removed=removed)
    [attempt] = on_anvil.open_attempts()
    assert (attempt.state, attempt.block_hash) == (AttemptState.BROADCAST, None)
    assert on_anvil.journal.intent_states(["one"]) == {"one": IntentState.IN_SLOT}
    assert on_anvil.journal.outcome_counts(on_anvil.desk.account.chain) == {}
    assert set(on_anvil.node.sent) == {before.hash}
    await on_anvil.mine_and_turn()
    assert on_anvil.hits == 1
    assert on_anvil.bench.nonce(on_anvil.address) == 1
    assert on_anvil.family.story("one") == [
        "Attempting",
        "Accepted",
        "succeeded",
        "Unmined",
        "Accepted",
        "succeeded",
    ]


async def test_a_reorg_into_another_block_is_judged_again_there(on_anvil: Office) -> None:
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    await on_anvil.mine_and_turn()
    [before] = on_anvil.open_attempts()
    old = await on_anvil.head()
    on_anvil.bench.endpoint.request("anvil_reorg", 1, [["0x" + (before.raw or b"").hex(), 0]])
    await on_anvil.turn(removed=[old])
    [after] = on_anvil.open_attempts()
    assert after.state is AttemptState.MINED
    assert after.block_hash != before.block_hash
    assert on_anvil.family.story("one")[2:] == ["succeeded", "Unmined", "succeeded"]
    assert on_anvil.hits == 1


async def test_a_reorg_elsewhere_changes_nothing(on_anvil: Office) -> None:
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    await on_anvil.mine_and_turn()
    [before] = on_anvil.open_attempts()
    on_anvil.bench.mine()
    old = await on_anvil.head()
    await on_anvil.turn(removed=[old])
    assert on_anvil.open_attempts() == [before]
    assert on_anvil.family.story("one") == ["Attempting", "Accepted", "succeeded"]


async def test_a_reorg_while_the_program_was_down_is_found_at_its_first_head(
    on_anvil: Office,
) -> None:
    await sent_and_reorged(on_anvil)
    restarted = later(on_anvil)
    await restarted.turn(rebased=True)
    assert restarted.family.story("one")[:2] == ["Unmined", "Accepted"]
    await restarted.mine_and_turn()
    assert on_anvil.hits == 1


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("receipts", NodeUnavailable("gone")),
        ("known", NodeUnavailable("gone")),
        ("conditions", NodeUnavailable("gone")),
        ("conditions", RpcError(-32000, "header not found")),
    ],
)
async def test_a_reorg_that_could_not_be_looked_at_is_not_forgotten(
    on_anvil: Office, mistakes: Mistakes, method: str, error: Exception
) -> None:
    """The next head tells nothing of it, and the transaction was missed until confirmations."""
    removed = await sent_and_reorged(on_anvil)
    on_anvil.want(on_anvil.wish(), on_anvil.wish("two"))
    mistakes.fails(method, error)
    with pytest.raises(type(error)):
        await on_anvil.turn(removed=removed)
    mistakes.mend()
    await on_anvil.turn()
    assert "Unmined" in on_anvil.family.story("one")
    await on_anvil.mine_and_turn(2)
    assert on_anvil.hits == 2


async def test_what_was_sent_is_looked_after_where_nothing_can_be_sent(
    on_anvil: Office, mistakes: Mistakes
) -> None:
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    on_anvil.want(on_anvil.wish("two"))
    on_anvil.bench.mine()
    mistakes.fails("conditions", RpcError(-32000, "no idea"))
    with pytest.raises(RpcError, match="no idea"):
        await on_anvil.turn()
    assert on_anvil.family.story("one")[-1] == "succeeded"
    assert on_anvil.flow.in_flight == 1


async def test_a_block_that_changed_below_the_confirmations_is_noticed_at_the_latest_there(
    on_anvil: Office,
) -> None:
    """Even where the node never told of a reorg."""
    await sent_and_reorged(on_anvil)
    for _ in range(CONFIRMATIONS + 1):
        await on_anvil.mine_and_turn()
    assert "Unmined" in on_anvil.family.story("one")
    assert "Settled" not in on_anvil.family.story("one")[:4]
    await on_anvil.mine_and_turn(CONFIRMATIONS + 1)
    assert on_anvil.family.story("one")[-1] == "Settled"
    assert on_anvil.hits == 1


async def test_a_reverted_transaction_is_told_as_such_and_not_tried_again(
    on_anvil: Office,
) -> None:
    """It passed the simulation; somebody changed the contract before it was mined."""
    bench = on_anvil.bench
    code = bench.endpoint.request("eth_getCode", bench.counter, "latest")
    refuses = bench.endpoint.request("eth_getCode", bench.reverter, "latest")
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    bench.endpoint.request("anvil_setCode", bench.counter, refuses)
    await on_anvil.mine_and_turn()
    bench.endpoint.request("anvil_setCode", bench.counter, code)
    assert on_anvil.family.story("one")[-1] == "reverted"
    assert on_anvil.journal.intent_states(["one"]) == {"one": IntentState.REVERTED}
    await on_anvil.mine_and_turn(CONFIRMATIONS + 1)
    assert on_anvil.bench.nonce(on_anvil.address) == 1


async def test_the_cost_is_what_the_account_paid(on_anvil: Office) -> None:
    bench, address = on_anvil.bench, on_anvil.address
    before = bench.endpoint.number("eth_getBalance", address, "latest")
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    await on_anvil.until_mined()
    [mined] = [said for _, said in on_anvil.family.heard if isinstance(said, Mined)]
    assert mined.cost == before - bench.endpoint.number("eth_getBalance", address, "latest")


async def test_another_programs_attempts_are_left_to_it(on_anvil: Office) -> None:
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    stranger = later(on_anvil)
    stranger.family.name = "strangers"
    stranger.want()
    await stranger.mine_and_turn()
    [attempt] = on_anvil.open_attempts()
    assert attempt.state is AttemptState.BROADCAST
    assert stranger.family.heard == []
    stranger.flow.close()
    await on_anvil.turn()
    assert on_anvil.family.story("one")[-1] == "succeeded"


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("mined_first", ["the first bid", "the second bid"])
async def test_a_reorg_that_swaps_the_bids_of_a_slot_is_followed(
    on_anvil: Office, mined_first: str, told: bool
) -> None:
    """The one that came in was written before the one that went out, which the journal refuses.

    Where the node has the other block before it tells of it, the next head is soon enough.
    """
    at, ask = on_anvil, on_anvil.bench.endpoint.request
    ask("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    at.bench.mine()
    at.want(at.wish())
    await at.turn()
    for _ in range(3):
        ask("anvil_setNextBlockBaseFeePerGas", hex(500 * 10**9))
        await at.mine_and_turn()
    bids = at.open_attempts()
    assert len(bids) == 2
    out, into = bids if mined_first == "the first bid" else reversed(bids)
    snapshot = ask("evm_snapshot")

    def mine(bid: Attempt) -> None:
        """A block with this bid alone."""
        for other in bids:
            ask("anvil_dropTransaction", other.hash)
        ask("anvil_setNextBlockBaseFeePerGas", hex(10**9))
        at.bench.mine()
        assert bid.raw is not None
        ask("eth_sendRawTransaction", "0x" + bid.raw.hex())
        ask("anvil_setNextBlockBaseFeePerGas", hex(10**9))
        at.bench.mine()

    mine(out)
    gone = await at.turn()
    assert ask("evm_revert", snapshot)
    mine(into)
    await at.turn(removed=[gone] if told else ())
    if not told:
        await at.turn()
    states = {attempt.hash: attempt.state for attempt in at.open_attempts()}
    assert states == {out.hash: AttemptState.BROADCAST, into.hash: AttemptState.MINED}
    assert at.family.story("one")[-3:] == ["succeeded", "Unmined", "succeeded"]
    await at.mine_and_turn(3)
    assert at.open_attempts() == []
    assert at.hits == 1
