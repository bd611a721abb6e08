"""A call's story in the operator's log, in the seed's words where the seed has them."""

import logging

from scheduler.alarm.calls import Status
from scheduler.chain.model import ZERO_ADDRESS, Address
from scheduler.transactions.intents import (
    Accepted,
    Attempting,
    Displaced,
    Ended,
    GaveWay,
    Mined,
    Progress,
    Refused,
    Replanned,
    Settled,
    Unmined,
    Unsigned,
)
from scheduler.transactions.states import OutcomeKind

WEI_PER_ETHER = 10**18


class Story:
    """Says what happens to one call, each thing once, under the name CALL-0X…

    `attempted` says whether an execution of ours was told.
    """

    def __init__(self, call: Address, target: int) -> None:
        # Not from logging.getLogger: loggers made there are kept for ever, and calls are many.
        self._log = logging.Logger(f"CALL-{call.upper()}")
        self._log.parent = logging.getLogger()
        self._target = target
        self._refusal: str | None = None
        self.attempted = False

    def sleeping(self, until: int) -> None:
        self._log.info("Sleeping until %d", until)

    def entering(self) -> None:
        self._log.info("Entering call loop")

    def expired(self) -> None:
        self._log.error("Call window expired")

    def removed(self) -> None:
        self._log.warning("A reorg removed the call; it is not scheduled any more")

    def changed(self, status: Status, us: Address, block: int | None) -> None:
        """What the chain says of the call is new; `block` is where, if that is known."""
        where = "" if block is None else f" at block {block}"
        if status.executed:
            who = f" by {status.executor}" if status.executor else ""
            # Where nobody knows who did it, and it may have been us, our outcome will tell.
            ours = status.executor == us or (status.executor is None and self.attempted)
            if not ours:
                self._log.info("Call has already been executed%s%s", who, where)
        elif status.cancelled:
            self._log.info("Call has been cancelled%s", where)
        elif status.claimer not in (ZERO_ADDRESS, us):
            self._log.info("Call has been claimed by %s%s", status.claimer, where)

    def progress(self, progress: Progress) -> None:
        """What became of our execution of it."""
        if isinstance(progress, Attempting):
            self.attempted = True
            self._log.info("Attempting to execute call")
        elif isinstance(progress, Accepted):
            self._log.info("Transaction accepted.")
        elif isinstance(progress, Mined):
            self._mined(progress)
        elif isinstance(progress, Refused):
            self._refused(progress)
        elif isinstance(progress, Unsigned):
            self._unsigned(progress)
        elif isinstance(progress, Unmined):
            self._log.warning(
                "A reorg removed the block; transaction %s is pending again", progress.hash
            )
        elif isinstance(progress, Ended):
            self._log.error("Outcome: %s: %s", progress.verdict.kind.value, progress.verdict.detail)
        elif isinstance(progress, Displaced):
            self._log.error(
                "Transaction %s, which is not ours, took its nonce: somebody else "
                "sends from the account",
                progress.hash,
            )
        elif isinstance(progress, GaveWay):
            self._log.info(
                "Its nonce was used for something more urgent, transaction %s; it is tried again "
                "if it is still due",
                progress.hash,
            )
        elif isinstance(progress, Replanned):
            self._log.info("%s wants it tried again", progress.by)
        elif isinstance(progress, Settled):
            self._log.debug("Transaction %s is final", progress.hash)

    def _mined(self, mined: Mined) -> None:
        receipt, verdict = mined.receipt, mined.verdict
        level = logging.INFO if verdict.kind is OutcomeKind.SUCCEEDED else logging.ERROR
        self._log.log(
            level,
            "Outcome: %s at block %d (target %d): %s; gas used %d, cost %s ether, "
            "paid %s ether, transaction %s",
            verdict.kind.value,
            receipt.block_number,
            self._target,
            verdict.detail,
            receipt.gas_used,
            _ether(mined.cost),
            _ether(verdict.earned),
            receipt.transaction_hash,
        )

    def _refused(self, refused: Refused) -> None:
        """Once for each reason, however many blocks it lasts."""
        verdict = refused.verdict
        if verdict.kind is OutcomeKind.ABANDONED:
            text = f"Scheduler cannot pay for the call: {verdict.detail}"
            # It is told with numbers that change with every block's price; the reason does not.
            reason = verdict.kind.value
        else:
            text = f"Not executing the call: {verdict.kind.value}: {verdict.detail}"
            reason = verdict.detail
        if reason != self._refusal:
            self._log.warning("%s", text)
        self._refusal = reason

    def _unsigned(self, unsigned: Unsigned) -> None:
        if unsigned.reason != self._refusal:
            self._log.warning("Not signing for the call: %s", unsigned.reason)
        self._refusal = unsigned.reason


def _ether(wei: int) -> str:
    """An amount as a decimal number of ether, exact, without trailing zeros."""
    whole, rest = divmod(wei, WEI_PER_ETHER)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")
