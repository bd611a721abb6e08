"""What counted as final and was taken back by the chain is followed, and sent, again."""

from collections.abc import Sequence

import pytest

from scheduler.chain.errors import NodeUnavailable
from scheduler.chain.model import Head
from scheduler.errors import NotYet
from scheduler.transactions.journal import Attempt
from scheduler.transactions.states import AttemptState, IntentState
from tests.transactions.rig import CONFIRMATIONS, VIEW, Office, later

DEPTHS = [CONFIRMATIONS + 1, CONFIRMATIONS + 4]


class Fork:
    """The point from which the chain goes on differently."""

    def __init__(self, at: Office) -> None:
        self._at = at
        self._ask = at.bench.endpoint.request
        self._snapshot = self._ask("evm_snapshot")
        self.block = at.bench.head

    async def taken(self) -> None:
        """Everything since is gone, from the pool, too; the next blocks are others."""
        time = (await self._at.head()).timestamp
        assert self._ask("evm_revert", self._snapshot)
        self._ask("anvil_dropAllTransactions")
        self._ask("anvil_setNextBlockTimestamp", hex(time + 5))

    def mine_past(self, block: int) -> None:
        self._at.bench.mine(block + 1 - self._at.bench.head)


async def final(at: Office, depth: int) -> tuple[Fork, Sequence[Head], Attempt]:
    """An intent whose block is `depth` blocks deep, all of them, and its attempt."""
    await at.turn()
    fork = Fork(at)
    at.want(at.wish())
    await at.turn()
    [attempt] = at.open_attempts()
    heads = []
    for _ in range(depth):
        at.bench.mine()
        heads.append(await at.turn())
    assert at.family.story("one")[-2:] == ["succeeded", "Settled"]
    assert at.open_attempts() == []
    return fork, heads[::-1], attempt


@pytest.mark.parametrize("told", ["as blocks removed", "as a chain without a link", "not at all"])
@pytest.mark.parametrize("depth", DEPTHS)
async def test_the_same_bytes_are_sent_again(
    on_anvil: Office, depth: int, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    at = on_anvil
    fork, removed, before = await final(at, depth)
    await fork.taken()
    fork.mine_past(removed[0].number)
    assert at.hits == 0
    await at.turn(removed=removed if told == "as blocks removed" else (), rebased="link" in told)
    [attempt] = at.open_attempts()
    assert (attempt.id, attempt.raw, attempt.state) == (
        before.id, before.raw, AttemptState.BROADCAST
    )  # fmt: skip
    assert at.journal.intent_states(["one"]) == {"one": IntentState.IN_SLOT}
    assert at.journal.outcome_counts(at.desk.account.chain) == {}
    assert f"a reorg deeper than {CONFIRMATIONS} blocks took back" in caplog.text
    await at.mine_and_turn(CONFIRMATIONS + 1)
    assert at.hits == 1
    assert set(at.node.sent) == {before.hash}
    assert at.family.story("one")[3:] == ["Settled", "Unmined", "Accepted", "succeeded", "Settled"]


@pytest.mark.parametrize("depth", DEPTHS)
async def test_bytes_that_are_mined_again_elsewhere_are_judged_there(
    on_anvil: Office, depth: int
) -> None:
    """The account's nonce did not fall."""
    at = on_anvil
    fork, removed, before = await final(at, depth)
    await fork.taken()
    assert before.raw is not None
    at.bench.endpoint.request("eth_sendRawTransaction", "0x" + before.raw.hex())
    fork.mine_past(removed[0].number)
    await at.turn(removed=removed)
    await at.mine_and_turn()
    assert at.open_attempts() == []
    assert at.family.story("one")[3:] == ["Settled", "Unmined", "succeeded", "Settled"]
    assert at.hits == 1


@pytest.mark.parametrize("useful", [True, False])
async def test_another_transaction_in_its_place_displaces_it(
    on_anvil: Office, useful: bool
) -> None:
    """The intent is planned again, and sent while it is due; else it comes to its end."""
    at = on_anvil
    fork, removed, _ = await final(at, CONFIRMATIONS + 1)
    await fork.taken()
    at.stranger(0, data=VIEW)
    fork.mine_past(removed[0].number)
    if not useful:
        at.family.useless.add("one")
        at.want()
    await at.turn(removed=removed)
    await at.mine_and_turn(2 * CONFIRMATIONS + 2)
    if useful:
        assert at.hits == 1
        assert at.bench.nonce(at.address) == 2
        assert at.journal.intent_states(["one"]) == {"one": IntentState.SUCCEEDED}
    else:
        assert at.hits == 0
        assert at.journal.intent_states(["one"]) == {"one": IntentState.EXPIRED}
        assert at.family.story("one")[-2:] == ["Displaced", "Ended"]


async def test_a_reorg_while_the_program_was_down_is_found_when_it_starts(
    on_anvil: Office,
) -> None:
    fork, removed, _ = await final(on_anvil, CONFIRMATIONS + 2)
    await fork.taken()
    fork.mine_past(removed[0].number)
    restarted = later(on_anvil)
    await restarted.turn(rebased=True)
    assert restarted.family.story("one") == ["Unmined", "Accepted"]
    await restarted.mine_and_turn(CONFIRMATIONS + 1)
    assert on_anvil.hits == 1
    assert on_anvil.bench.nonce(on_anvil.address) == 1


@pytest.mark.parametrize("fails", ["the node", "the journal"])
async def test_a_deep_reorg_that_could_not_be_looked_at_is_not_forgotten(
    on_anvil: Office, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """It is mined again in another block, so that nothing but the removed blocks tells of it."""
    at = on_anvil
    fork, removed, before = await final(at, CONFIRMATIONS + 1)
    await fork.taken()
    assert before.raw is not None
    at.bench.endpoint.request("eth_sendRawTransaction", "0x" + before.raw.hex())
    fork.mine_past(removed[0].number)

    def gone(*_: object) -> None:
        raise NodeUnavailable("gone")

    with monkeypatch.context() as patch:
        if fails == "the node":
            patch.setattr(at.node, "conditions", gone, raising=False)
        else:
            patch.setattr(at.journal, "reopen", gone)
        with pytest.raises(NodeUnavailable):
            await at.turn(removed=removed)
    await at.mine_and_turn()
    assert "Unmined" in at.family.story("one")


async def test_a_node_that_lacks_blocks_takes_nothing_back(on_anvil: Office) -> None:
    """Absence is not evidence: it may only be behind."""
    fork, removed, _ = await final(on_anvil, CONFIRMATIONS + 1)
    await fork.taken()
    lagging = later(on_anvil)
    lagging.want(on_anvil.wish("two"))
    with pytest.raises(NotYet, match="behind block"):
        await lagging.turn(rebased=True)
    assert on_anvil.journal.intent_states(["one", "two"]) == {"one": IntentState.SUCCEEDED}
    fork.mine_past(removed[0].number)
    await lagging.turn()
    assert on_anvil.journal.intent_states(["one"]) == {"one": IntentState.IN_SLOT}


async def test_where_nothing_that_was_final_is_gone_one_block_is_looked_up(
    on_anvil: Office,
) -> None:
    at = on_anvil
    await final(at, CONFIRMATIONS + 3)
    asked: list[int] = []
    block = at.node.block

    async def counted(which: int | None = None) -> Head | None:
        if which is not None:
            asked.append(which)
        return await block(which)  # type: ignore[no-any-return]

    at.node.block = counted
    gone = await at.head()
    at.bench.mine()
    await at.turn(removed=[gone])
    assert asked == []
    await at.turn(rebased=True)
    assert len(asked) == 1
