"""A call's story in the operator's log, in the seed's words where the seed has them."""

import logging
from dataclasses import dataclass

from scheduler.alarm.calls import Status
from scheduler.alarm.drafts import CLAIM, CLEANUP, EXECUTE
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
    Verdict,
)
from scheduler.transactions.states import OutcomeKind

WEI_PER_ETHER = 10**18


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said of what is done to a call, as formats of what differs.

    `refusal` is at which level it is told that it is not done, `ending` that it came to nothing.
    """

    attempt: str
    outcome: str
    end: str
    unsigned: str
    refused: str
    unpaid: str
    refusal: int = logging.INFO
    ending: int = logging.INFO


# That a claim or a clean-up is left to others, or to a later block, is part of its rules; and one
# that is cancelled kept its deposit: that is what it is for.
_WORDS = {
    EXECUTE: _Words(
        attempt="Attempting to execute call",
        outcome="Outcome: %s at block %d (target %d): %s; gas used %d, cost %s ether, paid %s "
        "ether, transaction %s",
        end="Outcome: %s: %s",
        unsigned="Not signing for the call: %s",
        refused="Not executing the call: %s: %s",
        unpaid="Scheduler cannot pay for the call: %s",
        refusal=logging.WARNING,
        ending=logging.ERROR,
    ),
    CLAIM: _Words(
        attempt="Attempting to claim call",
        outcome="Claim: %s at block %d (target %d): %s; gas used %d, cost %s ether, sent back %s "
        "ether, transaction %s",
        end="Claim: %s: %s",
        unsigned="Not claiming the call: %s",
        refused="Not claiming the call: %s: %s",
        unpaid="Not claiming the call yet: its gas would cost more than the claim is worth",
    ),
    CLEANUP: _Words(
        attempt="Attempting to clean up call",
        outcome="Clean-up: %s at block %d (target %d): %s; gas used %d, cost %s ether, paid %s "
        "ether, transaction %s",
        end="Clean-up: %s: %s",
        unsigned="Not cleaning up the call: %s",
        refused="Not cleaning up the call: %s: %s",
        unpaid="Not cleaning up the call yet: its gas would cost more than it pays",
    ),
}


class Story:
    """Says what happens to one call, each thing once, under the name CALL-0X…

    `attempted` says whether an execution of ours was told.
    """

    def __init__(self, call: Address, target: int, key: str | None = None) -> None:
        """`key` is that of the intent to execute it, which the lines are about that no other one
        is told by."""
        self._call = call
        self._target = target
        self._key = key
        self._refusals: dict[str, str] = {}
        self._loss_told = False
        self.attempted = False

    @property
    def _log(self) -> "logging.LoggerAdapter[logging.Logger]":
        """One for the moment. Loggers of logging.getLogger are kept for ever, and of a thousand
        calls that are waited for each would keep one of its own for nothing."""
        log = logging.Logger(f"CALL-{self._call.upper()}")
        log.parent = logging.getLogger()
        return logging.LoggerAdapter(log, {"intent": self._key})

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
            kind=CLAIM,
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

    def progress(self, progress: Progress, kind: str = EXECUTE) -> None:
        """What became of what we did to it, or wanted to do."""
        words = _WORDS[kind]
        if isinstance(progress, Attempting):
            self.attempted = self.attempted or kind == EXECUTE
            self._log.info(words.attempt)
        elif isinstance(progress, Accepted):
            self._log.info("Transaction accepted.")
        elif isinstance(progress, Mined):
            self._mined(progress, words)
        elif isinstance(progress, Refused):
            self._refused(progress.verdict, kind)
        elif isinstance(progress, Unsigned):
            self._refuse(words.unsigned % progress.reason, progress.reason, kind, logging.WARNING)
        elif isinstance(progress, Unmined):
            self._log.warning(
                "A reorg removed the block; transaction %s is pending again", progress.hash
            )
        elif isinstance(progress, Ended):
            ended = progress.verdict
            self._log.log(words.ending, words.end, ended.kind.value, ended.detail)
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

    def _mined(self, mined: Mined, words: _Words) -> None:
        receipt, verdict = mined.receipt, mined.verdict
        level = logging.INFO if verdict.kind is OutcomeKind.SUCCEEDED else logging.ERROR
        self._log.log(
            level,
            words.outcome,
            verdict.kind.value,
            receipt.block_number,
            self._target,
            verdict.detail,
            receipt.gas_used,
            _ether(mined.cost),
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

    def _refused(self, verdict: Verdict, kind: str) -> None:
        words = _WORDS[kind]
        if verdict.kind is OutcomeKind.ABANDONED:
            # It is told with numbers that change with every block's price; the reason does not.
            text = words.unpaid % verdict.detail if "%s" in words.unpaid else words.unpaid
            self._refuse(text, verdict.kind.value, kind, words.refusal)
        else:
            text = words.refused % (verdict.kind.value, verdict.detail)
            self._refuse(text, verdict.detail, kind, words.refusal)

    def _refuse(self, text: str, reason: str, kind: str, level: int) -> None:
        """Once for each reason, however many blocks it lasts."""
        if reason != self._refusals.get(kind):
            self._log.log(level, "%s", text)
        self._refusals[kind] = reason


def _ether(wei: int) -> str:
    """An amount as a decimal number of ether, exact, without trailing zeros."""
    whole, rest = divmod(wei, WEI_PER_ETHER)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")
