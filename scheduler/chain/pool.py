"""What a node shows of transactions that are in no block yet, and of one that only it knows."""

from collections.abc import Sequence

from scheduler.chain import codec
from scheduler.chain.blocks import blocks
from scheduler.chain.connection import Connection
from scheduler.chain.errors import METHOD_NOT_FOUND, RpcError
from scheduler.chain.jsonrpc import Json, Request
from scheduler.chain.model import Address, Sent

FULL_BLOCKS_AT_ONCE = 10
"""Blocks with all their transactions to ask for in one message: each can be megabytes."""


class Pool:
    """The pool of the node at this connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lacks: set[str] = set()

    async def pooled(self, account: Address, nonces: Sequence[int]) -> dict[int, Sent]:
        """See `Chain.pooled`; measured on geth 1.16.7 and anvil 1.7.1.

        geth has txpool_contentFrom where that API is on, anvil eth_getTransactionBySenderAndNonce,
        and of the rest the pending block shows what would be mined next. A node is asked once for
        a method that it does not have.
        """
        wanted = set(nonces)
        content = await self._if_there("txpool_contentFrom", account)
        if content is not None:
            entries = {
                **(content.get("queued") or {}),
                **(content.get("pending") or {}),
            }
            return {
                int(nonce): self._connection.understand(codec.sent, entry)
                for nonce, entry in entries.items()
                if int(nonce) in wanted
            }
        found = {}
        for nonce in nonces:
            entry = await self._if_there("eth_getTransactionBySenderAndNonce", account, hex(nonce))
            if entry is not None:
                found[nonce] = self._connection.understand(codec.sent, entry)
        if "eth_getTransactionBySenderAndNonce" not in self._lacks:
            return found
        pending = await self.pending()
        return {nonce: pending[account, nonce] for nonce in nonces if (account, nonce) in pending}

    async def pending(self) -> dict[tuple[Address, int], Sent]:
        [block] = await self._connection.read([Request("eth_getBlockByNumber", ("pending", True))])
        return self._connection.understand(codec.transactions, block)

    async def _if_there(self, method: str, *params: Json) -> Json:
        """The answer of a method that not every node has; None where this one has it not."""
        if method in self._lacks:
            return None
        try:
            return await self._connection.request(method, *params)
        except RpcError as error:
            # anvil 1.7 says -32602 to some methods that it does not have: "untagged enum".
            if error.code != METHOD_NOT_FOUND and "untagged enum" not in error.message:
                raise
            self._lacks.add(method)
            return None

    async def sent_by(self, account: Address, nonce: int, since: int) -> Sent | None:
        (latest,) = await blocks(self._connection, [None])
        numbers: list[int | None] = [None]
        if latest is not None:
            numbers += range(since + 1, latest.number + 1)
        for start in range(0, len(numbers), FULL_BLOCKS_AT_ONCE):
            answers = await self._connection.read(
                [
                    Request("eth_getBlockByNumber", ("pending" if n is None else hex(n), True))
                    for n in numbers[start : start + FULL_BLOCKS_AT_ONCE]
                ]
            )
            for block in answers:
                found = self._connection.understand(codec.transactions, block)
                if (account, nonce) in found:
                    return found[account, nonce]
        return None
