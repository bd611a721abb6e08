"""What nodes answer to a transaction that they do not take, in one table.

An answer that is not here says nothing certain: the bytes may be at the node all the same.
"""

from enum import Enum


class Answer(Enum):
    """Why a node did not take a transaction just now.

    KNOWN: it has it. NONCE_TOO_LOW: the nonce is consumed, by this transaction or another.
    NONCE_TOO_HIGH: too many nonces are missing below. UNDERPRICED: below what the node or block
    takes. REPLACEMENT_UNDERPRICED: the one in its slot is not outbid by enough.
    INSUFFICIENT_FUNDS: for the worst case of it, or of all that are pending. GAS_LIMIT: too little
    or too much gas. POOL_FULL: no room, for this account or at all. UNPROTECTED: not bound to a
    chain (EIP-155). UNCERTAIN: anything else.
    """

    KNOWN = "already known"
    NONCE_TOO_LOW = "nonce too low"
    NONCE_TOO_HIGH = "nonce too high"
    UNDERPRICED = "underpriced"
    REPLACEMENT_UNDERPRICED = "replacement underpriced"
    INSUFFICIENT_FUNDS = "insufficient funds"
    GAS_LIMIT = "gas limit"
    POOL_FULL = "pool full"
    UNPROTECTED = "protected only"
    UNCERTAIN = "uncertain"


# Parts of the texts, lower case, the more special before the more general. From geth 1.16.7 and
# anvil 1.7.1 as measured, and rskj's source (TransactionPoolImpl, net.handler.txvalidator).
_TEXTS = (
    ("replacement transaction underpriced", Answer.REPLACEMENT_UNDERPRICED),  # geth, anvil
    ("gas price not enough to bump", Answer.REPLACEMENT_UNDERPRICED),  # rskj
    ("already known", Answer.KNOWN),  # geth
    ("already imported", Answer.KNOWN),  # anvil
    ("transaction with same hash already exists", Answer.KNOWN),  # rskj
    ("nonce too low", Answer.NONCE_TOO_LOW),  # all
    ("nonce too high", Answer.NONCE_TOO_HIGH),  # rskj
    ("insufficient funds", Answer.INSUFFICIENT_FUNDS),  # all
    ("sender account doesn't exist", Answer.INSUFFICIENT_FUNDS),  # rskj: never had anything
    ("txpool is full", Answer.POOL_FULL),  # geth
    ("account exceeds quota", Answer.POOL_FULL),  # rskj
    ("underpriced", Answer.UNDERPRICED),  # geth
    ("gas price below minimum", Answer.UNDERPRICED),  # geth
    ("less than block base fee", Answer.UNDERPRICED),  # geth, anvil
    ("gas price lower than block's minimum", Answer.UNDERPRICED),  # rskj
    ("intrinsic gas too", Answer.GAS_LIMIT),  # geth and anvil: low; anvil: high
    ("gas limit too high", Answer.GAS_LIMIT),  # geth: EIP-7825
    ("exceeds block gas limit", Answer.GAS_LIMIT),  # geth
    ("higher than the block's gas limit", Answer.GAS_LIMIT),  # rskj
    ("basic cost is above the gas limit", Answer.GAS_LIMIT),  # rskj
    ("only replay-protected", Answer.UNPROTECTED),  # geth
)


def classify(message: str) -> Answer:
    """What a node's error message to a sent transaction means."""
    text = message.lower()
    for part, answer in _TEXTS:
        if part in text:
            return answer
    return Answer.UNCERTAIN
