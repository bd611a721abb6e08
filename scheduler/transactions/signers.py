"""Who signs: the node with an unlocked account, or a key in memory. Only the guard asks them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from eth_keys.datatypes import PrivateKey

from scheduler.chain.errors import METHOD_NOT_FOUND, RpcError
from scheduler.chain.model import Address
from scheduler.errors import NotYet
from scheduler.transactions.encoding import Pen, Signed, Transaction, WrongSignature, verify

DENIED = "request denied"
"""What clef says of what its rules do not approve (go-ethereum, signer/core, ErrRequestDenied)."""


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


class Holder(Protocol):
    """A node, or clef: who has a key, and signs with it what it is asked to."""

    async def sign_transactions(
        self, fields: Sequence[Mapping[str, object]]
    ) -> list[bytes | RpcError]: ...


class Onlooker:
    """Has no key, and signs nothing: for programs that only say what they would send."""

    def __init__(self, address: Address) -> None:
        self.address = address

    async def sign(self, transactions: Sequence[Transaction]) -> list[Signed | None]:
        raise NotYet('nothing is signed: mode = "shadow"')


class NodeSigner:
    """Lets the node sign with an account that it has unlocked, or that clef has, which decides by
    rules of its own: geth asks it (--signer), or it is asked itself.

    `eth_signTransaction` where the node has it, so that the bytes are in the journal before they
    leave; where it has not (rskj), the sender falls back to `eth_sendTransaction`.
    """

    def __init__(self, node: Holder, address: Address) -> None:
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
            if DENIED in answer.message:
                raise NotYet(
                    f"clef's rules do not let it sign for {self.address} ({_said(transaction)}): "
                    "they are not those of the configuration any more; see them with: scheduler "
                    "config clef, and have clef take them: sudo provision/setup.sh"
                )
            raise NotYet(
                f"the node does not sign for {self.address}: {answer.message}; "
                'unlock the account there, or use signer = "keystore"'
            )
        try:
            return verify(transaction, self.address, answer)
        except WrongSignature as error:
            raise NotYet(f"the node does not sign what it is asked to: {error}") from error


def _said(transaction: Transaction) -> str:
    """What rules look at, in a few words."""
    what = f"function 0x{transaction.data[:4].hex()}" if transaction.data else "a plain transfer"
    most = transaction.gas * transaction.fee.cap
    return f"{what} of {transaction.to}, {transaction.value} wei, at most {most} wei for gas"
