"""Known calls by target block: a call far ahead costs its address and a number."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import islice

from scheduler.chain.model import Address


class Calendar:
    """Which calls there are, when they are due, and since which block they are known."""

    def __init__(self) -> None:
        self._targets: list[int] = []
        self._by_target: dict[int, list[Address]] = {}
        self._known: dict[Address, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, call: Address) -> bool:
        return call in self._known

    def add(self, call: Address, target: int, since: int) -> None:
        """Notes a call; `since` is the block that scheduled it, or at which it was found."""
        if call in self._known:
            self.remove(call)
        if target not in self._by_target:
            insort(self._targets, target)
        self._by_target.setdefault(target, []).append(call)
        self._known[call] = (target, since)

    def remove(self, call: Address) -> None:
        target, _ = self._known.pop(call)
        calls = self._by_target[target]
        calls.remove(call)
        if not calls:
            del self._by_target[target]
            del self._targets[bisect_left(self._targets, target)]

    def through(self, block: int) -> Iterator[Address]:
        """The calls whose target is `block` or earlier, by target, then as they were added."""
        for target in self._targets[: bisect_right(self._targets, block)]:
            yield from self._by_target[target]

    def first(self, count: int) -> Iterator[tuple[int, Address]]:
        """The next so many calls with their targets, by target, then as they were added."""
        calls = ((target, call) for target in self._targets for call in self._by_target[target])
        return islice(calls, count)

    def known_since(self, call: Address) -> int:
        """The block that scheduled the call, or at which it was found."""
        return self._known[call][1]

    def since(self, block: int) -> Iterable[Address]:
        """The calls that are known since `block` or later: what a reorg of it takes away."""
        return [call for call, (_, since) in self._known.items() if since >= block]
