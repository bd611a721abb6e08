"""Which of several nodes is worked with: the first by preference that is well. Pure."""

from collections.abc import Sequence

BEHIND_BLOCKS = 3
"""So many blocks a node may be behind the others: providers' nodes differ by one or two."""

FIRST_DISTRUST = 30.0
LONGEST_DISTRUST = 900.0
"""Seconds for which a node that failed while it was worked with comes last; doubled each time."""

REDEEMED_SECONDS = 600.0
"""A node with which it went well for so long is as good as a new one."""


class Record:
    """How a node did so far; times are of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._taken_at = 0.0
        self._distrust = FIRST_DISTRUST
        self._until = float("-inf")

    def taken(self, now: float) -> None:
        """Work with it begins."""
        self._taken_at = now

    def failed(self, now: float) -> None:
        """It went away, or would not do its work."""
        if now - self._taken_at >= REDEEMED_SECONDS:
            self._distrust = FIRST_DISTRUST
        self._until = now + self._distrust
        self._distrust = min(LONGEST_DISTRUST, 2 * self._distrust)

    def is_trusted(self, now: float) -> bool:
        return now >= self._until


def choice(heads: Sequence[int | None], trusted: Sequence[bool]) -> int | None:
    """Which of the nodes, in the order of preference, to work with; None where none can be.

    `heads` are the numbers of their latest blocks, None for one that cannot be worked with. One
    that is behind is no choice: what it does not have yet is no evidence that it is not there. One
    that is not trusted is the last.
    """
    known = [number for number in heads if number is not None]
    if not known:
        return None
    newest = max(known)
    abreast = [
        at
        for at, number in enumerate(heads)
        if number is not None and newest - number <= BEHIND_BLOCKS
    ]
    return next((at for at in abreast if trusted[at]), abreast[0])
