"""When a job that is done every so often has its time. Pure."""

from collections.abc import Iterable

from scheduler.chain.model import Head
from scheduler.jobs.declaration import Every

# By how many times as many periods are left out after each further one without effect, and the
# most of such steps.
_GROWTH, MOST_STEPS = 4, 5


class Rhythm:
    """Which periods of a job are served, and in which it was done in vain since it last had its
    effect."""

    def __init__(self, every: Every) -> None:
        self._every = every
        self._served: int | None = None
        # Those that count, the newest last.
        self._vain: list[int] = []

    def resume(self, past: Iterable[tuple[int, bool]]) -> None:
        """Goes on after what former processes did: periods, and whether it had its effect then; in
        the order in which that was mined, and no fewer than the newest MOST_STEPS."""
        for period, had_effect in past:
            if had_effect:
                self.succeeded(period)
            else:
                self.failed(period)

    def period(self, head: Head) -> int:
        """The number of the period in which the block after `head` is."""
        return self._every.period(head)

    def is_open(self, head: Head) -> bool:
        """Whether the period is not served, and not one that is left out: behind periods without
        effect there is a pause, which grows with each."""
        period = self.period(head)
        return self._open_from(period) == period

    def opens_at(self, head: Head) -> int:
        """The block or second with which the next period begins that is open, or the present one
        did where it is."""
        return self._open_from(self.period(head)) * self._every.length

    def _open_from(self, period: int) -> int:
        """The first period from this one on that is open."""
        if period == self._served:
            period += 1
        # A later one than this was counted in other units, before the job was declared anew.
        if not self._vain or period <= self._vain[-1]:
            return period
        return max(period, self._vain[-1] + int(_GROWTH ** (len(self._vain) - 1)) + 1)

    def counts(self, period: int) -> bool:
        """Whether the pause depends on what was done in this period."""
        return period in self._vain

    def succeeded(self, period: int) -> None:
        """It had its effect, and need not be done again in this period."""
        self._served, self._vain = period, []

    def failed(self, period: int) -> None:
        """It was mined in this period without its effect."""
        self._vain = [*self._vain, period][-MOST_STEPS:]

    def undone(self, period: int) -> None:
        """A reorg took back what was mined in this period."""
        if self._served == period:
            self._served = None
        elif period in self._vain:
            self._vain.remove(period)
