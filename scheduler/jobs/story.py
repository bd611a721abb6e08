"""A job's story in the operator's log, in the seed's words where the seed has them."""

import logging

from scheduler.chain.model import Head
from scheduler.health import Vitals
from scheduler.jobs.board import Standing
from scheduler.jobs.declaration import Job
from scheduler.notices import Notice
from scheduler.transactions.intents import (
    Accepted,
    Attempting,
    Displaced,
    Ended,
    GaveWay,
    Mined,
    Progress,
    Recorded,
    Refused,
    Replanned,
    Settled,
    Unmined,
    Unsigned,
)
from scheduler.transactions.states import OutcomeKind


class Story:
    """Says what happens to one job, each thing once, under the job's name."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._function = job.action.function
        self._log = logging.getLogger(job.name)
        self._unreadable = Notice(self._log)
        self._held = Notice(self._log)
        self._said_no_at: int | None = None
        self._in_vain = 0
        self._noticed = 0

    def vitals(self) -> Vitals:
        """What of the job is wrong now, and how often something was; with a notice it is a poke."""
        notices = (self._unreadable, self._held)
        wrong = [f"{self._job.name}: {each.text}" for each in notices if each.text is not None]
        return Vitals(tuple(wrong), self._in_vain, self._noticed)

    def stands(self, standing: Standing, wanted: bool, head: Head) -> None:
        """That its condition cannot be read, or that it is not to be done: the latter no more than
        once in the job's interval, never for a job without one."""
        if standing.trouble is not None:
            self._unreadable.raised(
                f"{self._function} waits: its condition cannot be read: {standing.trouble}"
            )
            return
        self._unreadable.cleared(f"The condition of {self._function} can be read again")
        if wanted:
            return
        self._held.cleared(f"{self._function} has nothing to do any more")
        said = self._said_no_at
        if self._job.interval and (said is None or head.timestamp - said >= self._job.interval):
            self._said_no_at = head.timestamp
            self._log.info("NO: %s!", self._function)

    def progress(self, progress: Progress, is_due: bool) -> None:
        """What became of its action, which is due still, or not."""
        name = self._function
        if isinstance(progress, Attempting):
            self._held.cleared(f"{name} can be called again")
            if self._job.notice is not None:
                self._noticed += 1
                self._log.warning("%s", self._job.notice)
            self._log.info("Calling %s ...", name)
        elif isinstance(progress, Accepted):
            self._log.debug("A node took transaction %s", progress.hash)
        elif isinstance(progress, Mined):
            self._mined(progress, is_due)
        elif isinstance(progress, Refused):
            verdict = progress.verdict
            self._held.raised(
                f"{name} is not called, though its condition is true: simulated, it ends as "
                f"{verdict.kind.value}: {verdict.detail}"
            )
        elif isinstance(progress, Unsigned):
            self._held.raised(f"{name} is not called: {progress.reason}")
        elif isinstance(progress, Replanned):
            self._log.info("%s is wanted again by %s", name, progress.by)
        elif isinstance(progress, Recorded):
            self._held.raised(
                f"{name} is not called, though its condition is true: its last call ended as "
                f"{progress.state.value}; see: scheduler journal list --family {self._family}"
            )
        elif isinstance(progress, Unmined):
            self._log.warning(
                "A reorg removed the block; transaction %s is pending again", progress.hash
            )
        elif isinstance(progress, Ended):
            self._log.info("%s was cancelled: %s", name, progress.verdict.detail)
        elif isinstance(progress, GaveWay):
            self._log.info(
                "%s gave its nonce to something more urgent, transaction %s; it is tried again "
                "if it is still due",
                name,
                progress.hash,
            )
        elif isinstance(progress, Displaced):
            self._in_vain += 1
            self._log.error(
                "Transaction %s, which is not ours, took its nonce: somebody else "
                "sends from the account",
                progress.hash,
            )
        elif isinstance(progress, Settled):
            self._log.debug("Transaction %s is final", progress.hash)

    @property
    def _family(self) -> str:
        return f"jobs/{self._job.name}"

    def _mined(self, mined: Mined, is_due: bool) -> None:
        receipt, verdict = mined.receipt, mined.verdict
        where = (
            f"in Block [{receipt.block_number}] Hash: [{receipt.transaction_hash}] "
            f"Gas used: [{receipt.gas_used}] From: [{receipt.sender}]"
        )
        if verdict.kind is OutcomeKind.SUCCEEDED:
            self._log.info("Successfully %s %s", self._function, where)
        else:
            # Where it is not, somebody else was faster: so it is done.
            self._in_vain += is_due
            self._log.error(
                "%s was called in vain, as %s, %s: %s",
                self._function,
                verdict.kind.value,
                where,
                verdict.detail,
            )
