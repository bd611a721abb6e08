"""JsonRpcNode against real nodes: every method of Chain and NodeAccounts means what it says."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_utils import to_checksum_address

from scheduler.chain.connection import connect
from scheduler.chain.errors import METHOD_NOT_FOUND, NodeUnavailable, RpcError
from scheduler.chain.jsonrpc import Request
from scheduler.chain.model import Call, CallResult, Hash, Head
from scheduler.chain.node import JsonRpcNode
from tests import nodes
from tests.chain.contracts import COUNTED, PROBED, Rig

GWEI = 10**9
UNKNOWN = "0x" + "ab" * 32
NOBODY = "0x" + "77" * 20


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]


def count(rig: Rig) -> Hash:
    """Makes the counter count; the block in which it did."""
    return str(rig.mined(to=rig.counter, data="0x01")["blockHash"])


async def block_at(chain: JsonRpcNode, which: Hash) -> Head:
    block = await chain.block(which)
    assert block is not None
    return block


async def indexed(chain: JsonRpcNode) -> None:
    """Waits until a node that has just started can tell which transactions it does not know."""
    for _ in range(200):
        try:
            assert await chain.known([UNKNOWN]) == [False]
        except NodeUnavailable as error:
            assert "indexing is in progress" in str(error)  # noqa: PT017
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("the node is still indexing after ten seconds")


async def simulate_next(
    chain: JsonRpcNode, calls: list[Call], on: Hash, base_fee: int = 7 * GWEI, ahead: int = 1
) -> list[CallResult]:
    head = await block_at(chain, on)
    return await chain.simulate(calls, head, head.number + ahead, head.timestamp + ahead, base_fee)


async def test_every_way_to_the_node_tells_the_same(rig: Rig, endpoint: str) -> None:
    count(rig)  # at its genesis, geth says that it is syncing
    node = JsonRpcNode(connect(endpoint))
    genesis = rig.node.rpc("eth_getBlockByNumber", "0x0", False)["hash"]
    identity = await node.identity()
    assert (identity.chain_id, identity.genesis) == (1337, genesis)
    assert await node.syncing() is False
    assert await node.accounts() == [a.lower() for a in rig.node.rpc("eth_accounts")]
    latest = await node.block()
    assert latest is not None
    assert await node.block(latest.hash) == await node.block(latest.number) == latest
    assert await node.block(latest.number + 1_000_000) is None
    assert await node.block(UNKNOWN) is None
    await node.close()


async def test_many_requests_at_once_are_answered_each_with_its_own(
    rig: Rig, endpoint: str
) -> None:
    count(rig)
    node = JsonRpcNode(connect(endpoint, batch_limit=7))
    genesis = await node.identity()
    blocks, balances = await asyncio.gather(
        asyncio.gather(*(node.block(number % 2) for number in range(30))),
        node.balances([NOBODY] * 40, at=genesis.genesis),
    )
    assert [block.number for block in blocks if block] == [0, 1] * 15
    assert balances == [0] * 40
    await node.close()


async def test_answers_of_many_megabytes(rig: Rig, endpoint: str) -> None:
    """4 MB of zeros out of a call, five times in one batch: 40 MB of hex, more than geth answers
    over HTTP or WebSocket at once."""
    returner = rig.deploy("62400000" + "6000f3")
    latest = rig.node.rpc("eth_getBlockByNumber", "latest", False)["hash"]
    node = JsonRpcNode(connect(endpoint, timeout=120))
    results = await node.call([Call(to=returner, gas=45_000_000)] * 5, at=latest)
    assert [(result.ok, len(result.data)) for result in results] == [(True, 4 << 20)] * 5
    await node.close()


async def test_calls_read_the_state_of_their_block(rig: Rig, chain: JsonRpcNode) -> None:
    before, after = count(rig), count(rig)
    (first,) = await chain.call([Call(rig.counter)], at=before)
    (second,) = await chain.call([Call(rig.counter)], at=after)
    assert words(second.data)[0] == words(first.data)[0] + 1


async def test_calls_that_fail_do_not_harm_the_others(rig: Rig, chain: JsonRpcNode) -> None:
    calls = [
        Call(rig.reverter),
        Call(rig.counter),
        Call(rig.burner, gas=100_000),
        Call(rig.counter, gas=1_000),
        Call(rig.counter, sender=NOBODY, value=1),
    ]
    latest = count(rig)
    reverted, counted, burnt, starved, poor = await chain.call(calls, at=latest)
    assert (reverted.ok, words(reverted.data)) == (False, [0xAA])
    assert reverted.error is not None
    assert "revert" in reverted.error
    assert counted.ok
    for failed in (burnt, starved, poor):
        assert (failed.ok, failed.data) == (False, b"")
        assert failed.error


async def test_an_unknown_block_is_an_error_and_no_failed_call(
    rig: Rig, chain: JsonRpcNode
) -> None:
    for reading in (
        chain.call([Call(rig.counter)], at=UNKNOWN),
        chain.balances([NOBODY], at=UNKNOWN),
        chain.codes([NOBODY], at=UNKNOWN),
        chain.logs([UNKNOWN], [COUNTED]),
    ):
        with pytest.raises(RpcError):
            await reading


async def test_balances_and_codes(rig: Rig, chain: JsonRpcNode) -> None:
    before = rig.node.rpc("eth_getBlockByNumber", "latest", False)["hash"]
    after = rig.mined(to=NOBODY, value=hex(5))["blockHash"]
    assert await chain.balances([NOBODY], at=before) != await chain.balances([NOBODY], at=after)
    code, none = await chain.codes([rig.burner, NOBODY], at=count(rig))
    assert (code, none) == (b"\xfe", b"")


async def test_logs_of_blocks_in_their_order_by_topic_and_address(
    rig: Rig, chain: JsonRpcNode
) -> None:
    first = count(rig)
    probed = str(rig.mined(to=rig.probe)["blockHash"])
    second = count(rig)
    logs = await chain.logs([first, probed, second], [COUNTED])
    assert [(log.block_hash, log.address, log.topics) for log in logs] == [
        (first, rig.counter, (COUNTED,)),
        (second, rig.counter, (COUNTED,)),
    ]
    assert words(logs[1].data)[0] == words(logs[0].data)[0] + 1
    both = await chain.logs([first, probed], [COUNTED, PROBED])
    assert [log.address for log in both] == [rig.counter, rig.probe]
    assert await chain.logs([first, probed], [COUNTED, PROBED], address=rig.probe) == both[1:]
    assert await chain.logs([probed], [COUNTED]) == []


async def test_simulation_sees_the_block_it_aims_at_and_the_fees(
    rig: Rig, chain: JsonRpcNode
) -> None:
    on = await block_at(chain, count(rig))
    fees = [
        {"gas_price": 9 * GWEI},
        {"max_fee": 20 * GWEI, "tip": 2 * GWEI},
        {"max_fee": 8 * GWEI, "tip": 2 * GWEI},
    ]
    calls = [Call(rig.probe, sender=rig.account, gas=100_000, **fee) for fee in fees]
    for ahead in (1, 2):
        results = await simulate_next(chain, calls, on.hash, ahead=ahead)
        for result, price in zip(results, [9 * GWEI, 9 * GWEI, 8 * GWEI], strict=True):
            gas_price, _, number, timestamp, sender = words(result.data)
            assert gas_price == price
            assert (number, timestamp) == (on.number + ahead, on.timestamp + ahead)
            assert sender == int(rig.account, 16)
            assert [(log.address, log.topics) for log in result.logs] == [(rig.probe, (PROBED,))]
            assert result.logs[0].data == result.data


async def test_simulated_calls_follow_one_another_on_the_state_of_their_block(
    rig: Rig, chain: JsonRpcNode
) -> None:
    on = count(rig)
    count(rig)
    (before,) = await chain.call([Call(rig.counter)], at=on)
    counting, reading = Call(rig.counter, b"\1", sender=rig.account), Call(rig.counter)
    for ahead in (1, 2):
        results = await simulate_next(
            chain, [reading, counting, reading, counting, reading], on, ahead=ahead
        )
        start = words(before.data)[0]
        assert [words(result.data)[0] - start for result in results] == [0, 1, 1, 2, 2]
        assert [len(result.logs) for result in results] == [0, 1, 0, 1, 0]
        assert all(result.ok and result.gas_used > 21_000 for result in results)
    (still,) = await chain.call([Call(rig.counter)], at=on)
    assert still == before


async def test_simulated_failures_are_told_and_do_not_harm_the_others(
    rig: Rig, chain: JsonRpcNode
) -> None:
    calls = [Call(rig.reverter), *[Call(rig.burner)] * 4, Call(rig.counter, b"\1")]
    reverted, burnt, *_, counted = await simulate_next(chain, calls, count(rig))
    assert (reverted.ok, words(reverted.data), bool(reverted.error)) == (False, [0xAA], True)
    assert (burnt.ok, burnt.data, bool(burnt.error)) == (False, b"", True)
    assert burnt.gas_used == 1_000_000
    assert (counted.ok, counted.error, len(counted.logs)) == (True, None, 1)


async def test_simulation_on_an_unknown_block_is_refused(rig: Rig, chain: JsonRpcNode) -> None:
    nowhere = Head(5, UNKNOWN, UNKNOWN, 1, 30_000_000, 1)
    with pytest.raises(RpcError):
        await chain.simulate([Call(rig.counter)], nowhere, 6, 2, 1)


async def test_raw_transactions_are_sent_known_and_mined(rig: Rig, chain: JsonRpcNode) -> None:
    sender = Account.create()
    rig.mined(to=sender.address, value=hex(10**18))
    head = await chain.block()
    assert head is not None
    signed = [
        sender.sign_transaction(
            {
                "type": 2,
                "chainId": 1337,
                "nonce": nonce,
                "to": to_checksum_address(rig.counter),
                "data": "0x01",
                "gas": 100_000,
                "maxFeePerGas": 50 * GWEI,
                "maxPriorityFeePerGas": GWEI,
            }
        )
        for nonce in range(3)
    ]
    hashes = ["0x" + transaction.hash.hex() for transaction in signed]
    await indexed(chain)
    assert await chain.known(hashes) == [False] * 3
    assert await chain.receipts(hashes) == [None] * 3

    answers = await chain.send_raw(
        [signed[0].raw_transaction, b"\x12\x34", *(s.raw_transaction for s in signed[1:])]
    )
    assert [answers[0], *answers[2:]] == hashes
    assert isinstance(answers[1], RpcError)

    for hash in hashes:
        rig.receipt(hash)
    assert await chain.known([*hashes, UNKNOWN]) == [True] * 3 + [False]
    receipts = await chain.receipts([*hashes, UNKNOWN])
    assert receipts.pop() is None
    for hash, receipt in zip(hashes, receipts, strict=True):
        assert receipt is not None
        block = await block_at(chain, receipt.block_hash)
        assert (receipt.transaction_hash, receipt.status) == (hash, True)
        assert receipt.sender == sender.address.lower()
        assert receipt.block_number == block.number
        assert receipt.gas_used > 21_000
        assert block.base_fee is not None
        assert receipt.gas_price == block.base_fee + GWEI
        assert [log.topics for log in receipt.logs] == [(COUNTED,)]
    nonces = await chain.nonces(sender.address)
    assert (nonces.latest, nonces.pending) == (3, 3)


async def test_a_transaction_that_failed_has_a_receipt_that_says_so(
    rig: Rig, chain: JsonRpcNode
) -> None:
    receipt = rig.mined(to=rig.reverter)
    (read,) = await chain.receipts([receipt["transactionHash"]])
    assert read is not None
    assert (read.status, read.logs) == (False, ())


async def test_pool_counts_as_pending(rig: Rig, chain: JsonRpcNode) -> None:
    """A nonce gap keeps the transaction in the pool, so only the known part is asked for."""
    sender = Account.create()
    rig.mined(to=sender.address, value=hex(10**18))
    waiting = sender.sign_transaction(
        {"chainId": 1337, "nonce": 1, "to": NOBODY, "gas": 21_000, "gasPrice": 50 * GWEI}
    )
    (hash,) = await chain.send_raw([waiting.raw_transaction])
    assert isinstance(hash, str)
    assert await chain.known([hash]) == [True]
    assert await chain.receipts([hash]) == [None]
    nonces = await chain.nonces(sender.address)
    assert (nonces.latest, nonces.pending) == (0, 0)


async def test_node_signs_and_sends_for_its_accounts(rig: Rig, chain: JsonRpcNode) -> None:
    nonces = await chain.nonces(rig.account)
    fields: dict[str, object] = {
        "from": rig.account,
        "to": rig.counter,
        "data": b"\1",
        "gas": 100_000,
        "nonce": nonces.pending,
        "maxFeePerGas": 50 * GWEI,
        "maxPriorityFeePerGas": GWEI,
        "value": 0,
        "chainId": 1337,
    }
    stranger = {**fields, "from": NOBODY}
    raw, refusal = await chain.sign_transactions([fields, stranger])
    assert isinstance(raw, bytes)
    assert isinstance(refusal, RpcError)
    assert Account.recover_transaction(raw).lower() == rig.account
    (hash,) = await chain.send_raw([raw])
    assert isinstance(hash, str)
    assert rig.receipt(hash)["status"] == "0x1"
    hash = await chain.send_transaction({**fields, "nonce": nonces.pending + 1})
    assert rig.receipt(hash)["status"] == "0x1"


async def test_transaction_is_found_by_its_sender_and_nonce(rig: Rig, chain: JsonRpcNode) -> None:
    before = await chain.block()
    assert before is not None
    nonces = await chain.nonces(rig.account)
    hash = rig.mined(to=NOBODY)["transactionHash"]
    sent = await chain.sent_by(rig.account, nonces.pending, since=before.number)
    assert sent is not None
    assert sent.hash == hash
    assert await chain.sent_by(rig.account, nonces.pending + 1, since=before.number) is None
    latest = await chain.block()
    assert latest is not None
    assert await chain.sent_by(rig.account, nonces.pending, since=latest.number) is None


async def test_what_waits_to_be_mined_is_shown_by_sender_and_nonce(
    rig: Rig, chain: JsonRpcNode
) -> None:
    """With geth a block may come in between, so it is looked at several times."""
    if rig.node.kind == "anvil":
        rig.node.rpc("evm_setAutomine", False)
    for _ in range(20):
        nonces = await chain.nonces(rig.account)
        hash = rig.send(to=NOBODY, data="0x4e71d92d")
        shown = (await chain.pending()).get((rig.account, nonces.pending))
        if rig.node.kind == "anvil":
            rig.node.rpc("evm_setAutomine", True)
            rig.node.rpc("evm_mine")
        rig.receipt(hash)
        if shown is not None:
            break
    assert shown is not None
    assert (shown.hash, shown.to, shown.data.hex()) == (hash, NOBODY, "4e71d92d")
    assert (rig.account, nonces.pending) not in await chain.pending()


async def test_what_sending_depends_on_is_read_together(chain: JsonRpcNode) -> None:
    head = await chain.block()
    assert head is not None
    found = await chain.conditions(NOBODY, head)
    assert (found.syncing, found.nonces, found.balance) == (
        await chain.syncing(),
        await chain.nonces(NOBODY),
        (await chain.balances([NOBODY], at=head.hash))[0],
    )
    legacy = await chain.conditions(NOBODY, replace(head, base_fee=None))
    assert 0 < found.suggested <= legacy.suggested
    assert found.crowded == 0, "there is room in all blocks"


@pytest.mark.parametrize(
    ("ratios", "rewards", "crowded"),
    [
        ([0.5, 0.2], [["0x5"], ["0x6"]], 0),
        ([0.95, 0.2, 1.0], [["0x5"], ["0x9"], ["0x4"]], 5),
        ([1], [["0x0"]], 0),
        ([0.0], None, 0),
    ],
)
async def test_how_crowded_blocks_are_is_told_by_the_full_ones(
    chain: JsonRpcNode,
    monkeypatch: pytest.MonkeyPatch,
    ratios: list[float],
    rewards: object,
    crowded: int,
) -> None:
    await with_history(chain, monkeypatch, {"gasUsedRatio": ratios, "reward": rewards}, crowded)


async def test_a_node_that_does_not_tell_how_full_blocks_are_is_as_good_as_any(
    chain: JsonRpcNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_history(chain, monkeypatch, RpcError(METHOD_NOT_FOUND, "not here"), 0)


async def with_history(
    chain: JsonRpcNode, monkeypatch: pytest.MonkeyPatch, history: object, crowded: int
) -> None:
    """What is concluded where the node answers this to eth_feeHistory."""
    batch = chain._connection.batch

    async def told(requests: Sequence[Request]) -> list[Any]:
        answers = await batch(requests)
        return [
            history if request.method == "eth_feeHistory" else answer
            for request, answer in zip(requests, answers, strict=True)
        ]

    monkeypatch.setattr(chain._connection, "batch", told)
    head = await chain.block()
    assert head is not None
    assert (await chain.conditions(NOBODY, head)).crowded == crowded


async def test_an_answer_that_makes_no_sense_is_no_answer(chain: JsonRpcNode) -> None:
    """The code of an account is asked for where a balance is understood: `0x` is no number."""
    answer = await chain._connection.request("eth_getCode", NOBODY, "latest")
    with pytest.raises(NodeUnavailable, match="cannot be understood"):
        chain._connection.understand(lambda value: int(value, 16), answer)


async def test_chain_without_base_fee_is_read_and_simulated() -> None:
    """As rskj's: the rules of Istanbul, legacy gas prices only."""
    with nodes.anvil(hardfork="istanbul") as node:
        rig, chain = Rig(node), JsonRpcNode(connect(node.ws))
        head = await chain.block()
        assert head is not None
        assert (head.base_fee, head.minimum_gas_price) == (None, None)
        call = Call(rig.probe, sender=rig.account, gas=100_000, gas_price=9 * GWEI)
        for ahead in (1, 2):
            (result,) = await chain.simulate(
                [call], head, head.number + ahead, head.timestamp + ahead, None
            )
            gas_price, _, number, timestamp, _ = words(result.data)
            assert gas_price == 9 * GWEI
            assert (number, timestamp) == (head.number + ahead, head.timestamp + ahead)
        await chain.close()
