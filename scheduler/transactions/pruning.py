"""When the journal forgets: now and then, while nothing is due, what no promise needs any more."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from scheduler.chain.model import Head
from scheduler.transactions.desk import Desk
from scheduler.transactions.intents import Told
from scheduler.transactions.journal.pruning import BEGINNING

# Between two walks through what is old, seconds.
PAUSE_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Keeping:
    """For how long an intent is kept after its outcome: so many seconds, and so many blocks.

    Both must be over: a clock can be wrong. `blocks` is more than any reorg takes out.
    """

    seconds: float
    blocks: int


class Pruning:
    """Has the journal forget what is old, for the families of one desk."""

    def __init__(
        self,
        desk: Desk,
        keeping: Keeping,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk = desk
        self._keeping = keeping
        self._clock = clock
        self._monotonic = monotonic
        self._next_walk = monotonic()
        self._place = BEGINNING

    def turn(self, head: Head) -> int:
        """One small transaction, if it is time; how many intents it removed.

        Raises JournalUnavailable.
        """
        if self._monotonic() < self._next_walk:
            return 0
        # Only its number counts: which block had it, what is forgotten must not depend on.
        old = replace(head, number=head.number - self._keeping.blocks)
        removed, self._place = self._desk.journal.prunings.prune(
            self._desk.account,
            self._place,
            self._clock() - self._keeping.seconds,
            old.number,
            lambda intent: self._forgettable(intent, old),
        )
        if self._place == BEGINNING:
            self._next_walk = self._monotonic() + PAUSE_SECONDS
        return removed

    def _forgettable(self, intent: Told, old: Head) -> bool:
        """Whether its family, if it is one of this desk's, will never want its key again."""
        family = self._desk.family(intent)
        return family is not None and family.forgettable(intent.kind, intent.params, old)
