"""Slots whose end was not final after all: where their intents are, and what becomes of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.transactions.journal import Attempt, Journal, Location, Prepared, Replacement
from scheduler.transactions.receipts import CANCELLED
from scheduler.transactions.states import AttemptState, IntentState, Purpose
from tests.transactions.samples import ACCOUNT, CHAIN, DONE, intent, prepared, receipt

STRANGER = "0x" + "12" * 32
BLOCK = "0x" + "b" * 64


@contextmanager
def opened() -> Iterator[Journal]:
    with TemporaryDirectory() as directory:
        journal = Journal.open(Path(directory) / "journal.db")
        journal.admit(ACCOUNT)
        try:
            yield journal
        finally:
            journal.close()


@pytest.fixture
def journal(place: Location) -> Iterator[Journal]:
    journal = Journal.open(place)
    journal.admit(ACCOUNT)
    yield journal
    journal.close()


def attempts(journal: Journal) -> dict[int, list[Attempt]]:
    """The open ones, by nonce."""
    found: dict[int, list[Attempt]] = {}
    for attempt in journal.open_attempts(ACCOUNT):
        found.setdefault(attempt.nonce, []).append(attempt)
    return found


def displaced_and_done(journal: Journal) -> None:
    """The intent lost slot 0 to somebody else, and had its effect from slot 1, finally."""
    [first] = journal.reserve(ACCOUNT, [prepared(0, intent("one"))])
    journal.displaced(ACCOUNT, first, STRANGER, 5, BLOCK)
    [second] = journal.reserve(ACCOUNT, [prepared(1, intent("one"))])
    journal.mined(second, receipt(second), DONE)
    journal.final(ACCOUNT, second)


def test_an_intent_of_two_slots_is_in_the_last_that_it_was_given(journal: Journal) -> None:
    displaced_and_done(journal)
    [(told, hash_)] = journal.reopen(ACCOUNT, [0, 1])
    assert (told.key, hash_) == ("one", prepared(1, intent("one")).signed.hash)  # type: ignore[union-attr]
    there = attempts(journal)
    assert [each.is_placed for each in there[0]] == [False]
    assert [each.is_placed for each in there[1]] == [True]
    assert journal.intent_states(["one"]) == {"one": IntentState.IN_SLOT}
    assert journal.outcome_counts(CHAIN) == {}


def test_the_first_of_them_that_is_mined_is_its_own(journal: Journal) -> None:
    """Its other bytes may be mined, too: they are in the way of nothing but themselves."""
    displaced_and_done(journal)
    journal.reopen(ACCOUNT, [0, 1])
    [early] = attempts(journal)[0]
    journal.mined(early, receipt(early), DONE)
    assert journal.intent_states(["one"]) == {"one": IntentState.SUCCEEDED}
    assert [each.is_placed for each in attempts(journal)[1]] == [False]
    [late] = attempts(journal)[1]
    [cancelling], _ = journal.replace(ACCOUNT, [cancellation(late)])
    journal.mined(cancelling, receipt(cancelling, 6), CANCELLED)
    journal.final(ACCOUNT, early)
    journal.final(ACCOUNT, cancelling)
    assert journal.intent_states(["one"]) == {"one": IntentState.SUCCEEDED}
    assert attempts(journal) == {}


def cancellation(bid: Attempt) -> Replacement:
    other: Prepared = prepared(bid.nonce, intent("a transfer of nothing", data=b""))
    return Replacement(bid, Purpose.CANCEL, other.transaction, other.signed, 4)


def test_what_was_replaced_may_be_mined_again(journal: Journal) -> None:
    [bid] = journal.reserve(ACCOUNT, [prepared(0, intent("one"))])
    [cancelling], _ = journal.replace(ACCOUNT, [cancellation(bid)])
    journal.mined(cancelling, receipt(cancelling), CANCELLED)
    journal.final(ACCOUNT, cancelling)
    journal.reopen(ACCOUNT, [0])
    assert [each.state for each in attempts(journal)[0]] == [
        AttemptState.SIGNED,
        AttemptState.BROADCAST,
    ]
    journal.mined(bid, receipt(bid, branch="b"), DONE)
    journal.final(ACCOUNT, bid)
    assert journal.intent_states(["one"]) == {"one": IntentState.SUCCEEDED}


def test_to_reopen_what_is_open_changes_nothing(journal: Journal) -> None:
    displaced_and_done(journal)
    journal.reopen(ACCOUNT, [0, 1])
    before = journal.open_attempts(ACCOUNT)
    assert journal.reopen(ACCOUNT, [0, 1, 7]) == []
    assert journal.open_attempts(ACCOUNT) == before


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 3), max_size=6))
def test_whatever_is_reopened_ends_as_it_would_have(
    ends: Sequence[int], depths: Sequence[int]
) -> None:
    """Reorgs of any depth, again and again; then the chain comes to rest.

    Each number in `ends` is a slot: it is mined and final at once. Each in `depths` is how many of
    the newest consumed slots a reorg takes out.
    """
    with opened() as journal:
        keys = [f"intent {nonce}" for nonce in range(6)]
        journal.reserve(ACCOUNT, [prepared(n, intent(key)) for n, key in enumerate(keys)])
        for turn, depth in enumerate([*depths, 0]):
            for nonce in sorted({*ends[: turn + 2]}):
                for attempt in attempts(journal).get(nonce, []):
                    journal.mined(attempt, receipt(attempt, branch="abcdef"[turn % 6]), DONE)
                    journal.final(ACCOUNT, attempt)
            if depth:
                gone = journal.consumed(ACCOUNT, None, depth)
                journal.reopen(ACCOUNT, [slot.nonce for slot in gone])
                assert {slot.nonce for slot in gone} <= attempts(journal).keys()
        for nonce, [attempt] in attempts(journal).items():
            assert attempt.is_placed, nonce
            journal.mined(attempt, receipt(attempt), DONE)
            journal.final(ACCOUNT, attempt)
        assert set(journal.intent_states(keys).values()) == {IntentState.SUCCEEDED}
        assert journal.outcome_counts(CHAIN) == {"succeeded": 6}
        assert len(journal.consumed(ACCOUNT, None, 10)) == 6
