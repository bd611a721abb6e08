"""BlockSage: the estimate of the block time, and its heartbeat lines."""

import logging

import pytest

from scheduler.chain.blocksage import BlockSage, Heartbeat
from scheduler.chain.model import Head


def head(number: int, timestamp: int, branch: str = "a") -> Head:
    return Head(number, f"0x{branch}{number}", f"0x{branch}{number - 1}", timestamp, 0, None)


def watched(timestamps: list[int], first: int = 1) -> BlockSage:
    sage = BlockSage()
    for number, timestamp in enumerate(timestamps, first):
        sage.observe(head(number, timestamp))
    return sage


def test_knows_nothing_at_first() -> None:
    assert BlockSage().block_time == 10
    assert BlockSage(base=3).block_time == 3
    assert watched([1_000]).block_time == 10


@pytest.mark.parametrize("seconds", [1, 2, 12, 30])
def test_two_blocks_are_enough(seconds: int) -> None:
    assert watched([1_000, 1_000 + seconds]).block_time == seconds


def test_whole_seconds_average_out() -> None:
    assert watched([round(1_000 + 1.5 * n) for n in range(101)]).block_time == pytest.approx(1.5)


def test_an_older_block_gives_the_estimate_at_once() -> None:
    sage = BlockSage()
    sage.observe(head(900, 10_000))
    sage.observe(head(1_000, 10_000 + 250))
    assert sage.block_time == 2.5
    sage.observe(head(1_001, 10_000 + 250 + 5))
    assert sage.block_time == pytest.approx(255 / 101)


def test_only_the_last_blocks_count() -> None:
    slow, fast = [12 * n for n in range(200)], [12 * 199 + 2 * n for n in range(1, 101)]
    assert watched(slow + fast).block_time == 2


def test_blocks_within_one_second_do_not_make_it_zero() -> None:
    assert watched([1_000] * 50).block_time == 1


def test_a_pause_is_not_block_time() -> None:
    """A development chain whose clock is moved by a week between two blocks."""
    before = [1_000 + n for n in range(20)]
    after = [1_000_000 + n for n in range(20)]
    assert watched(before + after).block_time == 1


def test_a_reorg_replaces_what_it_removed() -> None:
    sage = watched([1_000, 1_010, 1_020, 1_030])
    sage.observe(head(3, 1_014, "b"))
    sage.observe(head(4, 1_018, "b"))
    assert sage.block_time == 6


def test_heartbeat_every_four_blocks_in_the_words_of_the_original(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "BLOCKSAGE")
    sage = BlockSage()
    heartbeat = Heartbeat(sage)
    timestamps = [1_000, 1_002, 1_004, 1_006, 1_008, 1_009, 1_011, 1_013, 1_015, 1_017]
    for number, timestamp in enumerate(timestamps, 328):
        sage.observe(head(number, timestamp))
        heartbeat.beat(head(number, timestamp))
    assert [(record.name, record.levelname, record.message) for record in caplog.records] == [
        ("BLOCKSAGE", "INFO", "> Starting block sage"),
        ("BLOCKSAGE", "INFO", "> Heartbeat: block #328 : block_time: 10.0"),
        ("BLOCKSAGE", "INFO", "> Heartbeat: block #332 : block_time: 2.0"),
        ("BLOCKSAGE", "INFO", "> Heartbeat: block #336 : block_time: 1.875"),
    ]


def test_twelve_significant_digits(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "BLOCKSAGE")
    sage = watched([1_000, 1_002, 1_004, 1_005])
    Heartbeat(sage).beat(head(4, 1_005))
    assert caplog.messages[-1] == "> Heartbeat: block #4 : block_time: 1.66666666667"


def test_a_chain_that_stands_still_is_told_once_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "BLOCKSAGE")
    heartbeat = Heartbeat(BlockSage(base=12))
    heartbeat.waited(10_000)
    heartbeat.beat(head(328, 1_000))
    caplog.clear()
    for seconds in (60, 239, 240, 250, 260):
        heartbeat.waited(seconds)
    heartbeat.beat(head(329, 1_260))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.messages[0].startswith(
        "> Potentially stuck at block 328 - Have waited 240 seconds."
    )
    assert caplog.messages[1] == "> Blocks come again: #329"
