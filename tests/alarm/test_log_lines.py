"""The lines as they are written: users of the original program read and parse them."""

import logging
import re

import pytest

from scheduler import logs
from scheduler.alarm.calls import Status
from scheduler.alarm.story import Story
from scheduler.chain.blocksage import BlockSage, Heartbeat
from scheduler.chain.model import Receipt
from scheduler.transactions.intents import (
    Accepted,
    Attempting,
    Mined,
    Refused,
    Settled,
    Unmined,
    Verdict,
)
from scheduler.transactions.states import OutcomeKind
from tests.alarm.said import Said

CALL = "0x" + "0ab1" * 10
NAME = f"CALL-0X{'0AB1' * 10}"
US, RIVAL = "0x" + "11" * 20, "0x" + "22" * 20
HASH = "0x" + "77" * 32
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"


@pytest.fixture
def story(said: Said) -> Story:
    return Story(CALL, target=330)


def mined(kind: OutcomeKind, detail: str, earned: int = 0) -> Mined:
    receipt = Receipt(HASH, "0x" + "bb" * 32, 330, US, True, 150_000, 2 * 10**9, ())
    return Mined(receipt, Verdict(kind, detail, earned))


def test_only_the_block_sages_lines_have_an_angle_bracket(
    story: Story, said: Said, caplog: pytest.LogCaptureFixture
) -> None:
    Heartbeat(BlockSage())
    story.sleeping(328)
    logging.getLogger("SCHEDULER").info("Tracking call: %s", CALL)
    sage, call, scheduler = map(logging.Formatter(logs.FORMAT).format, caplog.records)
    assert re.fullmatch(rf"BLOCKSAGE: INFO: {TIME} > Starting block sage", sage)
    assert re.fullmatch(rf"{NAME}: INFO: {TIME} Sleeping until 328", call)
    assert re.fullmatch(rf"SCHEDULER: INFO: {TIME} Tracking call: {CALL}", scheduler)


def test_an_outcome_is_one_line_with_block_target_gas_and_payment(story: Story, said: Said) -> None:
    story.progress(mined(OutcomeKind.SUCCEEDED, "executed", 5 * 10**15 + 1))
    assert said.lines == [
        f"{NAME}: INFO: Outcome: succeeded at block 330 (target 330): executed; "
        "gas used 150000, cost 0.0003 ether, paid 0.005000000000000001 ether, "
        f"transaction {HASH}"
    ]


@pytest.mark.parametrize(
    "kind", [OutcomeKind.TARGET_FAILED, OutcomeKind.NO_EFFECT, OutcomeKind.REVERTED]
)
def test_an_outcome_that_is_no_success_is_an_error(
    story: Story, said: Said, kind: OutcomeKind
) -> None:
    story.progress(mined(kind, "why"))
    (line,) = said.lines
    assert line.startswith(f"{NAME}: ERROR: Outcome: {kind.value} at block 330 (target 330): why;")
    assert "paid 0 ether" in line


def test_sending_is_told_in_the_seeds_words(story: Story, said: Said) -> None:
    story.progress(Attempting(nonce=3))
    story.progress(Accepted(HASH))
    story.progress(Settled(HASH))
    assert said.lines == [
        f"{NAME}: INFO: Attempting to execute call",
        f"{NAME}: INFO: Transaction accepted.",
    ]


def test_a_refusal_is_told_once_for_each_reason(story: Story, said: Said) -> None:
    for cost in (7, 8, 9):
        story.progress(Refused(Verdict(OutcomeKind.ABANDONED, f"it would cost {cost} wei")))
    for _ in range(2):
        story.progress(Refused(Verdict(OutcomeKind.NO_EFFECT, "aborted: NOT_AUTHORIZED")))
    story.progress(Refused(Verdict(OutcomeKind.NO_EFFECT, "aborted: NOT_ENOUGH_GAS")))
    assert said.lines == [
        f"{NAME}: WARNING: Scheduler cannot pay for the call: it would cost 7 wei",
        f"{NAME}: WARNING: Not executing the call: no_effect: aborted: NOT_AUTHORIZED",
        f"{NAME}: WARNING: Not executing the call: no_effect: aborted: NOT_ENOUGH_GAS",
    ]


def test_a_reorg_is_told(story: Story, said: Said) -> None:
    story.progress(Unmined(HASH))
    assert said.lines == [
        f"{NAME}: WARNING: A reorg removed the block; transaction {HASH} is pending again"
    ]


@pytest.mark.parametrize(
    ("status", "block", "line"),
    [
        (Status(executed=True), None, "Call has already been executed"),
        (
            Status().executed_by(RIVAL),
            331,
            f"Call has already been executed by {RIVAL} at block 331",
        ),
        (Status().cancelled_now(), 60, "Call has been cancelled at block 60"),
        (Status().claimed_by(RIVAL), 300, f"Call has been claimed by {RIVAL} at block 300"),
        (Status().claimed_by(RIVAL).executed_by(RIVAL), None,
         f"Call has already been executed by {RIVAL}"),
    ],
)  # fmt: skip
def test_what_others_did_to_a_call_is_told(
    story: Story, said: Said, status: Status, block: int | None, line: str
) -> None:
    story.changed(status, US, block)
    assert said.lines == [f"{NAME}: INFO: {line}"]


@pytest.mark.parametrize("status", [Status(), Status().claimed_by(US), Status().executed_by(US)])
def test_what_we_did_is_not_told_as_news(story: Story, said: Said, status: Status) -> None:
    story.changed(status, US, 330)
    assert said.lines == []


def test_stories_leave_no_logger_behind(said: Said) -> None:
    """logging.getLogger would keep one for each call, for ever."""
    before = set(logging.Logger.manager.loggerDict)
    Story(CALL, 330).sleeping(328)
    assert set(logging.Logger.manager.loggerDict) == before
