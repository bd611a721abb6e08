"""Between the JSON of Ethereum nodes and the values of `model`.

The readers raise KeyError, TypeError or ValueError where the JSON is not what it should be.
"""

from collections.abc import Mapping
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from scheduler.chain.jsonrpc import Json
from scheduler.chain.model import Address, Call, CallResult, Head, Log, Receipt, Sent

Fields = Mapping[str, Any]

_ERROR = bytes.fromhex("08c379a0")


def quantity(value: Json) -> int:
    """A number as nodes write it: hex with 0x; rskj writes some in decimal, or as JSON numbers."""
    return value if isinstance(value, int) else int(value, 0)


def octets(value: Json) -> bytes:
    """Bytes written as hex with 0x."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("not bytes in hex")
    return bytes.fromhex(value[2:])


def plain(value: object) -> Json:
    """A Python value as nodes want it: numbers and bytes as hex with 0x, containers likewise."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be sent to a node")


def head(block: Fields) -> Head:
    """A block or header, as `eth_getBlockBy…` and `newHeads` give it."""
    base_fee, minimum = block.get("baseFeePerGas"), block.get("minimumGasPrice")
    return Head(
        number=quantity(block["number"]),
        hash=block["hash"].lower(),
        parent=block["parentHash"].lower(),
        timestamp=quantity(block["timestamp"]),
        gas_limit=quantity(block["gasLimit"]),
        base_fee=None if base_fee is None else quantity(base_fee),
        minimum_gas_price=None if minimum is None else quantity(minimum),
    )


def log(entry: Fields) -> Log:
    return Log(
        address=entry["address"].lower(),
        topics=tuple(topic.lower() for topic in entry["topics"]),
        data=octets(entry["data"]),
        block_number=quantity(entry["blockNumber"]),
        block_hash=entry["blockHash"].lower(),
        transaction_hash=entry["transactionHash"].lower(),
    )


def receipt(fields: Fields) -> Receipt:
    return Receipt(
        transaction_hash=fields["transactionHash"].lower(),
        block_hash=fields["blockHash"].lower(),
        block_number=quantity(fields["blockNumber"]),
        sender=fields["from"].lower(),
        status=quantity(fields["status"]) == 1,
        gas_used=quantity(fields["gasUsed"]),
        gas_price=quantity(fields["effectiveGasPrice"]),
        logs=tuple(map(log, fields["logs"])),
    )


def sent(entry: Fields) -> Sent:
    """A transaction as nodes show it, mined or not."""
    return Sent(
        hash=entry["hash"].lower(),
        to=entry["to"].lower() if entry["to"] else None,
        value=quantity(entry["value"]),
        data=octets(entry["input"]),
        gas=quantity(entry["gas"]),
        cap=quantity(entry.get("maxFeePerGas") or entry["gasPrice"]),
        tip=quantity(entry.get("maxPriorityFeePerGas") or entry["gasPrice"]),
    )


def transactions(block: Fields | None) -> dict[tuple[Address, int], Sent]:
    """A block's transactions by sender and nonce; none where there is no block."""
    entries = () if block is None else block["transactions"]
    return {
        (entry["from"].lower(), quantity(entry["nonce"])): sent(entry)
        for entry in entries
        # Nobody signed the last transaction of each of rskj's blocks.
        if entry["from"] is not None
    }


def call(message: Call) -> Json:
    """A message for `eth_call` and `eth_simulateV1`; of its fees, only a legacy gas price."""
    fields = {"to": message.to, "data": plain(message.data)}
    if message.sender is not None:
        fields["from"] = message.sender
    if message.value:
        fields["value"] = hex(message.value)
    if message.gas is not None:
        fields["gas"] = hex(message.gas)
    if message.gas_price is not None:
        fields["gasPrice"] = hex(message.gas_price)
    return fields


def simulated(outcome: Fields) -> CallResult:
    """One call's part of an `eth_simulateV1` answer.

    After a revert, geth 1.16 puts the return data into the error, anvil 1.7 into `returnData`.
    """
    error = outcome.get("error") or {}
    data = octets(outcome["returnData"])
    if not data and isinstance(error.get("data"), str):
        data = octets(error["data"])
    ok = quantity(outcome["status"]) == 1
    return CallResult(
        ok=ok,
        data=data,
        gas_used=quantity(outcome["gasUsed"]),
        logs=tuple(map(log, outcome.get("logs") or ())),
        error=None if ok else _reason(str(error.get("message", "execution failed")), data),
    )


def _reason(message: str, data: bytes) -> str:
    """The node's message with the contract's own words, which not every node adds.

    They are the argument of Error(string) ("Panic via assert and Error via require", Solidity).
    """
    if data[:4] != _ERROR:
        return message
    try:
        [words] = decode(["string"], data[4:])
    except (DecodingError, UnicodeDecodeError):
        return message
    return message if words in message else f"{message}: {words}"
