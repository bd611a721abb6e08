"""Conditions: what is read, what it means, and what must hold for them. Without a chain."""

import pytest
from eth_abi.abi import encode

from scheduler.chain.model import CallResult
from scheduler.jobs.abi import selector
from scheduler.jobs.board import Standing, standing
from scheduler.jobs.conditions import (
    All,
    AnyOf,
    Check,
    Condition,
    Not,
    Reading,
    Unreadable,
    necessary_views,
)
from scheduler.jobs.declaration import Action, Job

CONTRACT = "0x" + "c0" * 20
READY = Reading(CONTRACT, "ready()")
BUSY = Reading(CONTRACT, "busy()")
LEVEL = Reading(CONTRACT, "level()")
PRICE = Reading(CONTRACT, "peek()", word=1)


def answers(**values: object) -> dict:  # type: ignore[type-arg]
    """What the contract says: a bool, a number, or a failure's words."""
    types = {"peek": ["uint256", "bool"], "level": ["uint256"]}
    found = {}
    for name, value in values.items():
        call = Reading(CONTRACT, f"{name}()").call
        if isinstance(value, str):
            found[call] = CallResult(False, b"", error=value)
        else:
            words = value if isinstance(value, tuple) else (value,)
            found[call] = CallResult(True, encode(types.get(name, ["bool"]), words))
    return found


@pytest.mark.parametrize(
    ("condition", "true", "false"),
    [
        (Check(READY), {"ready": True}, {"ready": False}),
        (Check(READY, value=False), {"ready": False}, {"ready": True}),
        (Not(Check(READY)), {"ready": False}, {"ready": True}),
        (Check(PRICE), {"peek": (7, True)}, {"peek": (7, False)}),
        (Check(LEVEL, ">=", 10), {"level": 10}, {"level": 9}),
        (Check(LEVEL, "<", 10), {"level": 9}, {"level": 10}),
        (Check(LEVEL, "!=", "0xff"), {"level": 254}, {"level": 255}),
        (
            All((Check(READY), Not(Check(BUSY)))),
            {"ready": True, "busy": False},
            {"ready": True, "busy": True},
        ),
        (
            AnyOf((Check(READY), Check(BUSY))),
            {"ready": False, "busy": True},
            {"ready": False, "busy": False},
        ),
    ],
)
def test_conditions_say_what_the_answers_mean(
    condition: Condition, true: dict[str, object], false: dict[str, object]
) -> None:
    assert condition.holds(answers(**true))
    assert not condition.holds(answers(**false))


def test_of_a_view_that_fails_the_contract_s_words_are_told() -> None:
    with pytest.raises(Unreadable, match=r"ready\(\) of 0xc0.*: no price"):
        Check(READY).holds(answers(ready="no price"))


def test_an_unreadable_part_makes_the_whole_unreadable_wherever_it_stands() -> None:
    """Nobody knows what it would have said, even where the others decide."""
    said = answers(ready=True, busy="no price")
    for parts in ((Check(READY), Check(BUSY)), (Check(BUSY), Check(READY))):
        with pytest.raises(Unreadable):
            AnyOf(parts).holds(said)
        with pytest.raises(Unreadable):
            All(tuple(map(Not, parts))).holds(said)


def test_where_no_contract_is_nothing_is_taken_for_an_answer() -> None:
    with pytest.raises(Unreadable, match="is there such a contract"):
        Check(READY).holds({READY.call: CallResult(True, b"")})


def test_a_job_is_kept_back_by_its_exclusions_and_by_what_is_unreadable() -> None:
    job = Job("j", Action(CONTRACT, "act()"), Check(READY), unless=(Check(BUSY),), epoch=LEVEL)
    free, kept = (answers(ready=True, busy=busy, level=7) for busy in (False, True))
    assert standing(job, free) == Standing(True, False, 7, selector("act()"))
    assert standing(job, kept) == Standing(True, True, 7, selector("act()"))
    hidden = standing(job, answers(ready=True, busy=False, level="no price"))
    assert (hidden.true, hidden.epoch) == (False, None)
    assert hidden.trouble is not None
    assert "no price" in hidden.trouble


def test_what_must_answer_yes_or_no_can_be_asked_beforehand() -> None:
    views = necessary_views(All((Check(READY), Not(Check(BUSY)), Check(LEVEL, ">", 1))))
    assert [(view.data, view.answer[-1]) for view in views] == [
        (READY.call.data, 1),
        (BUSY.call.data, 0),
    ]
    assert necessary_views(AnyOf((Check(READY), Check(BUSY)))) == ()
    [view] = necessary_views(Check(PRICE))
    assert view.holds(answers(peek=(7, True))[PRICE.call])
    assert not view.holds(answers(peek=(7, False))[PRICE.call])
