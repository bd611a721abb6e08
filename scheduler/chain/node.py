"""A node reached by JSON-RPC, as the `Chain` and `NodeAccounts` that everything else uses."""

import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import TypeVar

from scheduler.chain import codec, packing
from scheduler.chain.blocks import blocks
from scheduler.chain.blocksage import BlockSage
from scheduler.chain.connection import Connection, all_well
from scheduler.chain.dialect import GETH, Dialect
from scheduler.chain.errors import METHOD_NOT_FOUND, CannotSimulate, NodeUnavailable, RpcError
from scheduler.chain.follow import Follower
from scheduler.chain.history import chunks
from scheduler.chain.jsonrpc import Json, Request
from scheduler.chain.landmarks import landmarks
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
from scheduler.chain.pool import Pool
from scheduler.chain.simulating import outcomes, simulation

T = TypeVar("T")

CROWDED_BLOCKS = 10
"""Of how many blocks, the latest, it is looked at whether they had room."""

CROWDED_RATIO = 0.9
"""From which share of its gas on a block counts as full: what may use more than is left of it does
not enter, however little it uses."""

CROWDED_PERCENTILE = 10
"""Which tip of a full block is low, in percent of its gas: less is paid by its producer's own."""

NOT_THERE_BLOCKS = 100
"""For how many blocks a node is not asked again to simulate after it said that it cannot."""

_FAILED_EXECUTION_CODES = (3, -32015)
_FAILED_EXECUTION = re.compile(
    r"revert|EVM error|VM execution error|out of gas|invalid opcode|invalid jump|stack (under|over)"
    r"|stack limit|write protection|return data out of bounds|gas uint64 overflow|call depth"
    r"|insufficient (balance|funds)|intrinsic gas|max (code|initcode) size",
    re.IGNORECASE,
)


class JsonRpcNode:
    """Implements the protocols `Chain` and `NodeAccounts` over one connection.

    `sage` learns the block time from the heads that `follow` sees.
    """

    def __init__(self, connection: Connection, sage: BlockSage | None = None) -> None:
        self._connection = connection
        self._dialect = GETH
        # From which head on it is asked to simulate, again where it could not.
        self._simulates_from = 0
        self._pool = Pool(connection)
        self.sage = sage or BlockSage()
        self._follower: Follower | None = None

    @property
    def endpoint(self) -> str:
        """Where the node is, without credentials."""
        return self._connection.endpoint

    def speak(self, dialect: Dialect) -> None:
        """Asks in this dialect from now on; at first it is geth's."""
        self._dialect = dialect
        self._connection.batch_limit = dialect.batch_limit

    async def close(self) -> None:
        """Ends the connection; the next request opens it again."""
        await self._connection.close()

    def follow(self, patience: float = math.inf) -> AsyncIterator[HeadEvent]:
        """The chain's tips, for ever. Raises ChainChanged where the node serves another chain, and
        NodeGone where it is away for more than `patience` seconds."""
        self._follower = Follower(self._connection, self.sage, patience=patience)
        return self._follower.events()

    @property
    def away(self) -> str | None:
        """Why no tips are followed now; None where they are, and before any were."""
        return None if self._follower is None else self._follower.outage.why

    async def identity(self) -> Identity:
        found = await landmarks(self._connection)
        return Identity(found.chain_id, found.genesis)

    async def syncing(self) -> bool:
        return (await self._connection.request("eth_syncing")) is not False

    async def block(self, which: int | Hash | None = None) -> Head | None:
        (found,) = await blocks(self._connection, [which])
        return found

    async def logs(
        self, blocks: Sequence[Hash], topics: Sequence[Hash], address: Address | None = None
    ) -> list[Log]:
        common = {"topics": [list(topics)], **({"address": address} if address else {})}
        answers = await self._connection.read(
            [Request("eth_getLogs", ({"blockHash": block, **common},)) for block in blocks]
        )
        return self._connection.understand(
            lambda found: [codec.log(log) for logs in found for log in logs], answers
        )

    def history(
        self, address: Address, topics: Sequence[Sequence[Hash] | None], first: int, last: int
    ) -> AsyncGenerator[LogChunk, None]:
        wanted = {"address": address, "topics": [each and list(each) for each in topics]}
        return chunks(self._connection, wanted, first, last)

    async def call(self, calls: Sequence[Call], at: Hash) -> list[CallResult]:
        """See `Chain.call`. Many views are packed into few requests where the node runs code that
        is nowhere. What has no answer then, or fails, is asked once more by itself: it may only
        have wanted more gas, and the node says in its own words why it fails."""
        if not (self._dialect.runs_code and packing.worth_packing(calls)):
            return await self._call([codec.call(call) for call in calls], at)
        results = await self._packed(calls, at)
        failed = [number for number, result in enumerate(results) if not result.ok]
        again = await self._call([codec.call(calls[number]) for number in failed], at)
        for number, result in zip(failed, again, strict=True):
            results[number] = result
        return results

    async def _packed(self, calls: Sequence[Call], at: Hash) -> list[CallResult]:
        """What packed views answer; those that could not be asked have failed."""
        parts = list(packing.packed_views(calls))
        answers = await self.run([code for code, _ in parts], at)
        results: list[CallResult] = []
        for (_, part), answer in zip(parts, answers, strict=True):
            found = packing.unpacked_views(answer)[: len(part)]
            rest = part[len(found) :]
            # Where the gas went as far as that, it may for the rest, too.
            left = await self._packed(rest, at) if found else [packing.UNASKED] * len(rest)
            results += [*found, *left]
        return results

    async def run(self, codes: Sequence[bytes], at: Hash) -> list[bytes]:
        if not self._dialect.runs_code:
            return [b""] * len(codes)
        results = await self._call([{"data": codec.plain(code)} for code in codes], at)
        return [b"" if result.ok else result.data for result in results]

    async def _call(self, messages: Sequence[Json], at: Hash) -> list[CallResult]:
        state = self._state_of(at)
        answers = await self._connection.batch(
            [Request("eth_call", (message, state)) for message in messages]
        )
        return self._connection.understand(_each(_called), answers)

    async def estimates(self, calls: Sequence[Call]) -> list[int | None]:
        # Without a block: rskj takes none here.
        answers = await self._connection.batch(
            [Request("eth_estimateGas", (codec.call(call),)) for call in calls]
        )
        return self._connection.understand(_each(_estimated), answers)

    async def balances(self, accounts: Sequence[Address], at: Hash) -> list[int]:
        if self._dialect.runs_code and len(accounts) >= packing.WORTH_PACKING:
            answers = await self.run(list(packing.packed_balances(accounts)), at)
            found = packing.unpacked_balances(b"".join(answers))
            if len(found) == len(accounts):
                return found
        answers = await self._connection.read(
            [Request("eth_getBalance", (account, self._state_of(at))) for account in accounts]
        )
        return self._connection.understand(_each(codec.quantity), answers)

    async def codes(self, addresses: Sequence[Address], at: Hash) -> list[bytes]:
        answers = await self._connection.read(
            [Request("eth_getCode", (address, self._state_of(at))) for address in addresses]
        )
        return self._connection.understand(_each(codec.octets), answers)

    async def storage(self, slots: Sequence[tuple[Address, int]], at: Hash) -> list[bytes]:
        answers = await self._connection.read(
            [
                # Padded: geth takes a slot as a hash of 32 bytes, too, rskj as a number.
                Request("eth_getStorageAt", (contract, f"0x{slot:064x}", self._state_of(at)))
                for contract, slot in slots
            ]
        )
        return self._connection.understand(_each(codec.octets), answers)

    async def simulate(
        self, calls: Sequence[Call], on: Head, number: int, timestamp: int, base_fee: int | None
    ) -> list[CallResult]:
        """See `Chain.simulate` and the module for it. Raises RpcError for all calls where geth says
        that one could not be included at all."""
        if on.number < self._simulates_from:
            raise CannotSimulate
        try:
            answer = await self._connection.request(
                "eth_simulateV1",
                simulation(calls, on, number, timestamp, base_fee),
                {"blockHash": on.hash},
            )
        except RpcError as error:
            if error.code != METHOD_NOT_FOUND:
                raise
            self._simulates_from = on.number + NOT_THERE_BLOCKS
            raise CannotSimulate from error
        results = self._connection.understand(outcomes, answer)
        if len(results) != len(calls):
            raise NodeUnavailable(f"{self.endpoint}: it simulated only {len(results)} calls")
        return results

    def _state_of(self, block: Hash) -> Json:
        """Names a block for a read of state, as EIP-1898 does."""
        canonical = self._dialect.require_canonical
        return {"blockHash": block, **({"requireCanonical": canonical} if canonical else {})}

    async def nonces(self, account: Address) -> Nonces:
        answers = await self._connection.read(_transaction_counts(account))
        return self._connection.understand(
            lambda found: Nonces(*map(codec.quantity, found)), answers
        )

    async def receipts(self, hashes: Sequence[Hash]) -> list[Receipt | None]:
        answers = await self._of_transactions("eth_getTransactionReceipt", hashes)
        return self._connection.understand(_each(_optional(codec.receipt)), answers)

    async def known(self, hashes: Sequence[Hash]) -> list[bool]:
        answers = await self._of_transactions("eth_getTransactionByHash", hashes)
        return [answer is not None for answer in answers]

    async def _of_transactions(self, method: str, hashes: Sequence[Hash]) -> list[Json]:
        try:
            return await self._connection.read([Request(method, (hash,)) for hash in hashes])
        except RpcError as error:
            if "indexing is in progress" in error.message:
                # geth (1.16), just started: it cannot tell yet what it does not know.
                raise NodeUnavailable(f"{self.endpoint}: {error.message}") from error
            raise

    async def send_raw(self, raws: Sequence[bytes]) -> list[Hash | RpcError]:
        answers = await self._connection.batch(
            [Request("eth_sendRawTransaction", (codec.plain(raw),)) for raw in raws]
        )
        return self._connection.understand(
            _each(lambda answer: answer if isinstance(answer, RpcError) else answer.lower()),
            answers,
        )

    async def pooled(self, account: Address, nonces: Sequence[int]) -> dict[int, Sent]:
        return await self._pool.pooled(account, nonces)

    async def pending(self) -> dict[tuple[Address, int], Sent]:
        return await self._pool.pending()

    async def conditions(self, account: Address, head: Head) -> Conditions:
        legacy = head.base_fee is None
        latest_blocks = (hex(CROWDED_BLOCKS), hex(head.number), [CROWDED_PERCENTILE])
        answers = await self._connection.batch(
            [
                Request("eth_syncing"),
                *_transaction_counts(account),
                Request("eth_getBalance", (account, self._state_of(head.hash))),
                Request("eth_gasPrice" if legacy else "eth_maxPriorityFeePerGas"),
                *([] if legacy else [Request("eth_feeHistory", latest_blocks)]),
            ]
        )
        syncing, *quantities = all_well(answers[:5])
        latest, pending, balance, suggested = self._connection.understand(
            _each(codec.quantity), quantities
        )
        crowded = 0
        # Without it a node is as good as any: nobody knows then how full its blocks are.
        if not legacy and not isinstance(answers[5], RpcError):
            crowded = self._connection.understand(_crowded, answers[5])
        return Conditions(
            syncing is not False, Nonces(latest, pending), balance, suggested, crowded
        )

    async def accounts(self) -> list[Address]:
        answer = await self._connection.request("eth_accounts")
        return self._connection.understand(_each(lambda account: account.lower()), answer)

    async def sign_transactions(
        self, fields: Sequence[Mapping[str, object]]
    ) -> list[bytes | RpcError]:
        answers = await self._connection.batch(
            [Request("eth_signTransaction", (codec.plain(each),)) for each in fields]
        )
        return self._connection.understand(_each(_signed), answers)

    async def send_transaction(self, fields: Mapping[str, object]) -> Hash:
        answer = await self._connection.request("eth_sendTransaction", codec.plain(fields))
        return self._connection.understand(str.lower, answer)

    async def sent_by(self, account: Address, nonce: int, since: int) -> Sent | None:
        return await self._pool.sent_by(account, nonce, since)


def _transaction_counts(account: Address) -> list[Request]:
    return [Request("eth_getTransactionCount", (account, at)) for at in ("latest", "pending")]


def _crowded(history: Json) -> int:
    """The highest of the tips that were low in full blocks, from what eth_feeHistory answers."""
    tips = [
        codec.quantity(low)
        for used, [low] in zip(history["gasUsedRatio"], history.get("reward") or [], strict=False)
        if used >= CROWDED_RATIO
    ]
    return max(tips, default=0)


def _optional(reader: Callable[[Json], T]) -> Callable[[Json], T | None]:
    return lambda answer: None if answer is None else reader(answer)


def _each(reader: Callable[[Json], T]) -> Callable[[Json], list[T]]:
    return lambda answers: [reader(answer) for answer in answers]


def _signed(answer: Json) -> bytes | RpcError:
    """geth answers {raw, tx}, anvil the bytes alone."""
    if isinstance(answer, RpcError):
        return answer
    return codec.octets(answer.get("raw") if isinstance(answer, dict) else answer)


def _estimated(answer: Json) -> int | None:
    return None if isinstance(answer, RpcError) else codec.quantity(answer)


def _called(answer: Json) -> CallResult:
    """The result of an `eth_call`; an error that is not about the call itself is raised.

    Failed executions are error 3 with the return data (geth, anvil), -32015 (rskj and others), or,
    where nothing was returned, told by their text alone: -32000 "out of gas", "invalid opcode: …"
    (geth), -32603 "EVM error OutOfGas" (anvil 1.7).
    """
    if not isinstance(answer, RpcError):
        return CallResult(ok=True, data=codec.octets(answer))
    failed = answer.code in _FAILED_EXECUTION_CODES or _FAILED_EXECUTION.search(answer.message)
    if not failed:
        raise answer
    data = answer.data if isinstance(answer.data, str) and answer.data.startswith("0x") else "0x"
    return CallResult(ok=False, data=codec.octets(data), error=answer.message)
