"""Intents, signatures and receipts as plain values, for tests that need no node."""

from typing import Any

from eth_keys.datatypes import PrivateKey

from scheduler.chain.model import Receipt
from scheduler.transactions.encoding import DynamicFee, Transaction, sign
from scheduler.transactions.intents import Intent, Verdict
from scheduler.transactions.journal import Account, Attempt, Prepared
from scheduler.transactions.states import OutcomeKind

CHAIN = "0123456789abcdef"
KEY = PrivateKey(b"\x11" * 32)
ACCOUNT = Account(CHAIN, KEY.public_key.to_address())
CONTRACT = "0x" + "c0" * 20

DONE = Verdict(OutcomeKind.SUCCEEDED, "done", earned=3)


def intent(key: str = "tests:touch:1", **fields: Any) -> Intent:
    """An intent of a family named tests."""
    values: dict[str, Any] = {
        "family": "tests",
        "kind": "touch",
        "chain": CHAIN,
        "contract": CONTRACT,
        "params": {"subject": key, "number": 7},
        "to": CONTRACT,
        "data": b"\x01\x02",
        "gas": 50_000,
        "first_block": 1,
        "last_block": 100,
        **fields,
    }
    return Intent(key=key, **values)


def prepared(nonce: int, wish: Intent | None = None, signs: bool = True) -> Prepared:
    """A slot with this nonce for the intent; `signs` is False where the node is to sign."""
    wish = wish or intent(f"tests:touch:{nonce}")
    asked = Transaction(1337, nonce, wish.to, wish.value, wish.gas, wish.data, DynamicFee(9, 1))
    return Prepared(wish, asked, sign(asked, KEY) if signs else None, head_number=4)


def receipt(attempt: Attempt, block: int = 5, branch: str = "a") -> Receipt:
    """The attempt's receipt in a block of one of several branches."""
    assert attempt.hash is not None
    return Receipt(
        transaction_hash=attempt.hash,
        block_hash="0x" + branch * 64,
        block_number=block,
        sender=ACCOUNT.address,
        status=True,
        gas_used=21_000,
        gas_price=10**20,
        logs=(),
    )
