"""rskj, as the stand-in imitates it, is read, followed and sent to like any other node."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from scheduler.chain.connection import connect
from scheduler.chain.dialect import RSKJ
from scheduler.chain.errors import CannotSimulate, RpcError
from scheduler.chain.model import Call, Nonces
from scheduler.chain.node import NOT_THERE_BLOCKS, JsonRpcNode
from tests import nodes
from tests.chain.contracts import Rig
from tests.rskj.server import MINIMUM_GAS_PRICE, StandIn

UNKNOWN = "0x" + "ab" * 32


@pytest.fixture(scope="module")
def rskj() -> Iterator[StandIn]:
    """Makes a block for every transaction, and when told to."""
    with nodes.rskj() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def rig(rskj: StandIn) -> Rig:
    return Rig(rskj.anvil)


@pytest.fixture(params=["http", "ws"])
async def chain(rskj: StandIn, request: pytest.FixtureRequest) -> AsyncIterator[JsonRpcNode]:
    node = JsonRpcNode(connect(getattr(rskj, request.param), timeout=60))
    node.speak(RSKJ)
    yield node
    await node.close()


async def latest(chain: JsonRpcNode) -> str:
    head = await chain.block()
    assert head is not None
    return head.hash


async def test_every_head_has_the_minimum_gas_price(rskj: StandIn, chain: JsonRpcNode) -> None:
    seen = []
    async for event in chain.follow():
        seen.append(event.head)
        if len(seen) == 3:
            break
        rskj.anvil.rpc("anvil_mine", "0x1")
    assert [head.minimum_gas_price for head in seen] == [MINIMUM_GAS_PRICE] * 3
    assert [head.base_fee for head in seen] == [None] * 3


async def test_more_requests_than_a_batch_takes_are_answered(rig: Rig, chain: JsonRpcNode) -> None:
    accounts = [f"0x{number:040x}" for number in range(1, 120)]
    assert len(await chain.balances(accounts, at=await latest(chain))) == len(accounts)


async def test_state_and_logs_are_read_at_a_block(rig: Rig, chain: JsonRpcNode) -> None:
    before = await latest(chain)
    receipt = rig.mined(to=rig.counter, data="0x01")
    after = await latest(chain)
    counts = [(await chain.call([Call(rig.counter)], at=at))[0].data for at in (before, after)]
    assert [int.from_bytes(count, "big") for count in counts] == [
        int.from_bytes(counts[0], "big"),
        int.from_bytes(counts[0], "big") + 1,
    ]
    [log] = await chain.logs([after], ["0x" + "00" * 31 + "aa"])
    assert log.transaction_hash == receipt["transactionHash"]
    assert all(await chain.codes([rig.counter, rig.reverter], at=after))


async def test_the_state_of_a_block_that_a_reorg_removed_is_not_answered(
    rskj: StandIn, rig: Rig, chain: JsonRpcNode
) -> None:
    snapshot = rskj.anvil.rpc("evm_snapshot")
    rskj.anvil.rpc("anvil_mine", "0x1")
    removed = await latest(chain)
    assert rskj.anvil.rpc("evm_revert", snapshot)
    rskj.anvil.rpc("anvil_setCoinbase", removed[:42])  # its own hash is what makes it another
    rskj.anvil.rpc("anvil_mine", "0x1")
    with pytest.raises(RpcError, match="Block with hash"):
        await chain.balances([rig.account], at=removed)


async def test_it_says_that_it_cannot_simulate_and_is_asked_again_much_later(
    rskj: StandIn, chain: JsonRpcNode
) -> None:
    head = await chain.block()
    assert head is not None
    rskj.methods.asked.clear()
    for _ in range(2):
        with pytest.raises(CannotSimulate):
            await chain.simulate([], head, head.number + 1, head.timestamp + 1, None)
    assert rskj.methods.asked == ["eth_simulateV1"]
    later = replace(head, number=head.number + NOT_THERE_BLOCKS)
    with pytest.raises(CannotSimulate):
        await chain.simulate([], later, later.number + 1, later.timestamp + 1, None)
    assert rskj.methods.asked == ["eth_simulateV1"] * 2


async def test_a_call_that_is_reverted_is_told_and_another_failure_is_empty(
    rig: Rig, chain: JsonRpcNode
) -> None:
    reverted, burnt = await chain.call(
        [Call(rig.reverter), Call(rig.burner, gas=100_000)], at=await latest(chain)
    )
    assert (reverted.ok, int.from_bytes(reverted.data, "big")) == (False, 0xAA)
    assert (burnt.ok, burnt.data) == (True, b"")


async def test_what_the_node_sent_is_found_mined_and_its_receipt_tells_the_price(
    rig: Rig, chain: JsonRpcNode
) -> None:
    [account, *_] = await chain.accounts()
    nonces = await chain.nonces(account)
    head = await chain.block()
    assert head is not None
    fields = {"from": account, "to": account, "gas": 21_000, "nonce": nonces.pending}
    sent = await chain.send_transaction({**fields, "gasPrice": MINIMUM_GAS_PRICE})
    assert await chain.known([sent, UNKNOWN]) == [True, False]
    found = await chain.sent_by(account, nonces.pending, since=head.number)
    assert found is not None
    assert found.hash == sent
    [receipt, nothing] = await chain.receipts([sent, UNKNOWN])
    assert receipt is not None
    assert (receipt.gas_price, nothing) == (MINIMUM_GAS_PRICE, None)


async def test_it_suggests_what_it_takes(chain: JsonRpcNode) -> None:
    head = await chain.block()
    assert head is not None
    found = await chain.conditions("0x" + "1f" * 20, head)
    assert found.suggested >= MINIMUM_GAS_PRICE
    assert (found.syncing, found.nonces, found.balance) == (False, Nonces(0, 0), 0)
