"""The values in which the rest of the program speaks of a chain.

Addresses and hashes are lower-case hex strings with 0x; call data, return data and raw
transactions are bytes; amounts are wei, gas is gas, times are seconds since the epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Address: TypeAlias = str
Hash: TypeAlias = str

ZERO_ADDRESS: Address = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Head:
    """A block as a header: what a decision may depend on.

    `base_fee` is in wei per gas, None on chains without EIP-1559; `minimum_gas_price` is the
    same for rskj (`minimumGasPrice` of the block), None elsewhere.
    """

    number: int
    hash: Hash
    parent: Hash
    timestamp: int
    gas_limit: int
    base_fee: int | None
    minimum_gas_price: int | None = None


@dataclass(frozen=True, slots=True)
class HeadEvent:
    """A new tip of the canonical chain, and how it follows from the one reported before.

    `added` are the new canonical blocks, oldest first, the last one being `head`; gaps are
    filled. `removed` are the blocks that a reorg took out, newest first. `rebased` says that no
    link to what was reported before is known (the first event, a gap or a reorg too long to
    follow): whoever keeps state about the chain must read it anew at `head`.
    """

    head: Head
    added: tuple[Head, ...]
    removed: tuple[Head, ...] = ()
    rebased: bool = False


@dataclass(frozen=True, slots=True)
class Log:
    """An event log of a mined, or of a simulated, transaction."""

    address: Address
    topics: tuple[Hash, ...]
    data: bytes
    block_number: int | None = None
    block_hash: Hash | None = None
    transaction_hash: Hash | None = None


@dataclass(frozen=True, slots=True)
class LogChunk:
    """A part of a range's logs: those behind the chunk before it, up to block `last`."""

    last: int
    logs: Sequence[Log]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a mined transaction did. `gas_price` is the effective price paid, wei per gas."""

    transaction_hash: Hash
    block_hash: Hash
    block_number: int
    sender: Address
    status: bool
    gas_used: int
    gas_price: int
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A message to be called or simulated; the fee fields only matter to simulations.

    `gas_price` is for legacy transactions; `max_fee` and `tip` for EIP-1559 (wei per gas).
    """

    to: Address
    data: bytes = b""
    sender: Address | None = None
    value: int = 0
    gas: int | None = None
    gas_price: int | None = None
    max_fee: int | None = None
    tip: int | None = None


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call returned; `logs` and `gas_used` are known for simulated calls only.

    `ok` is False where the call reverted or ran out of gas; `error` is the node's reason.
    """

    ok: bool
    data: bytes
    gas_used: int = 0
    logs: tuple[Log, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that the node has: its hash, and what it does.

    `value` in wei, `gas` its limit; `cap` the most that it pays for a unit of gas, and `tip` the
    most of that which goes to the block's producer, both in wei.
    """

    hash: Hash
    to: Address | None
    value: int
    data: bytes
    gas: int
    cap: int
    tip: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Which chain this is: its id, and the hash of its block 0."""

    chain_id: int
    genesis: Hash


@dataclass(frozen=True, slots=True)
class Nonces:
    """The account's transaction counts: mined (`latest`), and with the node's pool (`pending`)."""

    latest: int
    pending: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """What sending from an account depends on at a head, apart from what is sent.

    `syncing` is what the node says of itself; `balance` in wei; `suggested` is the node's idea of a
    priority fee, on chains without a base fee of a gas price, wei per gas. `crowded` is the
    priority fee above which the fullest of the latest blocks were entered, wei per gas; 0 where
    there was room in all of them, or nobody knows.
    """

    syncing: bool
    nonces: Nonces
    balance: int
    suggested: int
    crowded: int = 0
