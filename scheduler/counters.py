"""What a program counts for whoever measures it, told with its sign of life."""

from dataclasses import dataclass, field

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Of the histogram, in seconds: from what a block of one second leaves to one of Rootstock's."""


@dataclass(slots=True)
class Counters:
    """Since the program began. `refused` is how often something due was not sent since a simulation
    was against it; the rest how long it took from a head until what was due at it had left."""

    refused: int = 0
    # How many took no longer than each of BOUNDS, and longer than the one before it.
    within: list[int] = field(default_factory=lambda: [0] * len(BOUNDS))
    left: int = 0
    seconds: float = 0.0

    def has_left(self, seconds: float) -> None:
        """Transactions were handed to the node so many seconds after the head at which they were
        due came."""
        self.left += 1
        self.seconds += seconds
        for at, bound in enumerate(BOUNDS):
            if seconds <= bound:
                self.within[at] += 1
                break

    def told(self) -> dict[str, object]:
        """As it is written beside the journal: the histogram's counts are cumulative."""
        cumulative, sums = 0, {}
        for bound, number in zip(BOUNDS, self.within, strict=True):
            cumulative += number
            sums[str(bound)] = cumulative
        return {
            "refused": self.refused,
            "latency": {"buckets": sums, "count": self.left, "total": round(self.seconds, 6)},
        }
