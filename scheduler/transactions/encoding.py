"""Transactions as bytes: legacy with replay protection (EIP-155) and dynamic fees (EIP-1559)."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import coincurve
import rlp
from eth_keys.constants import SECPK1_N
from eth_keys.datatypes import PrivateKey, Signature
from eth_utils.crypto import keccak

from scheduler.chain.model import Address, Hash

DYNAMIC_FEE_TYPE = b"\x02"


@dataclass(frozen=True, slots=True)
class LegacyFee:
    """One price for all gas, wei per gas."""

    gas_price: int

    @property
    def cap(self) -> int:
        """The most that a unit of gas can cost, wei."""
        return self.gas_price


@dataclass(frozen=True, slots=True)
class DynamicFee:
    """EIP-1559: the most to pay at all, and of it to the block's builder, wei per gas."""

    max_fee: int
    tip: int

    @property
    def cap(self) -> int:
        """The most that a unit of gas can cost, wei."""
        return self.max_fee


Fee: TypeAlias = LegacyFee | DynamicFee


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is signed. `value` in wei, `gas` is the limit; the access list is always empty."""

    chain_id: int
    nonce: int
    to: Address
    value: int
    gas: int
    data: bytes
    fee: Fee

    @property
    def worst_cost(self) -> int:
        """The most that it can take from the account, wei."""
        return self.value + self.gas * self.fee.cap

    def with_nonce(self, nonce: int) -> "Transaction":
        """The same transaction in another slot."""
        return replace(self, nonce=nonce)

    def rpc_fields(self, sender: Address) -> dict[str, str]:
        """As eth_signTransaction and eth_sendTransaction take it, with every fee field given."""
        fields = {
            "from": sender,
            "to": self.to,
            "value": hex(self.value),
            "gas": hex(self.gas),
            "nonce": hex(self.nonce),
            "data": "0x" + self.data.hex(),
            "chainId": hex(self.chain_id),
        }
        if isinstance(self.fee, LegacyFee):
            fields["gasPrice"] = hex(self.fee.gas_price)
        else:
            fields["maxFeePerGas"] = hex(self.fee.max_fee)
            fields["maxPriorityFeePerGas"] = hex(self.fee.tip)
        return fields


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction ready to leave: its bytes and its hash."""

    raw: bytes
    hash: Hash


class WrongSignature(Exception):
    """A signer returned something other than what it was asked to sign."""


class Pen:
    """A key made ready for many signatures: that alone takes as long as one of them."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = coincurve.PrivateKey(key.to_bytes())

    def sign(self, transaction: Transaction) -> Signed:
        """The transaction signed (deterministic, RFC 6979; the lower `s` of two, EIP-2)."""
        signature = self._key.sign_recoverable(keccak(_payload(transaction)), hasher=None)
        r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
        return _assemble(transaction, signature[64], r, s)


def sign(transaction: Transaction, key: PrivateKey) -> Signed:
    """The transaction signed with `key`; see Pen for many."""
    return Pen(key).sign(transaction)


def verify(transaction: Transaction, sender: Address, raw: bytes) -> Signed:
    """What another signer made of `transaction`, proven to be just that, signed by `sender`.

    Raises WrongSignature: a node may ignore fields that it was given (rskj does so with fees).
    """
    dynamic = isinstance(transaction.fee, DynamicFee)
    if dynamic != raw.startswith(DYNAMIC_FEE_TYPE):
        raise WrongSignature("the signed transaction is of another type than was asked for")
    try:
        fields = rlp.decode(raw[1:] if dynamic else raw)
        v, r, s = (int.from_bytes(field, "big") for field in fields[-3:])
        parity = v if dynamic else v - _eip155_offset(transaction)
        signature = Signature(vrs=(parity, r, s))
        signer = signature.recover_public_key_from_msg_hash(keccak(_payload(transaction)))
        signed = _assemble(transaction, parity, r, s)
    except Exception as error:  # anything that a foreign signer can put into bytes
        raise WrongSignature(f"the signed transaction cannot be read: {error}") from error
    if s > SECPK1_N // 2:
        raise WrongSignature("the signature is the one of two that nodes refuse (EIP-2)")
    if signed.raw != raw or signer.to_address() != sender:
        raise WrongSignature("the signed transaction is not the one that was asked for")
    return signed


def _body(transaction: Transaction) -> list[object]:
    to = bytes.fromhex(transaction.to[2:])
    if isinstance(transaction.fee, LegacyFee):
        price = [transaction.fee.gas_price]
        return [transaction.nonce, *price, transaction.gas, to, transaction.value, transaction.data]
    return [
        transaction.chain_id,
        transaction.nonce,
        transaction.fee.tip,
        transaction.fee.max_fee,
        transaction.gas,
        to,
        transaction.value,
        transaction.data,
        [],
    ]


def _payload(transaction: Transaction) -> bytes:
    if isinstance(transaction.fee, LegacyFee):
        return _rlp([*_body(transaction), transaction.chain_id, 0, 0])
    return DYNAMIC_FEE_TYPE + _rlp(_body(transaction))


def _rlp(fields: list[object]) -> bytes:
    """The fields, numbers among them, in RLP (Yellow Paper, appendix B)."""
    # Told that there are only bytes, rlp does not look for what each field is: a third of the time.
    items = [_big_endian(field) if isinstance(field, int) else field for field in fields]
    return bytes(rlp.encode(items, sedes=rlp.sedes.raw))


def _big_endian(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _eip155_offset(transaction: Transaction) -> int:
    return 35 + 2 * transaction.chain_id


def _assemble(transaction: Transaction, parity: int, r: int, s: int) -> Signed:
    if isinstance(transaction.fee, LegacyFee):
        raw = _rlp([*_body(transaction), _eip155_offset(transaction) + parity, r, s])
    else:
        raw = DYNAMIC_FEE_TYPE + _rlp([*_body(transaction), parity, r, s])
    return Signed(raw, "0x" + keccak(raw).hex())
