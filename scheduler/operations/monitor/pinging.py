"""The dead man's switch: a URL outside is asked every minute while heads are dealt with. Whoever
keeps that URL notices when nobody asks for it, also where the whole box is gone."""

import logging
import threading
import time
from collections.abc import Sequence

from scheduler.notices import Notice
from scheduler.operations.checks.model import Finding, Level
from scheduler.operations.facts.model import Facts
from scheduler.operations.monitor.channels import NotDelivered, get

log = logging.getLogger("PING")

EVERY_SECONDS = 60.0

_NEEDED = frozenset(
    {"node.answers", "node.head", "programs.run", "programs.turn", "programs.heads"}
)


def heads_are_processed(facts: Facts, findings: Sequence[Finding]) -> bool:
    """Whether blocks come, and a program deals with them. Pure."""
    well = all(each.level is not Level.FAIL for each in findings if each.check in _NEEDED)
    works = any(
        program.life is not None and program.life.fresh and program.life.head_number is not None
        for program in facts.programs or ()
    )
    return well and works


class Pinger:
    """Asks for `url` every minute, as long as it is told to."""

    def __init__(self, url: str, every: float = EVERY_SECONDS) -> None:
        self._url = url
        self._every = every
        self._next_at = 0.0
        self._asking = threading.Lock()
        self._unheard = Notice(log)

    def ping_if_due(self) -> None:
        """Returns at once; what hangs keeps nothing waiting."""
        now = time.monotonic()
        if now < self._next_at or not self._asking.acquire(blocking=False):
            return
        self._next_at = now + self._every
        threading.Thread(target=self._ping, daemon=True).start()

    def _ping(self) -> None:
        try:
            get(self._url)
        except NotDelivered as reason:
            self._unheard.raised(f"nobody outside hears that this box lives: {reason}")
        else:
            self._unheard.cleared("the ping is heard again")
        finally:
            self._asking.release()
