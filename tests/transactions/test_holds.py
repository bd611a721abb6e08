"""What the operator holds back gets no slot, whichever process asks; what is in flight goes on."""

import pytest

from scheduler.errors import NotYet
from scheduler.transactions.intents import Urgency
from scheduler.transactions.journal import HeldBack, Journal, Location
from scheduler.transactions.journal.holds import ALL, Mode
from tests.transactions.rig import Bench, Office, later
from tests.transactions.samples import ACCOUNT, intent, prepared


def test_a_hold_of_one_process_binds_the_others_and_lasts(place: Location) -> None:
    ours, theirs = Journal.open(place), Journal.open(place)
    ours.admit(ACCOUNT)
    assert ours.holds.place("scheduler", Mode.PAUSE, "ann", "upgrade")
    with pytest.raises(HeldBack, match=r"scheduler is held back by ann since .* \(upgrade\)"):
        theirs.reserve(ACCOUNT, [prepared(0)], "scheduler")
    ours.close()
    theirs.close()
    again = Journal.open(place)
    with pytest.raises(HeldBack):
        again.reserve(ACCOUNT, [prepared(0)], "scheduler")
    assert again.intent_states(["tests:touch:0"]) == {}
    assert len(again.reserve(ACCOUNT, [prepared(0)], "another")) == 1
    again.close()


def test_a_hold_on_all_binds_every_program_until_it_is_lifted(place: Location) -> None:
    journal = Journal.open(place)
    journal.admit(ACCOUNT)
    journal.holds.place("scheduler", Mode.DRAIN, "ann", "")
    journal.holds.place(ALL, Mode.PAUSE, "bob", "")
    with pytest.raises(HeldBack, match="all programs are held back by bob"):
        journal.reserve(ACCOUNT, [prepared(0)], "scheduler")
    assert sorted(journal.holds.lift(ALL, "bob")) == [ALL, "scheduler"]
    assert len(journal.reserve(ACCOUNT, [prepared(0)], "scheduler")) == 1
    journal.close()


def test_holding_back_what_is_held_back_changes_nothing(place: Location) -> None:
    journal = Journal.open(place)
    assert journal.holds.place("scheduler", Mode.PAUSE, "ann", "first")
    assert not journal.holds.place("scheduler", Mode.DRAIN, "bob", "second")
    [hold] = journal.holds.standing()
    assert (hold.by, hold.why, hold.mode) == ("ann", "first", Mode.PAUSE)
    assert journal.holds.lift("scheduler", "bob") == ["scheduler"]
    assert journal.holds.lift("scheduler", "bob") == []
    journal.close()


def test_what_gets_the_account_going_again_is_not_held_back(place: Location) -> None:
    journal = Journal.open(place)
    journal.admit(ACCOUNT)
    journal.holds.place(ALL, Mode.PAUSE, "ann", "")
    repair = intent("gap", urgency=Urgency.REPAIR)
    assert len(journal.reserve(ACCOUNT, [prepared(0, repair)], "scheduler")) == 1
    journal.close()


@pytest.fixture
def bench(anvil_bench: Bench) -> Bench:
    return anvil_bench


async def test_nothing_due_is_sent_while_it_is_paused_and_all_of_it_afterwards(
    on_anvil: Office,
) -> None:
    on_anvil.journal.holds.place("scheduler", Mode.PAUSE, "ann", "")
    on_anvil.want(on_anvil.wish("one"), on_anvil.wish("two"))
    for _ in range(2):
        on_anvil.bench.mine()
        with pytest.raises(NotYet, match="held back by ann"):
            await on_anvil.turn()
    assert on_anvil.open_attempts() == []
    on_anvil.journal.holds.lift("scheduler", "ann")
    await on_anvil.mine_and_turn(2)
    assert on_anvil.hits == 2


async def test_a_hold_that_comes_between_preparing_and_committing_counts(on_anvil: Office) -> None:
    ready = await on_anvil.prepared(
        on_anvil.wish("one"), on_anvil.wish("gap", urgency=Urgency.REPAIR)
    )
    on_anvil.journal.holds.place("scheduler", Mode.PAUSE, "ann", "")
    [attempt] = await on_anvil.sender.commit(ready, await on_anvil.head())
    assert (attempt.intent.key, attempt.nonce) == ("gap", 0)


async def test_what_is_in_flight_is_looked_after_while_it_is_paused(on_anvil: Office) -> None:
    """What the node lost is sent again, by a program that began after the pause, too."""
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    on_anvil.journal.holds.place(ALL, Mode.DRAIN, "ann", "")
    [attempt] = on_anvil.open_attempts()
    on_anvil.bench.endpoint.request("anvil_dropTransaction", attempt.hash)
    again = later(on_anvil)
    for _ in range(5):
        on_anvil.bench.mine()
        with pytest.raises(NotYet, match="all programs are held back"):
            await again.turn()
    assert again.hits == 1
    assert again.journal.holds.in_flight(ALL) == []
