"""What a program says that only looks on: what it would have sent, and that it does not."""

import logging
from collections.abc import Collection, Sequence

from scheduler.logs import about
from scheduler.transactions.encoding import Transaction
from scheduler.transactions.intents import Intent, Verdict

log = logging.getLogger("SHADOW")

REMARK = 'mode = "shadow": it is said what would be sent; nothing is signed, and nothing is sent'


class Shadow:
    """Says each thing once for as long as it is due. `count` is how many there were."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self.count = 0

    def tell(
        self, found: Sequence[tuple[Intent, Transaction, Verdict]], due: Collection[str]
    ) -> None:
        """That these would be signed and sent now; `due` are the keys of all that is due."""
        self._told &= set(due)
        for intent, transaction, verdict in found:
            if intent.key in self._told:
                continue
            self._told.add(intent.key)
            self.count += 1
            with about(intent.key):
                log.info("%s", line(intent, transaction, verdict))


def line(intent: Intent, transaction: Transaction, verdict: Verdict) -> str:
    """What would be sent, and what came of it when it was simulated; amounts in wei."""
    params = ", ".join(f"{name} {value}" for name, value in sorted(intent.params.items()))
    return (
        f"Would send {intent.kind} ({params}): nonce {transaction.nonce} to {transaction.to} with "
        f"{transaction.value} wei and {len(transaction.data)} bytes of data, at most "
        f"{transaction.gas} gas at {transaction.fee.cap} wei; simulated as {verdict.kind.value} "
        f"({verdict.detail}), earning {verdict.earned} wei"
    )
