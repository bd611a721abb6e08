"""How far a long reading is: a line in the log now and then, or a bar where somebody watches."""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

LINE_SECONDS = 5.0
"""Between two lines in the log, and before the first: what is quick says nothing."""

_BAR_SECONDS, _BAR_WIDTH = 0.2, 30
_USUAL_COLUMNS = 80


def onlooker() -> TextIO | None:
    """The terminal of whoever started the program by hand, if anybody did."""
    return sys.stderr if sys.stderr.isatty() else None


def _columns(terminal: TextIO) -> int:
    """How wide a terminal is; some do not say."""
    try:
        return os.get_terminal_size(terminal.fileno()).columns or _USUAL_COLUMNS
    except OSError:
        return _USUAL_COLUMNS


class Progress:
    """Of `what`, through the blocks from `first` to `last`; a bar where there is a `terminal`."""

    def __init__(
        self,
        what: str,
        first: int,
        last: int,
        log: logging.Logger,
        terminal: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._first = first
        self._last = last
        self._log = log
        self._terminal = terminal
        self._clock = clock
        self._every = LINE_SECONDS if terminal is None else _BAR_SECONDS
        self._told_at = clock()
        self._drawn = False

    def reached(self, block: int) -> None:
        """All up to `block` is read."""
        if self._clock() - self._told_at < self._every:
            return
        self._told_at = self._clock()
        share = (block - self._first + 1) / (self._last - self._first + 1)
        text = f"{self._what}: {100 * share:.0f} % of blocks {self._first:,} … {self._last:,}"
        if self._terminal is None:
            self._log.info("%s", text)
        else:
            # A line that is too long goes on in the next, and could not be taken away.
            width = max(0, min(_BAR_WIDTH, _columns(self._terminal) - len(text) - 2))
            bar = "█" * int(share * width)
            print(f"\r{text} {bar:░<{width}}", end="", file=self._terminal, flush=True)
            self._drawn = True

    def done(self) -> None:
        """It is over: the bar is taken away."""
        if self._drawn:
            print("\r\033[K", end="", file=self._terminal, flush=True)
