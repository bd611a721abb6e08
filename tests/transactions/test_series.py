"""Intents of a series come in turn, and are numbered by how many of them ended."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from scheduler.transactions.intents import Intent, Order, Verdict
from scheduler.transactions.journal import Attempt, IntentTaken, Journal, Location, Replacement
from scheduler.transactions.receipts import CANCELLED
from scheduler.transactions.states import IntentState, OutcomeKind, Purpose
from tests.transactions.places import asked
from tests.transactions.samples import ACCOUNT, DONE, intent, prepared, receipt

VAIN = Verdict(OutcomeKind.NO_EFFECT, "nothing happened")


@pytest.fixture
def journal(place: Location) -> Iterator[Journal]:
    journal = Journal.open(place)
    journal.admit(ACCOUNT)
    yield journal
    journal.close()


def step() -> Intent:
    """One of a series that the journal numbers."""
    return intent("tests:touch:step", order=Order.COUNTED)


def payment(epoch: int) -> Intent:
    """One of a series that the chain numbers."""
    return intent(f"tests:touch:payment:{epoch}", order=Order.IN_TURN)


def keys(journal: Journal, *wishes: Intent) -> list[str]:
    """Of those that may be given a slot."""
    return [each.key for each in journal.admissible(wishes)]


def given_a_slot(journal: Journal, wish: Intent, nonce: int) -> Attempt:
    [admitted] = journal.admissible([wish])
    [attempt] = journal.reserve(ACCOUNT, [prepared(nonce, admitted)])
    return attempt


def cancellation_of(journal: Journal, bid: Attempt) -> Attempt:
    nothing = prepared(bid.nonce, intent("tests:nothing", data=b""))
    freeing = Replacement(bid, Purpose.CANCEL, nothing.transaction, nothing.signed, 6)
    [cancellation], _ = journal.replace(ACCOUNT, [freeing])
    return cancellation


def test_the_journal_counts_what_succeeded(journal: Journal) -> None:
    first = given_a_slot(journal, step(), 0)
    assert first.intent.key == "tests:touch:step:0"
    journal.mined(first, receipt(first), DONE)
    second = given_a_slot(journal, step(), 1)
    assert second.intent.key == "tests:touch:step:1"


@pytest.mark.parametrize("wish", [step(), payment(80)], ids=["counted", "numbered"])
def test_what_was_in_vain_is_followed_by_another_when_that_is_final(
    journal: Journal, wish: Intent
) -> None:
    """Else a job that lost a race once, or was cancelled, would never be done again."""
    first = given_a_slot(journal, wish, 0)
    journal.mined(first, receipt(first), VAIN)
    [same] = journal.admissible([wish])
    assert same.key == first.intent.key
    journal.final(ACCOUNT, first)
    [another] = journal.admissible([wish])
    assert (first.intent.key, another.key) == (f"{wish.key}:0", f"{wish.key}:1")


@pytest.mark.parametrize("wish", [step(), payment(80)], ids=["counted", "numbered"])
def test_what_is_tried_again_keeps_its_number(journal: Journal, wish: Intent) -> None:
    first = given_a_slot(journal, wish, 0)
    journal.mined(first, receipt(first), VAIN)
    journal.final(ACCOUNT, first, lambda outcome: True)
    [again] = journal.admissible([wish])
    assert again.key == first.intent.key
    [second] = journal.reserve(ACCOUNT, [prepared(1, again)])
    journal.mined(second, receipt(second, block=9), VAIN)
    [still] = journal.admissible([wish])
    assert still.key == first.intent.key


def test_what_the_chain_has_a_number_for_is_not_done_twice_under_it(journal: Journal) -> None:
    first = given_a_slot(journal, payment(80), 0)
    journal.mined(first, receipt(first), DONE)
    [again] = journal.admissible([payment(80)])
    assert journal.intent_states([again.key]) == {again.key: IntentState.SUCCEEDED}


def test_while_one_waits_to_be_mined_no_other_of_its_series_is_admitted(journal: Journal) -> None:
    waiting = given_a_slot(journal, payment(80), 0)
    other_kind = intent("tests:look:1", kind="look", order=Order.IN_TURN)
    independent = intent("tests:touch:7")
    assert keys(journal, payment(100), other_kind, independent) == [
        "tests:look:1:0",
        "tests:touch:7",
    ]
    journal.mined(waiting, receipt(waiting), DONE)
    assert keys(journal, payment(100)) == ["tests:touch:payment:100:0"]


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


def test_what_a_reorg_put_back_keeps_another_out_though_the_count_went_on(journal: Journal) -> None:
    """One before it ended meanwhile, so it would have another key now: it was sent twice."""
    cancelled = given_a_slot(journal, payment(80), 0)
    cancellation = cancellation_of(journal, cancelled)
    journal.mined(cancellation, receipt(cancellation), CANCELLED)
    paid = given_a_slot(journal, payment(100), 1)
    journal.mined(paid, receipt(paid, block=6), DONE)
    journal.final(ACCOUNT, cancellation)
    assert keys(journal, payment(100)) == ["tests:touch:payment:100:1"]
    [late] = journal.admissible([payment(100)])
    journal.unmined(paid)
    assert journal.admissible([payment(100), payment(120)]) == []
    with pytest.raises(IntentTaken):
        journal.reserve(ACCOUNT, [prepared(2, late)])
    journal.mined(paid, receipt(paid, block=6, branch="b"), DONE)
    assert keys(journal, payment(120)) == ["tests:touch:payment:120:1"]


def test_another_transaction_in_its_slot_ends_the_turn(journal: Journal) -> None:
    lost = given_a_slot(journal, payment(80), 0)
    journal.displaced(ACCOUNT, lost, "0x" + "ab" * 32, 5, "0x" + "b" * 64)
    assert keys(journal, payment(100)) == ["tests:touch:payment:100:0"]


def test_what_was_mined_last_of_a_series_is_told_newest_first(journal: Journal) -> None:
    """Neither cancellations nor what is pending, and nothing of another kind."""

    def told(many: int) -> list[tuple[str | int, OutcomeKind]]:
        newest = journal.newest_in_series(
            ACCOUNT.chain, payment(1).contract, payment(1).family, payment(1).kind, many
        )
        return [(params["epoch"], kind) for params, kind in newest]

    def numbered(epoch: int) -> Intent:
        return replace(payment(epoch), params={"epoch": epoch})

    assert told(5) == []
    for nonce, (epoch, verdict) in enumerate([(1, DONE), (2, VAIN), (3, VAIN)]):
        paid = given_a_slot(journal, numbered(epoch), nonce)
        journal.mined(paid, receipt(paid, block=5 + nonce), verdict)
    cancelled = given_a_slot(journal, numbered(4), 3)
    cancellation = cancellation_of(journal, cancelled)
    journal.mined(cancellation, receipt(cancellation, block=8), CANCELLED)
    other = given_a_slot(journal, intent("tests:look:1", kind="look", order=Order.IN_TURN), 4)
    journal.mined(other, receipt(other, block=9), VAIN)
    given_a_slot(journal, numbered(5), 5)
    newest = [(3, OutcomeKind.NO_EFFECT), (2, OutcomeKind.NO_EFFECT), (1, OutcomeKind.SUCCEEDED)]
    assert told(5) == newest
    assert told(2) == newest[:2]


def test_the_database_itself_has_one_turn_for_a_series(journal: Journal, place: Location) -> None:
    given_a_slot(journal, payment(80), 0)
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.UniqueViolation)):
        asked(
            place,
            "INSERT INTO intents SELECT 'another', family, kind, chain, contract, params, "
            "recipient, data, value, gas, first_block, last_block, urgency, max_cost, min_price, "
            "worth_sending, expects, proof, state, has_turn, in_series, pardoned, created_at "
            "FROM intents",
        )
