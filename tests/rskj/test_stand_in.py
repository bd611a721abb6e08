"""The stand-in refuses what rskj refuses, in its words, and takes the rest."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_utils.crypto import keccak
from websockets.sync.client import connect

from scheduler.chain.errors import RpcError
from scheduler.devchain.endpoint import Endpoint
from tests import nodes
from tests.rskj.pool import ACCOUNT_SLOTS
from tests.rskj.server import MINIMUM_GAS_PRICE, StandIn

PRICE = 2 * MINIMUM_GAS_PRICE
ETHER = 10**18


@pytest.fixture(scope="module")
def rskj() -> Iterator[StandIn]:
    """Mines when it is told to."""
    with nodes.rskj(automine=False) as stand_in:
        yield stand_in


@pytest.fixture
def node(rskj: StandIn) -> Iterator[Endpoint]:
    endpoint = Endpoint(rskj.http)
    yield endpoint
    endpoint.close()


@pytest.fixture
def key(rskj: StandIn, request: pytest.FixtureRequest) -> Any:
    """The key of an account with an ether, new for each test."""
    account = Account.from_key(keccak(text=request.node.name))
    rskj.anvil.rpc("anvil_setBalance", account.address, hex(ETHER))
    rskj.anvil.rpc("anvil_mine", "0x1")
    return account


def signed(key: Any, **fields: Any) -> str:
    """A transfer of nothing to nobody, with these fields instead."""
    legacy = {} if "maxFeePerGas" in fields else {"gasPrice": PRICE}
    common = {"chainId": 33, "nonce": 0, "to": "0x" + "00" * 20, "gas": 21_000, "value": 0}
    raw = key.sign_transaction({**common, **legacy, **fields}).raw_transaction
    return "0x" + bytes(raw).hex()


def refusal(node: Endpoint, method: str, *params: object) -> tuple[int, str]:
    with pytest.raises(RpcError) as refused:
        node.request(method, *params)
    return refused.value.code, refused.value.message


@pytest.mark.parametrize(
    "method",
    [
        "eth_feeHistory",
        "eth_maxPriorityFeePerGas",
        "eth_simulateV1",
        "eth_signTransaction",
        "eth_getHeaderByNumber",
        "txpool_contentFrom",
        "anvil_mine",
    ],
)
def test_methods_that_rskj_does_not_have(node: Endpoint, method: str) -> None:
    assert refusal(node, method)[0] == -32601


@pytest.mark.parametrize("tag", ["finalized", "safe"])
def test_tags_that_rskj_does_not_know(node: Endpoint, tag: str) -> None:
    for method, params in (
        ("eth_getBlockByNumber", (tag, False)),
        ("eth_getBalance", ("0x" + "00" * 20, tag)),
    ):
        assert refusal(node, method, *params) == (-32602, f"Invalid block identifier '{tag}'")


TOO_MUCH_GAS = "transaction's gas limit of 6800001 is higher than the block's gas limit of 6800000"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"gas": 6_800_001}, TOO_MUCH_GAS),
        ({"nonce": ACCOUNT_SLOTS}, "transaction nonce too high"),
        ({"gasPrice": ETHER}, "insufficient funds"),
        (
            {"gasPrice": MINIMUM_GAS_PRICE - 1},
            "transaction's gas price lower than block's minimum",
        ),
        ({"gas": 20_999}, "transaction's basic cost is above the gas limit"),
        ({"gasPrice": MINIMUM_GAS_PRICE * 80 + 1}, "transaction's gas price exceeds cap"),
        ({"value": ETHER}, "insufficient funds to pay for pending and new transactions"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_transactions_that_no_pool_takes(
    node: Endpoint, key: Any, fields: dict[str, int], words: str
) -> None:
    assert refusal(node, "eth_sendRawTransaction", signed(key, **fields)) == (-32010, words)


def test_an_account_that_never_had_anything(node: Endpoint) -> None:
    stranger = Account.from_key(keccak(text="stranger"))
    words = "the sender account doesn't exist"
    assert refusal(node, "eth_sendRawTransaction", signed(stranger)) == (-32010, words)


def test_typed_transactions_are_not_read(node: Endpoint, key: Any) -> None:
    typed = signed(key, maxFeePerGas=PRICE, maxPriorityFeePerGas=1)
    assert refusal(node, "eth_sendRawTransaction", typed) == (-32603, "Internal server error")


def test_what_is_known_and_what_is_mined(rskj: StandIn, node: Endpoint, key: Any) -> None:
    raw, later = signed(key), signed(key, nonce=3)
    node.request("eth_sendRawTransaction", raw)
    queued = node.request("eth_sendRawTransaction", later)
    status = node.request("txpool_status")
    assert {type(number) for number in status.values()} == {int}
    assert node.request("eth_getTransactionByHash", queued) is None
    for again, kind in ((raw, "pending"), (later, "queued")):
        words = f"{kind} transaction with same hash already exists"
        assert refusal(node, "eth_sendRawTransaction", again) == (-32010, words)
    rskj.anvil.rpc("anvil_mine", "0x1")
    assert refusal(node, "eth_sendRawTransaction", raw) == (-32010, "transaction nonce too low")


def test_a_replacement_pays_40_percent_more(node: Endpoint, key: Any) -> None:
    node.request("eth_sendRawTransaction", signed(key))
    words = "gas price not enough to bump transaction"
    little = signed(key, gasPrice=PRICE * 14 // 10 - 1)
    assert refusal(node, "eth_sendRawTransaction", little) == (-32010, words)
    enough = node.request("eth_sendRawTransaction", signed(key, gasPrice=PRICE * 14 // 10))
    assert node.request("eth_getTransactionByHash", enough)["nonce"] == "0x0"


def test_an_account_has_16_slots(rskj: StandIn, node: Endpoint, key: Any) -> None:
    for nonce in range(ACCOUNT_SLOTS):
        node.request("eth_sendRawTransaction", signed(key, nonce=nonce))
    one_more = signed(key, nonce=ACCOUNT_SLOTS)
    words = "transaction nonce too high"
    assert refusal(node, "eth_sendRawTransaction", one_more) == (-32010, words)
    rskj.anvil.rpc("anvil_mine", "0x1")
    node.request("eth_sendRawTransaction", one_more)


def test_what_waits_for_ten_blocks_is_dropped(rskj: StandIn, node: Endpoint, key: Any) -> None:
    queued = node.request("eth_sendRawTransaction", signed(key, nonce=1))
    rskj.anvil.rpc("anvil_mine", "0xa")
    younger = node.request("eth_sendRawTransaction", signed(key, nonce=2))
    assert queued in str(node.request("txpool_content"))
    rskj.anvil.rpc("anvil_mine", "0x1")
    left = str(node.request("txpool_content"))
    assert queued not in left
    assert younger in left


def test_fees_of_eip_1559_are_not_looked_at(rskj: StandIn, node: Endpoint) -> None:
    sender = node.request("eth_accounts")[0]
    fields = {"from": sender, "to": sender, "gas": hex(21_000)}
    dynamic = {"maxFeePerGas": hex(PRICE), "maxPriorityFeePerGas": hex(PRICE)}
    words = "transaction's gas price lower than block's minimum"
    assert refusal(node, "eth_sendTransaction", {**fields, **dynamic}) == (-32010, words)
    rskj.methods.minimum_gas_price = 0  # as in regtest
    try:
        sent = node.request("eth_sendTransaction", {**fields, **dynamic})
    finally:
        rskj.methods.minimum_gas_price = MINIMUM_GAS_PRICE
    assert node.request("eth_getTransactionByHash", sent)["gasPrice"] == "0x0"
    nobody = "0x" + "ee" * 20
    unknown = (-32602, f"Could not find account for address: {nobody}")
    assert refusal(node, "eth_sendTransaction", {**fields, "from": nobody}) == unknown


def test_blocks_have_a_minimum_gas_price_and_no_base_fee(rskj: StandIn, node: Endpoint) -> None:
    rskj.anvil.rpc("anvil_mine", "0x1")
    block = node.request("eth_getBlockByNumber", "latest", True)
    assert int(block["minimumGasPrice"], 16) == MINIMUM_GAS_PRICE
    assert "baseFeePerGas" not in block
    assert block["transactions"][-1]["from"] == "0x" + "00" * 20
    assert node.request("eth_getBlockByNumber", "pending", False)["hash"] is None


def test_new_heads_do_not_carry_the_minimum_gas_price(rskj: StandIn) -> None:
    with connect(rskj.ws) as socket:
        request = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
        socket.send(json.dumps(request))
        subscription = json.loads(socket.recv(10))["result"]
        rskj.anvil.rpc("anvil_mine", "0x1")
        told = json.loads(socket.recv(10))["params"]
    assert told["subscription"] == subscription
    assert not {"minimumGasPrice", "baseFeePerGas", "mixHash"} & set(told["result"])


def test_a_call_that_fails_without_revert_looks_like_one_that_works(node: Endpoint) -> None:
    halts, reverts = "0xfe", "0x60006000fd"
    assert node.request("eth_call", {"data": halts, "gas": hex(100_000)}, "latest") == "0x"
    code, words = refusal(node, "eth_call", {"data": reverts, "gas": hex(100_000)}, "latest")
    assert (code, words) == (
        -32015,
        "VM Exception while processing transaction: transaction reverted",
    )


def test_state_by_a_hash_that_is_not_known_or_asked_for_wrongly(node: Endpoint) -> None:
    account, unknown = node.request("eth_accounts")[0], "0x" + "ab" * 32
    assert refusal(node, "eth_getBalance", account, {"blockHash": unknown})[0] == -32600
    genesis = node.request("eth_getBlockByNumber", "0x0", False)["hash"]
    canonical = {"blockHash": genesis, "requireCanonical": "true"}
    assert int(node.request("eth_getBalance", account, canonical), 16) > 0
    boolean = {"blockHash": genesis, "requireCanonical": True}
    assert refusal(node, "eth_getBalance", account, boolean)[0] == -32603


@pytest.mark.parametrize(("size", "status"), [(50, 200), (51, 400)])
def test_a_batch_has_at_most_50_requests(rskj: StandIn, size: int, status: int) -> None:
    host = rskj.http.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    one = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    connection.request("POST", "/", json.dumps([one] * size))
    response = connection.getresponse()
    answer = json.load(response)
    connection.close()
    assert response.status == status
    assert (len(answer) == size) if status == 200 else ("50 is the max" in str(answer["error"]))


def test_the_websocket_is_at_its_own_path(rskj: StandIn) -> None:
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus), connect(rskj.ws.removesuffix("/websocket")):
        pass
