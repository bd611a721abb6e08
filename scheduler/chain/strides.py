"""In how many blocks at once a range is asked for its logs. Pure.

What hurts is the number of logs in an answer: 100,000 in one take a program 323 MB and geth (1.16)
longer than it may, while a million blocks without any take it milliseconds.
"""

FIRST_BLOCKS = 16
"""What nothing is known about is begun with."""

MOST_BLOCKS = 100_000
"""However few logs there were: what comes next may be denser."""

SHARES = 64
"""Nor is more asked at once than this part of the range, for the same reason."""

MANY_LOGS = 1_000
"""An answer with more than this is followed by a shorter question: a megabyte."""

CALM = 16
"""So many answers after a refusal the questions may grow again: some nodes bound the blocks of a
question, at 10,000 or 2,000, whatever is in them."""


class Strides:
    """Cuts the blocks from `first` to `last` into questions, one after the other."""

    def __init__(self, first: int, last: int) -> None:
        self._next = first
        self._last = last
        self._blocks = FIRST_BLOCKS
        self._most = min(MOST_BLOCKS, max(FIRST_BLOCKS, (last - first + 1) // SHARES))
        self._calm = CALM

    @property
    def over(self) -> bool:
        """Whether all was answered."""
        return self._next > self._last

    @property
    def question(self) -> tuple[int, int]:
        """The first and the last block to be asked for now."""
        return self._next, min(self._last, self._next + self._blocks - 1)

    def answered(self, logs: int) -> None:
        """The question was answered with so many logs."""
        self._next = self.question[1] + 1
        self._calm += 1
        if logs > MANY_LOGS:
            self._blocks = max(1, self._blocks // 2)
        elif logs < MANY_LOGS // 4 and self._calm > CALM:
            self._blocks = min(self._most, self._blocks * 2)

    def refused(self) -> bool:
        """The node refused, or took too long; False where no shorter question is left."""
        first, last = self.question
        self._blocks = (last - first + 1) // 2
        self._calm = 0
        return self._blocks > 0
