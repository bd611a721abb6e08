"""What is counted of a journal, in each dialect, is what is in it."""

import time

import pytest

from scheduler.transactions.journal import Journal, Location
from scheduler.transactions.journal.overview import Overview
from scheduler.transactions.journal.reading import reading
from tests.transactions.places import asked
from tests.transactions.samples import ACCOUNT, DONE, intent, prepared, receipt


@pytest.fixture
def journal(place: Location) -> Location:
    """`a` is mined in the slot 0, `b` signed in the slot 1."""
    journal = Journal.open(place)
    journal.admit(ACCOUNT)
    [first, _] = journal.reserve(ACCOUNT, [prepared(0, intent("a")), prepared(1, intent("b"))])
    journal.mined(first, receipt(first), DONE)
    journal.close()
    return place


@pytest.mark.parametrize("chain", [None, ACCOUNT.chain])
def test_what_is_there_is_counted(journal: Location, chain: str | None) -> None:
    with reading(journal) as opened:
        overview = Overview(opened, chain, time.time())
        assert overview.intents() == {"succeeded": 1, "in_slot": 1}
        assert [number for *_, number in overview.outcomes()] == [1]
        slots = overview.open_slots()
        assert [(slot.nonce, slot.mined) for slot in slots] == [(0, True), (1, False)]
        [(_, work)] = overview.work().items()
        assert (work.in_flight, work.done, work.failed) == (2, 1, 0)
        assert work.last is not None
        assert (work.last.intent, work.last.kind, work.last.is_final) == ("a", "succeeded", False)
        [known] = overview.accounts()
        assert (known.account, known.quarantine, known.next_nonce) == (ACCOUNT.address, None, 2)
        money = overview.money()
        # SQLite's sums are floating numbers.
        assert money.fees > 0
        assert money.per_day == pytest.approx(money.fees)
        assert (overview.suspended(), overview.losses()) == ([], 0)
        assert set(overview.violations().values()) == {0}


def test_another_chain_s_is_another_s(journal: Location) -> None:
    with reading(journal) as opened:
        overview = Overview(opened, "0" * 16, time.time())
        assert (overview.intents(), overview.open_slots(), overview.accounts()) == ({}, [], [])
        assert (overview.money().fees, dict(overview.work())) == (0, {})


def test_what_must_be_zero_is_not_where_a_row_lacks_its_half(journal: Location) -> None:
    asked(
        journal,
        "UPDATE placements SET is_open = 0 WHERE intent = 'b'",
        "DELETE FROM outcomes",
    )
    with reading(journal) as opened:
        assert Overview(opened, None, time.time()).violations() == {
            "done_twice": 0,
            "in_slot_without_slot": 1,
            "slot_without_attempt": 0,
            "succeeded_without_outcome": 1,
        }
