"""The BlockSage: how long a block takes on this chain, learnt from the heads' timestamps."""

import logging
from collections import deque
from itertools import pairwise

from scheduler.chain.model import Head

_log = logging.getLogger("BLOCKSAGE")

HEARTBEAT_BLOCKS = 4
_PAUSE = 10
"""An interval this many times the median is a pause: a development chain that stood still, or
whose clock was moved. Of intervals with the exponential spread of proof of work (rskj), whose
median is 0.69 of the mean, 1 in 1,000 is that long, and leaving it out costs less than 1 %."""


class BlockSage:
    """A running estimate of the block time in seconds: the mean over the last `window` blocks.

    Until two different blocks were seen, the estimate is `base` (the original program began with
    10 s). Timestamps are whole seconds, so it never falls below `minimum`.
    """

    def __init__(self, base: float = 10.0, window: int = 100, minimum: float = 1.0) -> None:
        self._window = window
        self._minimum = minimum
        self._seen: deque[tuple[int, int]] = deque()
        self._block_time = base
        self._stale = False

    @property
    def block_time(self) -> float:
        """Seconds from one block to the next."""
        if self._stale:
            self._block_time = max(self._minimum, self._mean())
            self._stale = False
        return self._block_time

    @property
    def window(self) -> int:
        """How many blocks back the estimate looks."""
        return self._window

    def observe(self, head: Head) -> None:
        """Takes a canonical block into account. Blocks at or above its number are forgotten first,
        since a reorg removed them; gaps are no harm."""
        while self._seen and self._seen[-1][0] >= head.number:
            self._seen.pop()
        self._seen.append((head.number, head.timestamp))
        while len(self._seen) > 2 and self._seen[1][0] <= head.number - self._window:
            self._seen.popleft()
        self._stale = len(self._seen) > 1

    def _mean(self) -> float:
        intervals = [
            (later[1] - earlier[1], later[0] - earlier[0])
            for earlier, later in pairwise(self._seen)
        ]
        median = sorted(time / blocks for time, blocks in intervals)[len(intervals) // 2]
        pause = _PAUSE * max(self._minimum, median)
        steady = [(time, blocks) for time, blocks in intervals if time / blocks <= pause]
        return sum(time for time, _ in steady) / sum(blocks for _, blocks in steady)


STUCK_BLOCKS = 20
STUCK_SECONDS = 120.0
"""A chain is told to be stuck after that many block times, and not before that many seconds (the
original program's numbers)."""


class Heartbeat:
    """Tells every four blocks that the program is alive, in the words of the original program.

    `is_stuck`: no block came for so long that it was told.
    """

    def __init__(self, sage: BlockSage) -> None:
        self._sage = sage
        self._last: int | None = None
        self._head: int | None = None
        self.is_stuck = False
        _log.info("> Starting block sage")

    def beat(self, head: Head) -> None:
        """Logs a line if the last one is four blocks away, in either direction."""
        if self.is_stuck:
            self.is_stuck = False
            _log.info("> Blocks come again: #%d", head.number)
        self._head = head.number
        if self._last is None or abs(head.number - self._last) >= HEARTBEAT_BLOCKS:
            self._last = head.number
            _log.info(
                "> Heartbeat: block #%d : block_time: %s",
                head.number,
                _as_python_2(self._sage.block_time),
            )

    def waited(self, seconds: float) -> None:
        """Says once that the chain stands still, if no head came for that long (`seconds`)."""
        patience = max(STUCK_SECONDS, STUCK_BLOCKS * self._sage.block_time)
        if self._head is None or self.is_stuck or seconds < patience:
            return
        self.is_stuck = True
        _log.warning(
            "> Potentially stuck at block %d - Have waited %d seconds. Nothing is sent until there "
            "are blocks again: look at the node's log, its peers and its disk",
            self._head,
            seconds,
        )


def _as_python_2(number: float) -> str:
    """`str(number)` of Python 2, whose lines users' tools may parse: 12 significant digits."""
    text = format(number, ".12g")
    return text if "." in text or "e" in text else text + ".0"
