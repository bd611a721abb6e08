"""Into which questions a range of blocks is cut, whatever is in it and whatever the node bounds."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scheduler.chain.strides import CALM, FIRST_BLOCKS, MANY_LOGS, MOST_BLOCKS, SHARES, Strides


def asked(strides: Strides, logs_in: dict[int, int], most_blocks: int, most_logs: int) -> list[int]:
    """Plays a node that refuses more blocks or logs at once; the sizes of what it answered.

    A single block it always answers.
    """
    answered: list[tuple[int, int]] = []
    while not strides.over:
        first, last = strides.question
        size = last - first + 1
        found = sum(logs for block, logs in logs_in.items() if first <= block <= last)
        if size > 1 and (size > most_blocks or found > most_logs):
            assert strides.refused()
        else:
            answered.append((first, last))
            strides.answered(found)
    assert all(right[0] == left[1] + 1 for left, right in pairwise(answered))
    return [last - first + 1 for first, last in answered]


@given(
    st.integers(0, 10**6),
    st.integers(0, 20_000),
    st.dictionaries(st.integers(0, 1_020_000), st.integers(1, 6_000), max_size=30),
    st.integers(1, 10_000),
    st.integers(1, 10_000),
)
def test_each_block_is_asked_for_once(
    first: int, more: int, logs_in: dict[int, int], most_blocks: int, most_logs: int
) -> None:
    strides = Strides(first, first + more)
    sizes = asked(strides, logs_in, most_blocks, most_logs)
    assert sum(sizes) == more + 1
    assert max(sizes) <= max(1, most_blocks)


def test_nothing_is_asked_of_no_blocks() -> None:
    assert Strides(5, 4).over


@given(st.integers(1, 3 * 10**7))
def test_a_long_range_with_little_in_it_takes_few_questions(blocks: int) -> None:
    sizes = asked(Strides(0, blocks - 1), {blocks // 2: 10}, 10**9, 10**9)
    growing = (MOST_BLOCKS // FIRST_BLOCKS).bit_length()
    most = max(sizes)
    assert len(sizes) <= growing + -(-blocks // min(blocks, most))
    assert most <= MOST_BLOCKS
    assert most >= min(MOST_BLOCKS, blocks // SHARES) // 2
    assert len(sizes) <= growing + max(2 * SHARES, blocks // MOST_BLOCKS + 1)


@given(st.integers(1_000, 10**6), st.integers(0, 10**6))
def test_where_it_grows_dense_at_once_no_answer_has_more_than_its_share(
    blocks: int, begins: int
) -> None:
    """Nothing tells beforehand: a contract's first logs come after all the blocks before it."""
    logs_in = dict.fromkeys(range(begins % blocks, blocks, max(1, blocks // 1000)), 1)
    sizes = asked(Strides(0, blocks - 1), logs_in, 10**9, 10**9)
    assert max(sizes) <= max(FIRST_BLOCKS, blocks // SHARES)


@given(st.integers(1, 40))
def test_where_the_logs_lie_evenly_answers_have_about_as_many_as_they_should(each: int) -> None:
    logs_in = dict.fromkeys(range(4_000), each)
    sizes = asked(Strides(0, 3_999), logs_in, 10**9, 10**9)
    # A question at most doubles, and only after an answer of less than a quarter.
    assert max(sizes) * each <= max(MANY_LOGS, FIRST_BLOCKS * each)


def test_after_a_dense_part_questions_are_short() -> None:
    strides = Strides(0, 10**6)
    while strides.question[0] < 5_000:
        strides.answered(0)
    before = strides.question[1] - strides.question[0] + 1
    strides.answered(MANY_LOGS + 1)
    assert strides.question[1] - strides.question[0] + 1 == before // 2


def test_a_node_that_bounds_the_blocks_refuses_now_and_then_only() -> None:
    strides = Strides(0, 500_000)
    refusals = answers = 0
    while not strides.over:
        first, last = strides.question
        if last - first + 1 > 2_000:
            refusals += 1
            assert strides.refused()
        else:
            answers += 1
            strides.answered(0)
    assert refusals <= 1 + answers // CALM
    assert answers <= 2 * 500_000 // 1_000


def test_a_single_block_that_is_refused_is_the_end() -> None:
    strides = Strides(7, 7)
    assert not strides.refused()
