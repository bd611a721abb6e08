"""Which value is to be sent when, from a program's signs of life. Pure."""

from scheduler.health import State
from scheduler.pulse import Sign

WELL, UNWELL = 0, 1

RETRY_SECONDS = 10.0
"""How long a value that CloudWatch did not take waits before it is tried again, at most."""


class Beats:
    """Decides for one program; times in seconds since the epoch.

    WELL is due at first and at the interval while the program is healthy; UNWELL at once when it
    begins to fail, when something was done in vain and when a price was taken out, and at the
    interval while it fails or gives no sign of life.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next_at = 0.0
        self._not_before = 0.0
        self._sent: int | None = None
        # Exceptions and pokes that were told.
        self._told = 0

    def due(self, sign: Sign, now: float) -> int | None:
        """The value to send now, if any."""
        failing = sign.state is State.FAILING or not sign.is_fresh(now)
        begins_to_fail = failing and self._sent != UNWELL
        news = begins_to_fail or _happened(sign) > self._told
        if now < self._not_before or not (news or now >= self._next_at):
            return None
        return UNWELL if failing or news else WELL

    def sent(self, value: int, sign: Sign, now: float) -> None:
        """CloudWatch has taken the value that was due at `sign`."""
        self._sent, self._told = value, _happened(sign)
        self._next_at = now + self._interval

    def failed(self, now: float) -> None:
        """It has not: what is due then is tried later."""
        self._not_before = now + min(RETRY_SECONDS, self._interval)


def _happened(sign: Sign) -> int:
    return sign.exceptions + sign.pokes
