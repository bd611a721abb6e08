"""The node and the account, as the node tells: in as few messages as it takes."""

import time
from collections import deque
from dataclasses import dataclass

from scheduler.chain import codec
from scheduler.chain.blocks import block_request, blocks
from scheduler.chain.connection import Connection, connect
from scheduler.chain.dialect import dialect_of
from scheduler.chain.errors import FirstBlockMissing, RpcError
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.jsonrpc import Answer, Json, Request
from scheduler.chain.landmarks import landmarks
from scheduler.chain.model import Head
from scheduler.chain.node import JsonRpcNode
from scheduler.networks import network_of, networks
from scheduler.operations.facts.model import Node, SecondNode, Sync

TIMEOUT_SECONDS = 4.0

# Gas of a transfer without data (yellow paper, G_transaction).
TRANSFER_GAS = 21_000

# Arrivals of blocks that are remembered, and how many it takes to say something by them.
_ARRIVALS, _ENOUGH = 10, 4

# Blocks that the second node is asked about lie so far back: at the tip two good nodes may differ.
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Purse:
    """What the chain says of an account: balance and transfer cost in wei, nonces."""

    balance: int
    latest: int
    pending: int
    transfer_cost: int


class NodeWatch:
    """Looks at one node again and again, and remembers what single looks do not tell."""

    def __init__(self, endpoint: str, network: str | None) -> None:
        self._connection = connect(endpoint, TIMEOUT_SECONDS)
        self._network = network
        self._head: tuple[str, float] | None = None
        self._sync: tuple[int, float] | None = None
        self._lags: deque[float] = deque(maxlen=_ARRIVALS)

    async def look(self) -> Node:
        """What is so now. Raises NodeUnavailable, RpcError."""
        connection = self._connection
        version, chain_id, latest, syncing, peers = await connection.batch(
            [
                Request("web3_clientVersion"),
                Request("eth_chainId"),
                block_request(None),
                Request("eth_syncing"),
                Request("net_peerCount"),
            ]
        )
        network = network_of(connection.understand(codec.quantity, _well(chain_id)))
        head = connection.understand(codec.head, _well(latest))
        now = time.time()
        still_for = self._still_for(head, now)
        wanted = networks()[self._network].chain_ids if self._network else ()
        words = version if isinstance(version, str) else ""
        return Node(
            endpoint=connection.endpoint,
            kind=_kind(words),
            version=words,
            chain_id=connection.understand(codec.quantity, _well(chain_id)),
            chain_ids=wanted,
            network=network.name,
            development=network.development,
            chain=await self._fingerprint(network.development),
            head_number=head.number,
            head_hash=head.hash,
            head_timestamp=head.timestamp,
            head_age=now - head.timestamp,
            still_for=still_for,
            peers=None
            if isinstance(peers, RpcError)
            else connection.understand(codec.quantity, peers),
            sync=self._synced(_well(syncing), now),
        )

    def ahead_by_blocks(self) -> float | None:
        """By how many seconds this box's clock is ahead of the chain's, going by the blocks that
        came: the least that any was late; None where too few came.

        A block comes at its time or later, never earlier, unless the clock is behind.
        """
        if len(self._lags) < _ENOUGH:
            return None
        return min(self._lags)

    async def purse(self, address: str, kind: str, head_hash: str) -> Purse:
        """What the account has at this block. Raises NodeUnavailable, RpcError."""
        at: Json = {"blockHash": head_hash}
        if (
            canonical := dialect_of("rskj" if kind == "rskj" else "geth").require_canonical
        ) is not None:
            at["requireCanonical"] = canonical
        answers = await self._connection.read(
            [
                Request("eth_getBalance", (address, at)),
                Request("eth_getTransactionCount", (address, "latest")),
                Request("eth_getTransactionCount", (address, "pending")),
                Request("eth_gasPrice"),
            ]
        )
        balance, latest, pending, price = self._connection.understand(
            lambda found: [codec.quantity(each) for each in found], answers
        )
        return Purse(balance, latest, pending, TRANSFER_GAS * price)

    async def first_account(self) -> str | None:
        """The first one that the node has a key of. Raises NodeUnavailable, RpcError."""
        accounts = await self._connection.request("eth_accounts")
        return self._connection.understand(
            lambda found: found[0].lower() if found else None, accounts
        )

    async def block(self, number: int) -> Head | None:
        """Raises NodeUnavailable, RpcError."""
        [found] = await blocks(self._connection, [number])
        return found

    async def close(self) -> None:
        await self._connection.close()

    async def _fingerprint(self, development: bool) -> str | None:
        try:
            return await fingerprint(JsonRpcNode(self._connection), development)
        except FirstBlockMissing:
            return None

    def _still_for(self, head: Head, now: float) -> float | None:
        if self._head is None:
            self._head = head.hash, now
            return None
        before, since = self._head
        if before == head.hash:
            return now - since
        self._head = head.hash, now
        self._lags.append(now - head.timestamp)
        return 0.0

    def _synced(self, answer: Json, now: float) -> Sync | None:
        if answer is False:
            self._sync = None
            return None
        # rskj and geth name these two alike; other fields differ.
        current, highest = self._connection.understand(
            lambda found: (
                codec.quantity(found["currentBlock"]),
                codec.quantity(found["highestBlock"]),
            ),
            answer,
        )
        before, self._sync = self._sync, self._sync or (current, now)
        left = None
        if before is not None and current > before[0]:
            left = (highest - current) * (now - before[1]) / (current - before[0])
        # geth (1.16) that has just started still indexes transactions, and says 0 of highest then.
        highest = max(highest, current)
        return Sync(current, highest, 100.0 * current / highest if highest else 0.0, left)


class SecondWatch:
    """Compares another node with ours."""

    def __init__(self, endpoint: str) -> None:
        self._connection: Connection = connect(endpoint, TIMEOUT_SECONDS)

    async def compare(self, node: Node, ours: NodeWatch) -> SecondNode:
        """Its head, and whether it has our block some blocks below both. Raises NodeUnavailable,
        RpcError."""
        connection = self._connection
        found = await landmarks(connection)
        [head] = await blocks(connection, [None])
        number = 0 if head is None else head.number
        at = max(0, min(number, node.head_number) - _DEPTH)
        [theirs] = await blocks(connection, [at])
        mine = await ours.block(at)
        return SecondNode(
            endpoint=connection.endpoint,
            chain_id=found.chain_id,
            head_number=number,
            ahead=number - node.head_number,
            compared_at=at,
            agrees=None if theirs is None or mine is None else theirs.hash == mine.hash,
        )

    async def close(self) -> None:
        await self._connection.close()


def _well(answer: Answer) -> Json:
    if isinstance(answer, RpcError):
        raise answer
    return answer


def _kind(version: str) -> str:
    """`Geth/v1.16.7-…` is geth, `RskJ/8.1.0/…` rskj, `anvil/v1.7.1` anvil."""
    return version.partition("/")[0].lower() or "unknown"
