"""The table of refusals, on the very texts that nodes gave."""

import pytest

from scheduler.transactions.answers import Answer, classify
from tests.transactions.refusals import REFUSALS, UNKNOWN


@pytest.mark.parametrize(("text", "answer"), REFUSALS.items())
def test_refusals_are_told_apart(text: str, answer: Answer) -> None:
    assert classify(text) is answer


@pytest.mark.parametrize("text", UNKNOWN)
def test_anything_else_says_nothing_certain(text: str) -> None:
    assert classify(text) is Answer.UNCERTAIN
