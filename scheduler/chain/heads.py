"""Following the canonical chain: what a new head adds to it and removes from it. No I/O."""

from collections.abc import Generator, Sequence
from typing import TypeAlias

from scheduler.chain.model import Hash, Head, HeadEvent

Wanted: TypeAlias = Sequence[int | Hash]
Steps: TypeAlias = Generator[Wanted, Sequence[Head | None], HeadEvent | None]


class HeadTracker:
    """Remembers the last `history` canonical blocks, and links each new head to them.

    A head that lies more than `gap_limit` blocks from the last one, or that joins the chain below
    what is remembered, is reported as rebased.
    """

    def __init__(self, history: int = 256, gap_limit: int = 1_000) -> None:
        self._history = history
        self._gap_limit = gap_limit
        self._canonical: dict[int, Head] = {}
        self._tip: Head | None = None

    @property
    def tip(self) -> Head | None:
        """The head that was reported last."""
        return self._tip

    def track(self, head: Head) -> Steps:
        """What `head` changes; None where it says nothing new.

        A generator that yields the numbers or hashes of the blocks that it needs to know, is sent
        these blocks (None for one that the node does not have), and returns the event. Nothing is
        remembered before `accept`.

        A head that is canonical already came twice, or late, after its successors; a node that
        stepped back without a new block looks the same, and its next block will tell.
        """
        tip = self._tip
        if tip is None:
            return _rebased(head)
        if self._has(head):
            return None
        if head.number - tip.number - 1 > self._gap_limit:
            return _rebased(head)
        added = [head]
        if head.number > tip.number + 1:
            added += _linked(head, (yield range(tip.number + 1, head.number)))
        while not self._continues(added[-1]):
            if added[-1].number - 1 not in self._canonical and added[-1].number <= tip.number:
                return _rebased(head)
            (parent,) = yield (added[-1].parent,)
            if parent is None or parent.number != added[-1].number - 1:
                return _rebased(head)
            added.append(parent)
        above = sorted((n for n in self._canonical if n >= added[-1].number), reverse=True)
        return HeadEvent(
            head=head,
            added=tuple(reversed(added)),
            removed=tuple(self._canonical[number] for number in above),
        )

    def accept(self, event: HeadEvent) -> None:
        """Remembers that this event was reported: the next heads are told relative to it."""
        if event.rebased:
            self._canonical.clear()
        for block in event.removed:
            del self._canonical[block.number]
        self._canonical.update((block.number, block) for block in event.added)
        self._tip = event.head
        for number in [n for n in self._canonical if n <= event.head.number - self._history]:
            del self._canonical[number]

    def _has(self, head: Head) -> bool:
        """Whether it is remembered, or the parent of one that is: when following begins, the head
        before the first one may be reported late."""
        known, child = self._canonical.get(head.number), self._canonical.get(head.number + 1)
        if known is None:
            return child is not None and child.parent == head.hash
        return known.hash == head.hash

    def _continues(self, head: Head) -> bool:
        known = self._canonical.get(head.number - 1)
        return known is not None and known.hash == head.parent


def _rebased(head: Head) -> HeadEvent:
    return HeadEvent(head=head, added=(head,), rebased=True)


def _linked(head: Head, below: Sequence[Head | None]) -> list[Head]:
    """The part of `below` (oldest first) that leads up to `head` without a break, newest first."""
    chain: list[Head] = []
    parent = head.parent
    for block in reversed(below):
        if block is None or block.hash != parent:
            break
        chain.append(block)
        parent = block.parent
    return chain
