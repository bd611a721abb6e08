"""Who signs: the node with an unlocked account, or a key in memory. Only the guard asks them."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from eth_keys.datatypes import PrivateKey

from scheduler.chain.errors import METHOD_NOT_FOUND, RpcError
from scheduler.chain.model import Address
from scheduler.chain.protocol import NodeAccounts
from scheduler.errors import NotYet
from scheduler.transactions.encoding import Pen, Signed, Transaction, WrongSignature, verify


class Signer(Protocol):
    """Signs for one account."""

    @property
    def address(self) -> Address: ...

    async def sign(self, transactions: Sequence[Transaction]) -> list[Signed | None]:
        """The transactions signed, in order; None where only the node can sign, by sending.

        Raises NotYet where the signer does not sign now, NodeUnavailable where it is away.
        """
        ...


class KeySigner:
    """Signs with a key in memory: from a key file, or from the environment."""

    def __init__(self, key: PrivateKey) -> None:
        self._pen = Pen(key)
        self.address: Address = key.public_key.to_address()

    async def sign(self, transactions: Sequence[Transaction]) -> list[Signed | None]:
        return [self._pen.sign(transaction) for transaction in transactions]


class Onlooker:
    """Has no key, and signs nothing: for programs that only say what they would send."""

    def __init__(self, address: Address) -> None:
        self.address = address

    async def sign(self, transactions: Sequence[Transaction]) -> list[Signed | None]:
        raise NotYet('nothing is signed: mode = "shadow"')


class NodeSigner:
    """Lets the node sign with an account that it has unlocked.

    `eth_signTransaction` where the node has it, so that the bytes are in the journal before they
    leave; where it has not (rskj), the sender falls back to `eth_sendTransaction`.
    """

    def __init__(self, node: NodeAccounts, address: Address) -> None:
        self._node = node
        self.address = address
        self._signs = True

    async def sign(self, transactions: Sequence[Transaction]) -> list[Signed | None]:
        return await asyncio.gather(*map(self._sign, transactions))

    async def _sign(self, transaction: Transaction) -> Signed | None:
        if not self._signs:
            return None
        try:
            raw = await self._node.sign_transaction(transaction.rpc_fields(self.address))
            return verify(transaction, self.address, raw)
        except RpcError as error:
            if error.code == METHOD_NOT_FOUND:
                self._signs = False
                return None
            raise NotYet(
                f"the node does not sign for {self.address}: {error.message}; "
                'unlock the account there, or use signer = "keystore"'
            ) from error
        except WrongSignature as error:
            raise NotYet(f"the node does not sign what it is asked to: {error}") from error
