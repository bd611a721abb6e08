"""When a job that is done every so often has its time: once in a period, and less often in vain."""

from itertools import pairwise
from typing import Literal

from hypothesis import given
from hypothesis import strategies as some

from scheduler.chain.model import Head
from scheduler.jobs.declaration import Every
from scheduler.jobs.rhythm import Rhythm

lengths = some.integers(1, 10_000)
moments = some.integers(0, 10**7)


def at(number: int) -> Head:
    """The block with this number, at as many seconds since the epoch."""
    return Head(number, f"{number:#066x}", "0x", number, 30_000_000, None)


@given(lengths, moments, some.sampled_from(["blocks", "seconds"]))
def test_every_moment_is_in_one_period_and_periods_have_their_length(
    length: int, moment: int, unit: Literal["blocks", "seconds"]
) -> None:
    every = Every(length, unit)
    periods = [every.period(at(moment + step)) for step in range(0, 3 * length, length)]
    assert periods == [periods[0], periods[0] + 1, periods[0] + 2]
    # Blocks count by the one aimed at, seconds by the one that is there.
    clock = moment + 1 if unit == "blocks" else moment
    assert periods[0] * length <= clock < (periods[0] + 1) * length


@given(lengths, some.lists(moments, min_size=1, max_size=50))
def test_a_period_that_is_served_is_over_until_a_reorg_takes_it_back(
    length: int, blocks: list[int]
) -> None:
    rhythm, served = Rhythm(Every(length, "blocks")), set[int]()
    for block in sorted(blocks):
        head = at(block)
        period = rhythm.period(head)
        assert rhythm.is_open(head) == (period not in served)
        rhythm.succeeded(period)
        served.add(period)
    rhythm.undone(period)
    assert rhythm.is_open(head)


def test_the_pause_after_a_period_without_effect_grows_and_ends_with_a_success() -> None:
    rhythm = Rhythm(Every(1, "blocks"))
    tried = []
    for block in range(1_500):
        if rhythm.is_open(at(block)):
            tried.append(rhythm.period(at(block)))
            rhythm.failed(tried[-1])
    pauses = [after - before for before, after in pairwise(tried)]
    assert pauses[:7] == [2, 5, 17, 65, 257, 257, 257]
    rhythm.succeeded(2_000)
    assert [rhythm.is_open(at(block)) for block in (1_999, 2_000)] == [False, True]


def test_in_the_period_itself_only_the_journal_keeps_the_next_try_back() -> None:
    rhythm = Rhythm(Every(100, "blocks"))
    rhythm.failed(0)
    assert rhythm.is_open(at(50))
    assert not rhythm.is_open(at(150))
    assert rhythm.is_open(at(250))
