"""Where things are on the page's two drawings, in percent and pixels. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.operations.page.past import Day

_LEAST_AHEAD, _MOST_AHEAD = 24, 480
"""How many blocks the line shows ahead of the head at least and at most."""

_BEHIND = 0.5
"""How much of the past the line shows, as a share of what it shows ahead."""

HALF_HEIGHT = 56.0
"""Pixels above and below the plot's base line."""


@dataclass(frozen=True, slots=True)
class Line:
    """A block time line from block `first` to `last`."""

    first: int
    head: int
    last: int

    def x(self, block: float) -> float | None:
        """Where a block is, in percent of the width; None where it is not on the line."""
        if not self.first <= block <= self.last:
            return None
        return round(100 * (block - self.first) / (self.last - self.first), 2)


def line(head: int, upcoming: Sequence[float]) -> Line:
    """The line that shows the head, and of these blocks what is not too far away."""
    near = [block for block in upcoming if head < block <= head + _MOST_AHEAD]
    ahead = max(_LEAST_AHEAD, round(1.08 * (max(near, default=head) - head)))
    return Line(max(0, head - round(_BEHIND * ahead)), head, head + ahead)


@dataclass(frozen=True, slots=True)
class Bar:
    """A day in the plot: `x` and `width` in percent, heights in pixels."""

    day: Day
    x: float
    width: float
    earned: float
    spent: float


def bars(days: Sequence[Day]) -> list[Bar]:
    """One for each day; the greatest amount of all, earned or spent, is as high as there is room.

    What is more than nothing is at least a pixel high.
    """
    most = max((max(each.earned, each.spent) for each in days), default=0)
    step = 100 / len(days) if days else 0

    def height(amount: int) -> float:
        return round(max(1.0, HALF_HEIGHT * amount / most), 2) if amount > 0 else 0.0

    return [
        Bar(
            each,
            x=round(index * step + 0.12 * step, 3),
            width=round(0.76 * step, 3),
            earned=height(each.earned),
            spent=height(each.spent),
        )
        for index, each in enumerate(days)
    ]
