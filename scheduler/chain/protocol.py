"""The one narrow interface through which everything else sees a node."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Protocol

from scheduler.chain.errors import RpcError
from scheduler.chain.model import (
    Address,
    Call,
    CallResult,
    Conditions,
    Hash,
    Head,
    HeadEvent,
    Identity,
    Log,
    LogChunk,
    Nonces,
    Receipt,
    Sent,
)


class Chain(Protocol):
    """A node, as the programs use it.

    Every method may raise NodeUnavailable; one whose request the node refuses raises RpcError.
    All state is read at a block hash, so that reads for one head agree with each other.
    """

    def follow(self) -> AsyncIterator[HeadEvent]:
        """The chain's tips, from now on: survives reconnects, fills gaps, reports reorgs."""
        ...

    async def identity(self) -> Identity: ...

    async def syncing(self) -> bool:
        """Whether the node itself says that it is behind (`eth_syncing`)."""
        ...

    async def block(self, which: int | Hash | None = None) -> Head | None:
        """The block with this number or hash, the latest for None; None where the node has none."""
        ...

    async def logs(
        self, blocks: Sequence[Hash], topics: Sequence[Hash], address: Address | None = None
    ) -> list[Log]:
        """The logs of these blocks, oldest first, whose topic 0 is one of `topics`."""
        ...

    def history(
        self, address: Address, topics: Sequence[Sequence[Hash] | None], first: int, last: int
    ) -> AsyncGenerator[LogChunk, None]:
        """The logs of this contract in the blocks from `first` to `last`, oldest first, in chunks
        of some thousand, each read when it is asked for.

        `topics` says what is wanted at each place: one of some, or, for None, anything.
        """
        ...

    async def call(self, calls: Sequence[Call], at: Hash) -> list[CallResult]:
        """The results of view calls on the state of block `at`, in the order of `calls`."""
        ...

    async def estimates(self, calls: Sequence[Call]) -> list[int | None]:
        """Gas with which each would not fail on the latest state; None where it does with any."""
        ...

    async def run(self, codes: Sequence[bytes], at: Hash) -> list[bytes]:
        """What each of these creation codes reverts with, on the state of block `at`.

        Nothing where it does not revert, or the node does not run code that is nowhere.
        """
        ...

    async def balances(self, accounts: Sequence[Address], at: Hash) -> list[int]:
        """Balances in wei on the state of block `at`."""
        ...

    async def codes(self, addresses: Sequence[Address], at: Hash) -> list[bytes]:
        """Contract code on the state of block `at`; empty for plain accounts."""
        ...

    async def storage(self, slots: Sequence[tuple[Address, int]], at: Hash) -> list[bytes]:
        """The words in these contracts' slots on the state of block `at`."""
        ...

    async def simulate(
        self, calls: Sequence[Call], on: Head, number: int, timestamp: int, base_fee: int | None
    ) -> list[CallResult]:
        """What `calls` would do one after the other in block `number`, built on the block `on`.

        `number` is `on.number + 1` or, when prepared a block ahead, `+ 2`. Uses eth_simulateV1;
        raises CannotSimulate where the node does not have it.
        """
        ...

    async def nonces(self, account: Address) -> Nonces: ...

    async def receipts(self, hashes: Sequence[Hash]) -> list[Receipt | None]: ...

    async def known(self, hashes: Sequence[Hash]) -> list[bool]:
        """Whether the node has each transaction, in a block or in its pool."""
        ...

    async def pooled(self, account: Address, nonces: Sequence[int]) -> dict[int, Sent]:
        """Those of the account's transactions with these nonces that the node's pool shows.

        Some nodes show little of it: that one is not shown does not mean that it is not there.
        """
        ...

    async def pending(self) -> dict[tuple[Address, int], Sent]:
        """By sender and nonce, what the node would mine next; as `pooled`, it may show little."""
        ...

    async def send_raw(self, raws: Sequence[bytes]) -> list[Hash | RpcError]:
        """Hands signed transactions to the node; an answer each, in order. Never repeats itself.

        NodeUnavailable here means "maybe sent", for all of them.
        """
        ...

    async def conditions(self, account: Address, head: Head) -> Conditions:
        """What sending from the account depends on, in one message; its balance at `head`."""
        ...


class NodeAccounts(Protocol):
    """A node that holds keys and signs for whoever may ask it."""

    async def accounts(self) -> list[Address]: ...

    async def sign_transactions(
        self, fields: Sequence[Mapping[str, object]]
    ) -> list[bytes | RpcError]:
        """Raw bytes of each, signed by the node (`eth_signTransaction`), however it answers."""
        ...

    async def send_transaction(self, fields: Mapping[str, object]) -> Hash:
        """Signed and sent by the node (`eth_sendTransaction`). Never repeated by itself."""
        ...

    async def sent_by(self, account: Address, nonce: int, since: int) -> Sent | None:
        """The account's transaction with this nonce, where the node has one.

        It looks in the blocks after number `since` and in the pending block; for transactions
        that the node signed itself, whose hash nobody else can know.
        """
        ...


class Node(Chain, NodeAccounts, Protocol):
    """A node of which both sides are used."""
