"""Calls whose window is over, and that nobody executed: they pay for being cleaned up."""

from collections.abc import Iterator
from dataclasses import dataclass

from scheduler.alarm import abi
from scheduler.alarm.claiming import Draw
from scheduler.alarm.rivals import rivals
from scheduler.alarm.tracked import Tracked
from scheduler.chain.model import Address, Head
from scheduler.chain.protocol import Chain

# For how many blocks after its window such a call is followed. What its customer endowed it with
# does not pay for a clean-up later where it did not by then.
FOLLOWED_BLOCKS = 240

# In so many of 256 blocks a call is cleaned up, by chance: who comes second in a block pays for a
# transaction that reverts, and all may clean up from the same block on.
CHANCE = 32


@dataclass(slots=True)
class Leftover:
    """Such a call, known since the block `since`, followed up to the block `until`."""

    tracked: Tracked
    since: int
    until: int


class Leftovers:
    """Those of one contract; which of them `cleaner` should clean up now is `due`."""

    def __init__(self, chain: Chain, cleaner: Address, draw: Draw | None = None) -> None:
        """Without `draw` nothing is cleaned up."""
        self._chain = chain
        self._cleaner = cleaner
        self._draw = draw
        self._calls: dict[Address, Leftover] = {}
        self.due: list[Tracked] = []

    def __contains__(self, call: Address) -> bool:
        return call in self._calls

    def __iter__(self) -> Iterator[Address]:
        return iter(self._calls)

    def get(self, call: Address) -> Tracked | None:
        """The call, if it is one of them."""
        found = self._calls.get(call)
        return None if found is None else found.tracked

    def keep(self, tracked: Tracked, since: int, head: Head) -> None:
        """Follows the call for some time more; `since` is the block since which it is known."""
        leftover = Leftover(tracked, since, head.number + FOLLOWED_BLOCKS)
        self._calls[tracked.terms.call] = leftover

    def clear(self) -> None:
        """Follows none of them any more."""
        self._calls = {}

    def forget_since(self, block: int) -> None:
        """A reorg took out `block` and what came after."""
        self._calls = {call: each for call, each in self._calls.items() if each.since < block}

    async def look(self, head: Head) -> None:
        """Decides what is `due` after `head`; asks for the pool once, and only if something is.

        Raises NodeUnavailable.
        """
        self._calls = {call: e for call, e in self._calls.items() if head.number <= e.until}
        wanted = [each.tracked for each in self._calls.values() if self._wanted(each.tracked, head)]
        others = await rivals(self._chain, self._cleaner, abi.CANCEL) if wanted else set()
        self.due = [tracked for tracked in wanted if tracked.terms.call not in others]

    def _wanted(self, tracked: Tracked, head: Head) -> bool:
        if self._draw is None or not tracked.can_be_cleaned_up:
            return False
        return self._draw(f"{tracked.terms.subject()}:cleanup", head.number) < CHANCE
