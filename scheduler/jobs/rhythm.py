"""When a job that is done every so often has its time. Pure."""

from scheduler.chain.model import Head
from scheduler.jobs.declaration import Every

# By how many times as many periods are left out after each further one without effect, and the
# most of such steps.
_GROWTH, _MOST_STEPS = 4, 5


class Rhythm:
    """Which periods of a job are served, as far as this process has seen."""

    def __init__(self, every: Every) -> None:
        self._every = every
        self._served: int | None = None
        self._tried: int | None = None
        self._vain = 0

    def period(self, head: Head) -> int:
        """The number of the period in which the block after `head` is."""
        return self._every.period(head)

    def is_open(self, head: Head) -> bool:
        """Whether the period is not served, and not one that is left out: behind periods without
        effect there is a pause, which grows with each."""
        period = self.period(head)
        if period == self._served:
            return False
        if self._tried is None or self._tried == period or not self._vain:
            return True
        return period - self._tried > int(_GROWTH ** (self._vain - 1))

    def succeeded(self, period: int) -> None:
        """It had its effect, and need not be done again in this period."""
        self._served, self._vain = period, 0

    def failed(self, period: int) -> None:
        """It was mined in this period without its effect."""
        self._tried, self._vain = period, min(self._vain + 1, _MOST_STEPS)

    def undone(self, period: int) -> None:
        """A reorg took back what was mined in this period."""
        if self._served == period:
            self._served = None
