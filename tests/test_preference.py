"""Which of several nodes is worked with. Pure."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.preference import (
    BEHIND_BLOCKS,
    FIRST_DISTRUST,
    LONGEST_DISTRUST,
    REDEEMED_SECONDS,
    Record,
    choice,
)

nodes = st.lists(st.tuples(st.none() | st.integers(0, 12), st.booleans()), min_size=1, max_size=6)


@given(nodes)
def test_the_first_that_is_well_is_chosen_and_one_that_failed_lately_is_the_last(
    looks: list[tuple[int | None, bool]],
) -> None:
    heads, trusted = [head for head, _ in looks], [each for _, each in looks]
    known = [head for head in heads if head is not None]
    chosen = choice(heads, trusted)
    if chosen is None:
        assert known == []
        return
    head = heads[chosen]
    assert head is not None
    assert head >= max(known) - BEHIND_BLOCKS
    for at in range(len(looks)):
        other = heads[at]
        if other is None or other < max(known) - BEHIND_BLOCKS:
            continue
        # Nobody who is abreast is trusted more, or as much and preferred.
        assert (trusted[chosen], -chosen) >= (trusted[at], -at)


@given(st.lists(st.integers(0, 1_200), max_size=20))
def test_distrust_grows_with_each_failure_until_it_went_well_for_long(times: list[int]) -> None:
    record, now, last = Record(), 0.0, 0.0
    assert record.is_trusted(now)
    for works in times:
        record.taken(now)
        now += works
        record.failed(now)
        expected = FIRST_DISTRUST
        if works < REDEEMED_SECONDS and last:
            expected = min(LONGEST_DISTRUST, 2 * last)
        assert not record.is_trusted(now + expected - 0.1)
        assert record.is_trusted(now + expected + 0.1)
        last = expected
