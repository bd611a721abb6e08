"""When a job that is done every so often has its time: once in a period, and less often in vain."""

from itertools import pairwise
from typing import Literal

from hypothesis import given
from hypothesis import strategies as some

from scheduler.chain.model import Head
from scheduler.jobs.declaration import Every
from scheduler.jobs.rhythm import MOST_STEPS, Rhythm

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


@given(lengths, some.lists(some.tuples(some.integers(0, 40), some.booleans()), max_size=30))
def test_a_pause_outlives_the_process(length: int, past: list[tuple[int, bool]]) -> None:
    """The newest of what was mined say as much as all of it."""
    every = Every(length, "blocks")
    rhythm, again = Rhythm(every), Rhythm(every)
    mined = sorted(past, key=lambda each: each[0])
    for period, had_effect in mined:
        (rhythm.succeeded if had_effect else rhythm.failed)(period)
    again.resume(mined[-MOST_STEPS:])
    for period in range(400):
        head = at(max(0, period * length - 1))
        # What was served and is over is told by the journal itself.
        if period > 40:
            assert again.is_open(head) == rhythm.is_open(head)
        assert again.counts(period) == rhythm.counts(period)


def test_what_a_reorg_took_back_makes_no_pause_longer() -> None:
    rhythm = Rhythm(Every(1, "blocks"))
    rhythm.failed(10)
    rhythm.failed(20)
    rhythm.undone(20)
    rhythm.failed(20)
    assert [rhythm.is_open(at(20 + left_out)) for left_out in (3, 4)] == [False, True]


def test_a_reorg_that_takes_two_back_makes_no_pause_longer() -> None:
    """The older one is told first, and stayed."""
    rhythm = Rhythm(Every(1, "blocks"))
    for end in (rhythm.failed, rhythm.undone, rhythm.failed):
        for period in (5, 7):
            end(period)
    assert [rhythm.is_open(at(7 + left_out)) for left_out in (3, 4)] == [False, True]


def test_what_was_counted_in_other_units_makes_no_pause() -> None:
    """The job was done every minute, and is done every hour now: its periods have lower numbers."""
    hourly = Rhythm(Every(3_600, "seconds"))
    hourly.resume([(at(7_200).timestamp // 60, False)])
    assert hourly.is_open(at(7_260))


@given(lengths, some.sampled_from(["blocks", "seconds"]), some.data())
def test_it_has_its_time_when_it_said_and_not_before(
    length: int, unit: Literal["blocks", "seconds"], data: some.DataObject
) -> None:
    rhythm = Rhythm(Every(length, unit))
    moment = 0
    for step in data.draw(some.lists(some.integers(1, 3 * length), max_size=8)):
        moment += step
        end = data.draw(some.sampled_from([rhythm.succeeded, rhythm.failed, rhythm.undone]))
        end(rhythm.period(at(moment)))
    moment += data.draw(some.integers(0, 3 * length))
    opens = rhythm.opens_at(at(moment))
    # Of a block the head is the one before it.
    ahead = 1 if unit == "blocks" else 0
    assert rhythm.is_open(at(moment)) == (opens <= moment + ahead)
    if opens > moment + ahead:
        assert rhythm.is_open(at(opens - ahead))
        assert not rhythm.is_open(at(opens - ahead - 1))


def test_in_the_period_itself_only_the_journal_keeps_the_next_try_back() -> None:
    rhythm = Rhythm(Every(100, "blocks"))
    rhythm.failed(0)
    assert rhythm.is_open(at(50))
    assert not rhythm.is_open(at(150))
    assert rhythm.is_open(at(250))
