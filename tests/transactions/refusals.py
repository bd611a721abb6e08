"""What nodes were seen to answer to a transaction that they do not take, and what it means."""

from scheduler.transactions.answers import Answer

GETH = [  # geth 1.16.7 --dev, eth_sendRawTransaction
    ("already known", Answer.KNOWN),
    ("replacement transaction underpriced", Answer.REPLACEMENT_UNDERPRICED),
    (
        "transaction gas price below minimum: gas tip cap 0, minimum needed 1",
        Answer.UNDERPRICED,
    ),
    ("intrinsic gas too low: gas 20000, minimum needed 21000", Answer.GAS_LIMIT),
    ("transaction gas limit too high (cap: 16777216, tx: 17000000)", Answer.GAS_LIMIT),
    (
        "insufficient funds for gas * price + value: balance 1, tx cost 3, overshot 2",
        Answer.INSUFFICIENT_FUNDS,
    ),
    ("only replay-protected (EIP-155) transactions allowed over RPC", Answer.UNPROTECTED),
    ("nonce too low: next nonce 2, tx nonce 0", Answer.NONCE_TOO_LOW),
]
ANVIL = [  # anvil 1.7.1
    ("transaction already imported", Answer.KNOWN),
    ("replacement transaction underpriced", Answer.REPLACEMENT_UNDERPRICED),
    ("max fee per gas less than block base fee", Answer.UNDERPRICED),
    ("intrinsic gas too low", Answer.GAS_LIMIT),
    ("intrinsic gas too high -- tx.gas_limit > env.block.gas_limit", Answer.GAS_LIMIT),
    ("Insufficient funds for gas * price + value", Answer.INSUFFICIENT_FUNDS),
    ("nonce too low", Answer.NONCE_TOO_LOW),
]
RSKJ = [  # the texts in its source; it cannot be run here
    ("pending transaction with same hash already exists", Answer.KNOWN),
    ("queued transaction with same hash already exists", Answer.KNOWN),
    ("gas price not enough to bump transaction", Answer.REPLACEMENT_UNDERPRICED),
    ("account exceeds quota", Answer.POOL_FULL),
    ("insufficient funds to pay for pending and new transactions", Answer.INSUFFICIENT_FUNDS),
    ("the sender account doesn't exist", Answer.INSUFFICIENT_FUNDS),
    ("transaction nonce too low", Answer.NONCE_TOO_LOW),
    ("transaction nonce too high", Answer.NONCE_TOO_HIGH),
    ("transaction's gas price lower than block's minimum", Answer.UNDERPRICED),
    ("transaction's basic cost is above the gas limit", Answer.GAS_LIMIT),
    (
        "transaction's gas limit of 9 is higher than the block's gas limit of 8",
        Answer.GAS_LIMIT,
    ),
]

REFUSALS = dict([*GETH, *ANVIL, *RSKJ])

UNKNOWN = ("", "internal error", "upstream timed out", "rlp: expected input list")
