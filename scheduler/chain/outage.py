"""Trouble that passes: told once when it begins and once when it ends, with growing delays."""

import logging
import random

_log = logging.getLogger("CHAIN")

FIRST_DELAY = 0.1
LAST_DELAY = 15.0


class Outage:
    """Whether something works, and how long to wait before it is tried again (seconds).

    `now` is a monotonic time in seconds. Delays begin at 0.1 s and double up to 15 s; they begin
    anew after it worked for 15 s, so what breaks again at once is not asked ten times a second.
    `why` is what is wrong now, None if nothing is.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.why: str | None = None
        self._began: float | None = None
        self._works_since = float("-inf")
        self._delay = FIRST_DELAY

    def failed(self, why: str, now: float) -> float:
        """Tells that it does not work, if that is news; the delay before the next try."""
        if self._began is None:
            self._began = now
            _log.warning("%s. Trying again until it works.", why)
            if now - self._works_since > LAST_DELAY:
                self._delay = FIRST_DELAY
        self.why = why
        delay, self._delay = self._delay, min(LAST_DELAY, 2 * self._delay)
        return delay * random.uniform(0.75, 1.0)

    def lasts(self, now: float) -> float:
        """For how many seconds it has not worked."""
        return 0.0 if self._began is None else now - self._began

    def works(self, now: float) -> None:
        """Tells that it works again, if that is news."""
        if self._began is not None:
            _log.info("%s works again after %.1f s.", self._name, now - self._began)
            self._began = self.why = None
            self._works_since = now
