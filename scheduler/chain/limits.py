"""What providers refuse for being too much: how they say so, for how long they mean it. Pure."""

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from scheduler.chain.errors import RpcError
from scheduler.chain.jsonrpc import Answer

FIRST_REST = 1.0
"""Seconds to leave a provider alone that does not say for how long; doubled each time in a row."""

LONGEST_REST = 60.0

_RATE_CODES = frozenset({429, -32029, -32097})
"""Alchemy repeats HTTP's code, others have one of their own. -32005 is no such code: it stands for
any limit (EIP-1474), that of logs in an answer as well."""

_RATE_WORDS = re.compile(
    r"rate.?limit|too many requests|request rate|throughput|(requests?|compute units|credits)"
    r"[\w ,()-]{0,40}per (second|minute)|exceeded (its|your)[\w -]* capacity",
    re.IGNORECASE,
)


def is_about_rate(answer: Answer) -> bool:
    """Whether it refuses for now what it would answer later.

    What a contract says as it reverts is no provider's word.
    """
    if not isinstance(answer, RpcError) or "revert" in answer.message or answer.data is not None:
        return False
    return answer.code in _RATE_CODES or _RATE_WORDS.search(answer.message) is not None


def seconds_in(retry_after: str | None, now: float) -> float | None:
    """What the header Retry-After means (RFC 9110, 10.2.3), in seconds from `now`, seconds since
    the epoch; None where it says nothing that can be understood."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.fromtimestamp(now, timezone.utc)).total_seconds())


class Rest:
    """How long a provider is left alone; times are of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._until = float("-inf")
        self._next = FIRST_REST

    def refused(self, now: float, wanted: float | None) -> None:
        """It refused, and wants to be left alone for so many seconds; None where it does not say.

        Messages that were under way together are refused together: that is once. It is asked again
        after LONGEST_REST whatever it wants, to find out what changed meanwhile.
        """
        if wanted is None or wanted < FIRST_REST:
            if now < self._until:
                return
            wanted, self._next = self._next, min(LONGEST_REST, 2 * self._next)
        self._until = max(self._until, now + min(wanted, LONGEST_REST))

    def taken(self) -> None:
        """It took a message."""
        self._next = FIRST_REST

    def left(self, now: float) -> float:
        """Seconds until it may be asked again; 0 where it may be now."""
        return max(0.0, self._until - now)
