"""The journal remembers what was sent and what came of it, all or nothing, across restarts."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from scheduler.transactions.encoding import DynamicFee, sign
from scheduler.transactions.intents import Urgency, Verdict
from scheduler.transactions.journal import (
    Account,
    Attempt,
    IntentTaken,
    Journal,
    Location,
    NonceTaken,
    Quarantined,
    Replacement,
    Standing,
)
from scheduler.transactions.states import (
    AttemptState,
    IllegalTransition,
    IntentState,
    OutcomeKind,
    Purpose,
    Quarantine,
)
from tests.transactions.places import asked
from tests.transactions.samples import ACCOUNT, CHAIN, DONE, KEY, intent, prepared, receipt


@pytest.fixture
def journal(place: Location) -> Iterator[Journal]:
    """A journal that may send from ACCOUNT."""
    journal = Journal.open(place, clock=lambda: 1_000.0)
    journal.admit(ACCOUNT)
    yield journal
    journal.close()


def rows(place: Location, table: str) -> int:
    """How many rows somebody else finds in the table."""
    [(count,)] = asked(place, f"SELECT count(*) FROM {table}")
    return int(count)


def test_an_account_that_was_admitted_stays_so(place: Location) -> None:
    journal = Journal.open(place)
    assert not journal.admitted(ACCOUNT)
    journal.admit(ACCOUNT)
    journal.admit(ACCOUNT)
    journal.close()
    again = Journal.open(place)
    assert again.admitted(ACCOUNT)
    assert not again.admitted(Account("another chain", ACCOUNT.address))
    again.close()


def test_a_quarantine_ends_only_as_it_was_when_it_was_found_calm(journal: Journal) -> None:
    """A program that starts begins it anew: another must not end it with what it saw before."""
    journal.put_in_quarantine(ACCOUNT, Quarantine.BEHIND, accounted=3)
    assert journal.standing(ACCOUNT) == Standing(Quarantine.BEHIND, None, 3, 0)
    journal.calm_since(ACCOUNT, 10)
    journal.put_in_quarantine(ACCOUNT, Quarantine.NEW, accounted=2)
    assert journal.standing(ACCOUNT) == Standing(Quarantine.BEHIND, None, 3, 0)
    assert not journal.release(ACCOUNT, since=10)
    assert journal.quarantined() == [ACCOUNT]
    journal.calm_since(ACCOUNT, 12)
    assert journal.release(ACCOUNT, since=12)
    assert journal.admitted(ACCOUNT)


def test_in_quarantine_only_repairs_get_slots(journal: Journal) -> None:
    journal.put_in_quarantine(ACCOUNT, Quarantine.NEW, accounted=0)
    repair = prepared(0, intent("repair", urgency=Urgency.REPAIR))
    with pytest.raises(Quarantined):
        journal.reserve(ACCOUNT, [repair, prepared(1)])
    assert journal.open_attempts(ACCOUNT) == []
    journal.reserve(ACCOUNT, [repair])
    with pytest.raises(Quarantined):
        journal.reserve(ACCOUNT, [prepared(1)])


def test_the_highest_block_that_was_written_at_is_kept(journal: Journal) -> None:
    journal.reserve(ACCOUNT, [prepared(0)])
    standing = journal.standing(ACCOUNT)
    assert standing is not None
    assert standing.highest_head == 4


def test_what_is_reserved_is_there_for_others_when_the_call_returns(
    journal: Journal, place: Location
) -> None:
    attempts = journal.reserve(ACCOUNT, [prepared(0), prepared(1)])
    assert [attempt.state for attempt in attempts] == [AttemptState.SIGNED] * 2
    assert [rows(place, table) for table in ("intents", "slots", "attempts")] == [2, 2, 2]


def test_an_attempt_is_read_back_as_it_was_written(journal: Journal, place: Location) -> None:
    item = prepared(0, intent(params={"call": "0xab", "number": 2**40}))
    written = journal.reserve(ACCOUNT, [item])
    journal.close()
    again = Journal.open(place)
    assert again.open_attempts(ACCOUNT) == written
    [attempt] = written
    assert item.signed is not None
    assert (attempt.raw, attempt.hash) == (item.signed.raw, item.signed.hash)
    assert attempt.fields == item.transaction.rpc_fields(ACCOUNT.address)
    assert attempt.intent == item.intent.told
    assert attempt.head_number == 4
    again.close()


def test_the_next_nonce_is_above_all_that_were_given_out(journal: Journal) -> None:
    assert journal.next_nonce(ACCOUNT) == 0
    journal.reserve(ACCOUNT, [prepared(40), prepared(41)])
    assert journal.next_nonce(ACCOUNT) == 42
    assert journal.next_nonce(Account("another chain", ACCOUNT.address)) == 0


def test_a_nonce_that_is_taken_leaves_nothing_of_the_others(
    journal: Journal, place: Location
) -> None:
    journal.reserve(ACCOUNT, [prepared(1)])
    with pytest.raises(NonceTaken):
        journal.reserve(ACCOUNT, [prepared(0, intent("a")), prepared(1, intent("b"))])
    assert [rows(place, table) for table in ("intents", "slots", "placements", "attempts")] == [
        1
    ] * 4
    assert journal.intent_states(["a", "b"]) == {}


def test_an_intent_that_is_in_a_slot_leaves_nothing_of_the_others(
    journal: Journal, place: Location
) -> None:
    journal.reserve(ACCOUNT, [prepared(0, intent("a"))])
    with pytest.raises(IntentTaken) as taken:
        journal.reserve(ACCOUNT, [prepared(1, intent("b")), prepared(2, intent("a"))])
    assert taken.value.key == "a"
    assert [rows(place, table) for table in ("intents", "slots", "placements", "attempts")] == [
        1
    ] * 4


def test_an_account_that_the_journal_does_not_know_is_no_nonce_conflict(place: Location) -> None:
    """A sender that took it for one signed again for ever."""
    journal = Journal.open(place)
    with pytest.raises(Quarantined):
        journal.reserve(ACCOUNT, [prepared(0)])
    assert rows(place, "intents") == 0
    journal.close()


def test_the_life_of_an_attempt(journal: Journal) -> None:
    [attempt] = journal.reserve(ACCOUNT, [prepared(0, intent("a"))])
    assert journal.intent_states(["a"]) == {"a": IntentState.IN_SLOT}
    assert attempt.hash is not None

    journal.broadcast([(attempt, attempt.hash)])
    [attempt] = journal.open_attempts(ACCOUNT)
    assert attempt.state is AttemptState.BROADCAST

    journal.mined(attempt, receipt(attempt), DONE)
    [attempt] = journal.open_attempts(ACCOUNT)
    assert (attempt.state, attempt.block_number) == (AttemptState.MINED, 5)
    assert attempt.block_hash == "0x" + "a" * 64
    assert journal.intent_states(["a"]) == {"a": IntentState.SUCCEEDED}
    assert journal.outcome_counts(CHAIN) == {"succeeded": 1}

    journal.final(ACCOUNT, attempt)
    assert journal.open_attempts(ACCOUNT) == []
    assert journal.next_nonce(ACCOUNT) == 1
    with pytest.raises(IllegalTransition):
        journal.unmined(attempt)
    assert journal.outcome_counts(CHAIN) == {"succeeded": 1}


def test_a_reorg_takes_back_what_a_receipt_said(journal: Journal) -> None:
    [attempt] = journal.reserve(ACCOUNT, [prepared(0, intent("a"))])
    journal.mined(attempt, receipt(attempt), Verdict(OutcomeKind.NO_EFFECT, "nothing"))
    journal.unmined(attempt)
    [again] = journal.open_attempts(ACCOUNT)
    assert (again.state, again.block_hash, again.raw) == (
        AttemptState.BROADCAST,
        None,
        attempt.raw,
    )
    assert journal.outcome_counts(CHAIN) == {}
    assert journal.intent_states(["a"]) == {"a": IntentState.IN_SLOT}
    journal.mined(again, receipt(again, block=6, branch="b"), DONE)
    assert journal.outcome_counts(CHAIN) == {"succeeded": 1}


def test_amounts_beyond_64_bits_are_kept(journal: Journal, place: Location) -> None:
    [attempt] = journal.reserve(ACCOUNT, [prepared(0, intent("a", value=10**24, max_cost=10**25))])
    journal.mined(attempt, receipt(attempt), Verdict(OutcomeKind.SUCCEEDED, "", earned=10**26))
    amounts = asked(place, "SELECT value, max_cost FROM intents")
    assert amounts == [(str(10**24), str(10**25))]
    amounts = asked(place, "SELECT gas_price, earned FROM outcomes")
    assert amounts == [(str(10**20), str(10**26))]


def test_a_request_for_the_node_to_sign_gets_its_hash_from_the_answer(journal: Journal) -> None:
    [attempt] = journal.reserve(ACCOUNT, [prepared(0, signs=False)])
    assert (attempt.raw, attempt.hash) == (None, None)
    journal.broadcast([(attempt, "0x" + "12" * 32)])
    [attempt] = journal.open_attempts(ACCOUNT)
    assert attempt.hash == "0x" + "12" * 32
    # Repeated after a reorg, it is signed anew, and not every signer repeats itself.
    journal.broadcast([(attempt, "0x" + "34" * 32)])
    [attempt] = journal.open_attempts(ACCOUNT)
    assert attempt.hash == "0x" + "34" * 32


def test_no_answer_changes_the_hash_of_bytes_that_were_signed_here(journal: Journal) -> None:
    """A node's wrong answer made the journal forget under which hash to look for the receipt."""
    [attempt] = journal.reserve(ACCOUNT, [prepared(0)])
    journal.broadcast([(attempt, "0x" + "12" * 32)])
    [again] = journal.open_attempts(ACCOUNT)
    assert again.hash == attempt.hash


def noted_together(journal: Journal, mined: Attempt, unmined: Attempt) -> None:
    with journal.together():
        journal.mined(mined, receipt(mined), DONE)
        journal.unmined(unmined)


def test_a_step_that_cannot_be_leaves_everything_as_it_was(journal: Journal) -> None:
    [first, second] = journal.reserve(ACCOUNT, [prepared(0, intent("a")), prepared(1, intent("b"))])
    journal.mined(second, receipt(second), DONE)
    [_, second] = journal.open_attempts(ACCOUNT)
    journal.final(ACCOUNT, second)
    with pytest.raises(IllegalTransition):
        noted_together(journal, first, second)
    [unchanged] = journal.open_attempts(ACCOUNT)
    assert unchanged == first


@pytest.mark.parametrize("then", ["mined", "final", "replaced"])
def test_that_a_node_took_it_takes_nothing_back_that_came_of_it(
    journal: Journal, then: str
) -> None:
    """A program that was stopped while it sent notes what another one has followed since."""
    [attempt] = journal.reserve(ACCOUNT, [prepared(0, intent("a"))])
    if then == "replaced":
        journal.displaced(ACCOUNT, attempt, "0x" + "77" * 32, 5, "0x" + "a" * 64)
    else:
        journal.mined(attempt, receipt(attempt), DONE)
        if then == "final":
            [mined] = journal.open_attempts(ACCOUNT)
            journal.final(ACCOUNT, mined)
    before = journal.intent_states(["a"]), journal.open_attempts(ACCOUNT)
    journal.broadcast([(attempt, attempt.hash or "")])
    assert (journal.intent_states(["a"]), journal.open_attempts(ACCOUNT)) == before


def test_one_of_a_slot_is_mined_and_not_another(journal: Journal) -> None:
    """Until the first is known to be gone; what else the same look tells is written."""
    [first] = journal.reserve(ACCOUNT, [prepared(0, intent("a"))])
    bid = prepared(0, intent("a"))
    asked = replace(bid.transaction, fee=DynamicFee(20, 2))
    further = Replacement(first, Purpose.ACT, asked, sign(asked, KEY), 5)
    [[second], _] = journal.replace(ACCOUNT, [further])
    assert journal.mined(first, receipt(first), DONE)
    assert not journal.mined(second, receipt(second), DONE)
    [mined, _] = journal.open_attempts(ACCOUNT)
    journal.unmined(mined)
    assert journal.mined(second, receipt(second), DONE)


def test_accounts_and_chains_have_nonces_of_their_own(journal: Journal) -> None:
    other = Account("another chain", ACCOUNT.address)
    journal.admit(other)
    journal.reserve(ACCOUNT, [prepared(0, intent("a"))])
    journal.reserve(other, [prepared(0, intent("b"))])
    assert [a.intent.key for a in journal.open_attempts(ACCOUNT)] == ["a"]
    assert [a.intent.key for a in journal.open_attempts(other)] == ["b"]
