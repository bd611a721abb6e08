"""HeadTracker: whatever happens to the chain, its events tell it completely."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.chain.heads import HeadTracker
from scheduler.chain.model import Head, HeadEvent


@dataclass
class Simulation:
    """A node with a canonical chain, which remembers the blocks of abandoned branches by hash."""

    chain: list[Head] = field(default_factory=list)
    by_hash: dict[str, Head] = field(default_factory=dict)

    def mine(self, count: int = 1) -> list[Head]:
        for _ in range(count):
            parent = self.chain[-1].hash if self.chain else "0x"
            number = len(self.chain)
            block = Head(number, f"0x{len(self.by_hash):x}", parent, 0, 0, None)
            self.chain.append(block)
            self.by_hash[block.hash] = block
        return self.chain[-count:]

    def reorg(self, depth: int, length: int) -> list[Head]:
        del self.chain[len(self.chain) - depth :]
        return self.mine(length)

    def blocks(self, wanted: Sequence[int | str]) -> list[Head | None]:
        return [
            self.by_hash.get(which)
            if isinstance(which, str)
            else (self.chain[which] if which < len(self.chain) else None)
            for which in wanted
        ]


def track(
    tracker: HeadTracker, head: Head, node: Simulation
) -> tuple[HeadEvent | None, list[Sequence[int | str]]]:
    """The event, and what the tracker asked for on the way."""
    steps, asked = tracker.track(head), []
    try:
        wanted = next(steps)
        while True:
            asked.append(wanted)
            wanted = steps.send(node.blocks(wanted))
    except StopIteration as done:
        if done.value:
            tracker.accept(done.value)
        return done.value, asked


def following(blocks: int = 10, **settings: int) -> tuple[Simulation, HeadTracker]:
    node, tracker = Simulation(), HeadTracker(**settings)
    for head in node.mine(blocks):
        track(tracker, head, node)
    return node, tracker


def numbers(heads: Sequence[Head]) -> list[int]:
    return [head.number for head in heads]


def test_first_head_is_a_new_beginning() -> None:
    node = Simulation()
    head = node.mine(100)[-1]
    event, asked = track(HeadTracker(), head, node)
    assert event == HeadEvent(head, added=(head,), rebased=True)
    assert not asked


def test_next_block_costs_no_question() -> None:
    node, tracker = following()
    (head,) = node.mine()
    assert track(tracker, head, node) == (HeadEvent(head, added=(head,)), [])


def test_gap_is_filled_with_one_question() -> None:
    node, tracker = following()
    added = node.mine(30)
    event, asked = track(tracker, added[-1], node)
    assert event == HeadEvent(added[-1], added=tuple(added))
    assert asked == [range(10, 39)]


@pytest.mark.parametrize(
    ("depth", "length"), [(1, 1), (1, 2), (3, 1), (3, 3), (3, 9), (9, 1)], ids=str
)
def test_reorg_tells_removed_newest_first_and_added_oldest_first(depth: int, length: int) -> None:
    node, tracker = following()
    before = list(node.chain)
    added = node.reorg(depth, length)
    event, _ = track(tracker, added[-1], node)
    assert event is not None
    assert event.added == tuple(added)
    assert event.removed == tuple(reversed(before[-depth:]))
    assert not event.rebased


def test_heads_of_a_reorg_one_by_one() -> None:
    node, tracker = following()
    events = [track(tracker, head, node)[0] for head in node.reorg(3, 4)]
    assert [(numbers(e.removed), numbers(e.added)) for e in events if e] == [
        ([9, 8, 7], [7]),
        ([], [8]),
        ([], [9]),
        ([], [10]),
    ]


def test_known_heads_say_nothing_new() -> None:
    node, tracker = following()
    for late_or_twice in node.chain:
        assert track(tracker, late_or_twice, node) == (None, [])
    assert tracker.tip == node.chain[-1]


def test_the_head_before_the_first_may_come_late() -> None:
    node, tracker = Simulation(), HeadTracker()
    before, first = node.mine(2)
    track(tracker, first, node)
    assert track(tracker, before, node) == (None, [])


def test_gap_that_cannot_be_filled_by_number_is_walked_by_hash() -> None:
    node, tracker = following()
    added = node.mine(5)
    node.reorg(3, 1)  # while the question is on its way, the chain has changed again
    event, asked = track(tracker, added[-1], node)
    assert event is not None
    assert event.added == tuple(added)
    assert asked == [range(10, 14), *[(block.parent,) for block in reversed(added[1:])]]


def test_gap_beyond_the_limit_is_a_new_beginning() -> None:
    node, tracker = following(gap_limit=20)
    within = node.mine(21)[-1]
    assert track(tracker, within, node)[0] == HeadEvent(within, added=tuple(node.chain[10:]))
    beyond = node.mine(22)[-1]
    assert track(tracker, beyond, node) == (HeadEvent(beyond, added=(beyond,), rebased=True), [])


def test_reorg_below_what_is_remembered_is_a_new_beginning() -> None:
    node, tracker = following(blocks=20, history=5)
    head = node.reorg(6, 7)[-1]
    event, _ = track(tracker, head, node)
    assert event == HeadEvent(head, added=(head,), rebased=True)


def test_another_chain_is_a_new_beginning() -> None:
    _, tracker = following()
    other = Simulation(by_hash={"0xother": Head(0, "0xother", "0x", 0, 0, None)})
    head = other.mine(4)[-1]
    event, _ = track(tracker, head, other)
    assert event == HeadEvent(head, added=(head,), rebased=True)


def test_head_whose_parent_the_node_lost_is_a_new_beginning() -> None:
    node, tracker = following()
    orphan = Head(10, "0xorphan", "0xlost", 0, 0, None)
    event, _ = track(tracker, orphan, node)
    assert event == HeadEvent(orphan, added=(orphan,), rebased=True)


def test_what_was_not_accepted_is_told_again() -> None:
    node, tracker = following()
    head = node.mine(3)[-1]
    steps = tracker.track(head)
    with pytest.raises(StopIteration) as finished:
        steps.send(node.blocks(next(steps)))
    assert tracker.tip == node.chain[9]  # the connection broke before the event could be told
    event, _ = track(tracker, head, node)
    assert event == finished.value.value == HeadEvent(head, added=tuple(node.chain[10:]))


steps = st.lists(
    st.tuples(
        st.integers(0, 12),  # blocks that a reorg takes out
        st.integers(1, 12),  # new blocks
        st.sets(st.integers(0, 11)),  # which of the new ones the node reports before the last
        st.lists(st.integers(0, 7), max_size=3),  # how far back those are that it reports again
    ),
    max_size=30,
)


@given(steps)
def test_added_and_removed_reproduce_the_canonical_chain(
    history: list[tuple[int, int, set[int], list[int]]],
) -> None:
    node, tracker = Simulation(), HeadTracker(history=8, gap_limit=10)
    told: list[Head] = []
    highest = 0
    for depth, length, reported, again in history:
        new = node.reorg(min(depth, max(0, len(node.chain) - 1)), length)
        heads = [block for index, block in enumerate(new[:-1]) if index in reported] + [new[-1]]
        for head in heads:
            event, _ = track(tracker, head, node)
            if event is None:
                continue
            if event.rebased:
                told, highest = [], 0
            for removed in event.removed:
                assert told.pop() == removed
            for added in event.added:
                assert not told or told[-1].hash == added.parent
                told.append(added)
            assert told[-1] == event.head == tracker.tip
            highest = max(highest, head.number)
        remembered = [head for head in told if head.number > highest - 8]
        for back in again:
            late = remembered[-1 - back % len(remembered)]
            assert track(tracker, late, node) == (None, [])
        assert told == node.chain[len(node.chain) - len(told) :]
