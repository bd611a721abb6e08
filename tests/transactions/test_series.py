"""Intents of a series come in turn, and are numbered by how many of them succeeded."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.transactions.intents import Intent, Order, Verdict
from scheduler.transactions.journal import Attempt, IntentTaken, Journal
from scheduler.transactions.states import IntentState, OutcomeKind
from tests.transactions.samples import ACCOUNT, DONE, intent, prepared, receipt

VAIN = Verdict(OutcomeKind.NO_EFFECT, "nothing happened")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path / "journal.db")
    journal.admit(ACCOUNT)
    yield journal
    journal.close()


def step() -> Intent:
    """One of a series that the journal numbers."""
    return intent("tests:touch:step", order=Order.COUNTED)


def payment(epoch: int) -> Intent:
    """One of a series that the chain numbers."""
    return intent(f"tests:touch:payment:{epoch}", order=Order.IN_TURN)


def given_a_slot(journal: Journal, wish: Intent, nonce: int) -> Attempt:
    [admitted] = journal.admissible([wish])
    [attempt] = journal.reserve(ACCOUNT, [prepared(nonce, admitted)])
    return attempt


def test_the_journal_counts_what_succeeded(journal: Journal) -> None:
    first = given_a_slot(journal, step(), 0)
    assert first.intent.key == "tests:touch:step:0"
    journal.mined(first, receipt(first), DONE)
    second = given_a_slot(journal, step(), 1)
    assert second.intent.key == "tests:touch:step:1"


def test_what_had_no_effect_does_not_count(journal: Journal) -> None:
    first = given_a_slot(journal, step(), 0)
    journal.mined(first, receipt(first), VAIN)
    [again] = journal.admissible([step()])
    assert again.key == first.intent.key


def test_while_one_waits_to_be_mined_no_other_of_its_series_is_admitted(journal: Journal) -> None:
    waiting = given_a_slot(journal, payment(80), 0)
    other_kind = intent("tests:look:1", kind="look", order=Order.IN_TURN)
    independent = intent("tests:touch:7")
    assert journal.admissible([payment(100), other_kind, independent]) == [other_kind, independent]
    journal.mined(waiting, receipt(waiting), DONE)
    assert journal.admissible([payment(100)]) == [payment(100)]


def test_a_turn_that_was_taken_since_is_noticed_when_it_is_written(journal: Journal) -> None:
    [admitted] = journal.admissible([payment(100)])
    given_a_slot(journal, payment(80), 0)
    with pytest.raises(IntentTaken):
        journal.reserve(ACCOUNT, [prepared(1, admitted)])
    assert len(journal.open_attempts(ACCOUNT)) == 1


def test_a_success_since_is_noticed_when_it_is_written(journal: Journal) -> None:
    """Else the effect that was had already would be had twice."""
    [late] = journal.admissible([step()])
    first = given_a_slot(journal, step(), 0)
    journal.mined(first, receipt(first), VAIN)
    journal.unmined(first)
    journal.mined(first, receipt(first), DONE)
    with pytest.raises(IntentTaken):
        journal.reserve(ACCOUNT, [prepared(1, late)])


def test_two_that_a_reorg_put_back_in_their_slots_keep_a_third_out(journal: Journal) -> None:
    first = given_a_slot(journal, step(), 0)
    journal.mined(first, receipt(first), DONE)
    given_a_slot(journal, step(), 1)
    [first] = [each for each in journal.open_attempts(ACCOUNT) if each.nonce == 0]
    journal.unmined(first)
    assert journal.admissible([step()]) == []
    assert set(journal.intent_states(["tests:touch:step:0", "tests:touch:step:1"]).values()) == {
        IntentState.IN_SLOT
    }


def test_another_transaction_in_its_slot_ends_the_turn(journal: Journal) -> None:
    lost = given_a_slot(journal, payment(80), 0)
    journal.displaced(ACCOUNT, lost, "0x" + "ab" * 32)
    assert journal.admissible([payment(100)]) == [payment(100)]


def test_the_database_itself_has_one_turn_for_a_series(journal: Journal, tmp_path: Path) -> None:
    given_a_slot(journal, payment(80), 0)
    connection = sqlite3.connect(tmp_path / "journal.db")
    with pytest.raises(sqlite3.IntegrityError), connection:
        connection.execute(
            "INSERT INTO intents SELECT 'another', family, kind, chain, contract, params, "
            "recipient, data, value, gas, first_block, last_block, urgency, max_cost, "
            "worth_sending, expects, proof, state, has_turn, pardoned, created_at FROM intents"
        )
    connection.close()
