"""Which transactions rskj's pool takes, and with which words it refuses the others. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import rlp
from eth_account import Account
from eth_utils.crypto import keccak

# TxValidatorNonceRangeValidator with transaction.accountSlots of reference.conf.
ACCOUNT_SLOTS = 16

# transaction.gasPriceBump of reference.conf, in percent.
GAS_PRICE_BUMP = 40

# transaction.outdated.threshold of reference.conf, in blocks.
OUTDATED_BLOCKS = 10

# TxGasPriceCap.FOR_TRANSACTION: so many times the block's minimum.
GAS_PRICE_CAP = 80

# GasCost: a transaction, a creation, and a byte of its data that is zero or not (RSKIP-400).
INTRINSIC_GAS, CREATION_GAS, ZERO_BYTE_GAS, BYTE_GAS = 21_000, 53_000, 4, 16


class Unreadable(Exception):
    """The bytes are no legacy transaction."""


@dataclass(frozen=True)
class Sent:
    """A transaction as it arrives. Amounts in wei."""

    hash: str
    sender: str
    nonce: int
    gas_price: int
    gas: int
    value: int
    intrinsic_gas: int

    @property
    def gas_cost(self) -> int:
        return self.gas * self.gas_price

    @property
    def cost(self) -> int:
        return self.gas_cost + self.value

    @staticmethod
    def read(raw: bytes) -> "Sent":
        """Raises Unreadable, also for typed transactions (EIP-2718)."""
        try:
            nonce, price, gas, to, value, data = rlp.decode(raw)[:6]
            sender = Account.recover_transaction(raw).lower()
        except Exception as error:
            raise Unreadable from error
        per_byte = sum(BYTE_GAS if byte else ZERO_BYTE_GAS for byte in data)
        return Sent(
            hash="0x" + keccak(raw).hex(),
            sender=sender,
            nonce=int.from_bytes(nonce, "big"),
            gas_price=int.from_bytes(price, "big"),
            gas=int.from_bytes(gas, "big"),
            value=int.from_bytes(value, "big"),
            intrinsic_gas=(INTRINSIC_GAS if to else CREATION_GAS) + per_byte,
        )


class Waiting(NamedTuple):
    """A transaction of an account in the pool; `queued` while one with a lower nonce is missing."""

    hash: str
    nonce: int
    gas_price: int
    cost: int
    queued: bool


@dataclass(frozen=True)
class Circumstances:
    """What decides besides the transaction: the sender's mined nonce and balance, the best block,
    and what of the sender waits in the pool. Amounts in wei, gas in gas."""

    nonce: int
    balance: int
    gas_limit: int
    minimum_gas_price: int
    waiting: tuple[Waiting, ...]


def objection(sent: Sent, now: Circumstances) -> str | None:
    """Why the pool does not take it, in rskj's words; None where it does.

    In the order of TransactionPoolImpl.internalAddTransaction and TxPendingValidator.
    """
    for other in now.waiting:
        if other.hash == sent.hash:
            kind = "queued" if other.queued else "pending"
            return f"{kind} transaction with same hash already exists"
    return _invalid(sent, now) or _unwelcome(sent, now)


def _invalid(sent: Sent, now: Circumstances) -> str | None:
    if now.nonce == 0 and now.balance == 0:
        return "the sender account doesn't exist"
    if sent.gas > now.gas_limit:
        return (
            f"transaction's gas limit of {sent.gas} is higher than the block's gas limit of "
            f"{now.gas_limit}"
        )
    if sent.nonce < now.nonce:
        return "transaction nonce too low"
    if sent.nonce >= now.nonce + ACCOUNT_SLOTS:
        return "transaction nonce too high"
    if sent.gas_cost > now.balance:
        return "insufficient funds"
    if sent.gas_price < now.minimum_gas_price:
        return "transaction's gas price lower than block's minimum"
    if sent.intrinsic_gas > sent.gas:
        return "transaction's basic cost is above the gas limit"
    if now.minimum_gas_price and sent.gas_price > GAS_PRICE_CAP * now.minimum_gas_price:
        return "transaction's gas price exceeds cap"
    return None


def _unwelcome(sent: Sent, now: Circumstances) -> str | None:
    pending = [other for other in now.waiting if not other.queued]
    for other in pending:
        if other.nonce == sent.nonce and not _outbids(sent.gas_price, other.gas_price):
            return "gas price not enough to bump transaction"
    if sent.nonce > now.nonce + len(pending):
        return None  # queued, whatever it costs
    committed = sum(other.cost for other in pending if other.nonce != sent.nonce)
    if committed + sent.cost > now.balance:
        return "insufficient funds to pay for pending and new transactions"
    return None


def _outbids(new: int, old: int) -> bool:
    return new > old and new >= old * (100 + GAS_PRICE_BUMP) // 100


def waiting(content: Mapping[str, Any], sender: str) -> tuple[Waiting, ...]:
    """What of `sender` is in the pool, from `txpool_content`."""
    return tuple(
        Waiting(
            hash=entry["hash"],
            nonce=int(entry["nonce"], 16),
            gas_price=int(entry["gasPrice"], 16),
            cost=int(entry["gas"], 16) * int(entry["gasPrice"], 16) + int(entry["value"], 16),
            queued=kind == "queued",
        )
        for kind in ("pending", "queued")
        for account, entries in content[kind].items()
        if account.lower() == sender
        for entry in entries.values()
    )
