"""That an intent's recipient belongs to its family, as the chain said: made once, and kept. Pure.

Events can be forged and files changed; so before anything is signed for an intent its family asks
the chain (see Family.recognises), and what it found holds for exactly what it was asked about.
"""

import json
from dataclasses import dataclass
from hashlib import sha256

from scheduler.chain.model import Address, Hash, Head
from scheduler.transactions.encoding import Transaction
from scheduler.transactions.intents import Intent, Told

# Once: json.dumps makes one anew for each text whose keys are to be sorted.
_CANONICAL = json.JSONEncoder(sort_keys=True)


@dataclass(frozen=True, slots=True)
class Proof:
    """`says` is what the chain said in block `block`; `covers` is a hash of what it is about."""

    says: str
    block: int
    block_hash: Hash
    covers: str

    @classmethod
    def of(cls, intent: Intent, says: str, head: Head) -> "Proof":
        """What was found at `head` about the intent."""
        covers = _digest(intent.told, intent.to, intent.value, intent.data)
        return cls(says, head.number, head.hash, covers)

    @classmethod
    def from_text(cls, text: str) -> "Proof":
        """From the journal; raises ValueError where it is nothing that `as_text` writes."""
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(f"it is no proof: {error}") from error

    def as_text(self) -> str:
        return json.dumps(
            {
                "says": self.says,
                "block": self.block,
                "block_hash": self.block_hash,
                "covers": self.covers,
            }
        )

    def is_about(self, intent: Intent) -> bool:
        """Whether it holds for what this intent wants to send."""
        return self.covers == _digest(intent.told, intent.to, intent.value, intent.data)

    def allows(self, told: Told, transaction: Transaction) -> bool:
        """Whether it holds for this transaction of that intent, whatever its nonce and price."""
        sent = transaction.to, transaction.value, transaction.data
        return self.covers == _digest(told, *sent)


def _digest(told: Told, to: Address, value: int, data: bytes) -> str:
    """Of all that decides what a transaction does, for whom, and how it is judged."""
    intent = (told.key, told.family, told.contract, told.kind, dict(told.params))
    what = (*intent, to, value, data.hex())
    return sha256(_CANONICAL.encode(what).encode()).hexdigest()
