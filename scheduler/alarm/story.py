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
        self._refusals: dict[bool, str] = {}
        self._loss_told = False
        self.attempted = False

    def sleeping(self, until: int) -> None:
        self._log.info("Sleeping until %d", until)

    def entering(self) -> None:
        self._log.info("Entering call loop")

    def expired(self) -> None:
        self._log.error("Call window expired")

    def removed(self) -> None:
        self._log.warning("A reorg removed the call; it is not scheduled any more")

    def too_dear_to_claim(self, deposit: int, most: int) -> None:
        self._refuse(
            f"Not claiming the call: its deposit of {_ether(deposit)} ether is more than the "
            f"{_ether(most)} ether of alarm.max-at-risk-per-call",
            reason="deposit",
            claiming=True,
            level=logging.WARNING,
        )

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

    def progress(self, progress: Progress, claiming: bool = False) -> None:
        """What became of our execution of it, or of our claim."""
        if isinstance(progress, Attempting):
            if not claiming:
                self.attempted = True
            self._log.info("Attempting to %s call", "claim" if claiming else "execute")
        elif isinstance(progress, Accepted):
            self._log.info("Transaction accepted.")
        elif isinstance(progress, Mined):
            self._mined(progress, claiming)
        elif isinstance(progress, Refused):
            self._refused(progress, claiming)
        elif isinstance(progress, Unsigned):
            text = f"Not signing for the call: {progress.reason}"
            if claiming:
                text = f"Not claiming the call: {progress.reason}"
            self._refuse(text, progress.reason, claiming, logging.WARNING)
        elif isinstance(progress, Unmined):
            self._log.warning(
                "A reorg removed the block; transaction %s is pending again", progress.hash
            )
        elif isinstance(progress, Ended):
            self._ended(progress, claiming)
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

    def _mined(self, mined: Mined, claiming: bool) -> None:
        receipt, verdict = mined.receipt, mined.verdict
        level = logging.INFO if verdict.kind is OutcomeKind.SUCCEEDED else logging.ERROR
        self._log.log(
            level,
            "%s: %s at block %d (target %d): %s; gas used %d, cost %s ether, "
            "%s %s ether, transaction %s",
            "Claim" if claiming else "Outcome",
            verdict.kind.value,
            receipt.block_number,
            self._target,
            verdict.detail,
            receipt.gas_used,
            _ether(mined.cost),
            "sent back" if claiming else "paid",
            _ether(verdict.earned),
            receipt.transaction_hash,
        )
        if verdict.kind is OutcomeKind.DEPOSIT_LOST and not self._loss_told:
            self._loss_told = True
            self._log.warning(
                "The deposit of the claim is lost. What was lost in all: scheduler report; "
                "alarm.max-at-risk-per-call and alarm.max-at-risk-per-day bound it, and claiming = "
                '"never" in [alarm] ends it'
            )

    def _ended(self, ended: Ended, claiming: bool) -> None:
        verdict = ended.verdict
        if claiming:
            # It kept the deposit: that is what it is for.
            self._log.info("Claim: %s: %s", verdict.kind.value, verdict.detail)
        else:
            self._log.error("Outcome: %s: %s", verdict.kind.value, verdict.detail)

    def _refused(self, refused: Refused, claiming: bool) -> None:
        verdict = refused.verdict
        if verdict.kind is OutcomeKind.ABANDONED:
            # It is told with numbers that change with every block's price; the reason does not.
            reason = verdict.kind.value
            text = f"Scheduler cannot pay for the call: {verdict.detail}"
            if claiming:
                text = "Not claiming the call yet: its gas would cost more than the claim is worth"
        else:
            text = f"Not executing the call: {verdict.kind.value}: {verdict.detail}"
            if claiming:
                text = f"Not claiming the call: {verdict.kind.value}: {verdict.detail}"
            reason = verdict.detail
        # That a claim is left to others, or to a later block, is part of its rules.
        self._refuse(text, reason, claiming, logging.INFO if claiming else logging.WARNING)

    def _refuse(self, text: str, reason: str, claiming: bool, level: int) -> None:
        """Once for each reason, however many blocks it lasts."""
        if reason != self._refusals.get(claiming):
            self._log.log(level, "%s", text)
        self._refusals[claiming] = reason


def _ether(wei: int) -> str:
    """An amount as a decimal number of ether, exact, without trailing zeros."""
    whole, rest = divmod(wei, WEI_PER_ETHER)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")
