"""The conditions of all jobs of a process, read in one round trip for each head."""

from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.chain.model import Hash, Head
from scheduler.chain.protocol import Chain
from scheduler.jobs.conditions import Answers, Unreadable
from scheduler.jobs.declaration import Job


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand for a job at a head.

    `true`: its condition is. `kept_back`: one of those under which it is not done is true, too.
    `epoch` is the number that the contract gives the next time, None where it gives none. `data` is
    what its function would be called with, None where its condition is not true. `trouble` is why
    its condition, or an argument, cannot be read; all else is unknown then.
    """

    true: bool
    kept_back: bool = False
    epoch: int | None = None
    data: bytes | None = None
    trouble: str | None = None


def standing(job: Job, answers: Answers) -> Standing:
    """What these answers say of the job. Pure."""
    try:
        true = job.condition.holds(answers)
        reasons = [each.holds(answers) for each in job.unless]
        epoch = None if job.epoch is None else job.epoch.value(answers)
        # What is handed on need not be there before.
        data = job.action.data(answers) if true else None
        return Standing(true, any(reasons), epoch, data)
    except Unreadable as reason:
        return Standing(False, trouble=str(reason))


class Board:
    """Where the jobs of a process stand at the newest head."""

    def __init__(self, chain: Chain, jobs: Sequence[Job]) -> None:
        self._chain = chain
        # Some jobs ask the same.
        self._calls = list(dict.fromkeys(r.call for job in jobs for r in job.readings()))
        self._head: Hash | None = None
        self._answers: Answers = {}

    async def read(self, head: Head) -> None:
        """Reads all conditions at `head`, unless that was done. Raises NodeUnavailable."""
        if head.hash == self._head:
            return
        self._head = None
        results = await self._chain.call(self._calls, at=head.hash)
        self._answers = dict(zip(self._calls, results, strict=True))
        self._head = head.hash

    def standing(self, job: Job, head: Head) -> Standing | None:
        """Where the job stands at `head`; None where that was not read."""
        return standing(job, self._answers) if head.hash == self._head else None
