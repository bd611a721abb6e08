"""Who signs: the node with an unlocked account, or a key in memory. Only the guard asks them."""

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
        if not self._signs or not transactions:
            return [None] * len(transactions)
        answers = await self._node.sign_transactions(
            [transaction.rpc_fields(self.address) for transaction in transactions]
        )
        return [
            self._signed(transaction, answer)
            for transaction, answer in zip(transactions, answers, strict=True)
        ]

    def _signed(self, transaction: Transaction, answer: bytes | RpcError) -> Signed | None:
        if isinstance(answer, RpcError):
            if answer.code == METHOD_NOT_FOUND:
                self._signs = False
                return None
            raise NotYet(
                f"the node does not sign for {self.address}: {answer.message}; "
                'unlock the account there, or use signer = "keystore"'
            )
        try:
            return verify(transaction, self.address, answer)
        except WrongSignature as error:
            raise NotYet(f"the node does not sign what it is asked to: {error}") from error
