"""What an open slot needs, by how things stand for it."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.transactions.answers import Answer
from scheduler.transactions.care import OpenSlot, Situation, Step, step_for
from scheduler.transactions.journal import Attempt
from scheduler.transactions.journal.orders import What
from scheduler.transactions.states import AttemptState, Purpose
from tests.transactions.samples import intent

WISH = intent()
BID = Attempt(
    id=1,
    nonce=7,
    intent=WISH.told,
    limits=WISH.limits,
    purpose=Purpose.ACT,
    fields={"maxFeePerGas": hex(9), "maxPriorityFeePerGas": hex(1)},
    raw=b"bytes",
    hash="0x" + "aa" * 32,
    state=AttemptState.BROADCAST,
    head_number=10,
    block_number=None,
    block_hash=None,
)
PATIENT = Situation(
    head_number=12,
    tried=True,
    missed=1,
    base_fee=9,
    useful=True,
    known=True,
    front=True,
    patience=3,
)


@pytest.mark.parametrize(
    ("what", "step"),
    [
        ({}, Step.WAIT),
        ({"known": False}, Step.RESEND),
        ({"missed": 3}, Step.BUMP),
        ({"missed": 3, "front": False}, Step.WAIT),
        ({"missed": 3, "front": False, "base_fee": 10}, Step.BUMP),
        ({"missed": 3, "front": False, "pressed": True}, Step.BUMP),
        ({"missed": 2, "front": False, "pressed": True}, Step.WAIT),
        ({"useful": False}, Step.CANCEL),
        ({"useful": False, "head_number": 10}, Step.WAIT),
        ({"useful": False, "head_number": 10, "tried": False}, Step.CANCEL),
        ({"order": What.CANCEL, "head_number": 10}, Step.CANCEL),
        ({"order": What.BUMP}, Step.BUMP),
        ({"refusal": Answer.POOL_FULL, "missed": 3}, Step.RESEND),
        ({"refusal": Answer.REPLACEMENT_UNDERPRICED}, Step.BUMP),
    ],
)
def test_a_bid_is_left_sent_again_outbid_or_cancelled(what: dict[str, Any], step: Step) -> None:
    assert step_for(OpenSlot((BID,)), replace(PATIENT, **what)) is step


def test_what_is_mined_is_left_alone() -> None:
    mined = replace(BID, state=AttemptState.MINED)
    late = replace(PATIENT, missed=9, useful=False, order=What.CANCEL)
    assert step_for(OpenSlot((mined,)), late) is Step.WAIT


def test_what_somebody_else_sent_is_cancelled_only_where_it_is_in_the_way() -> None:
    foreign = OpenSlot((replace(BID, is_found=True),))
    assert step_for(foreign, replace(PATIENT, missed=9)) is Step.WAIT
    assert step_for(foreign, replace(PATIENT, in_the_way=True)) is Step.CANCEL
