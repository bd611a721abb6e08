"""The journal forgets what is old and final, and nothing that a promise needs."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scheduler.chain.model import Head
from scheduler.transactions.flow import Flow
from scheduler.transactions.intents import Order, Params
from scheduler.transactions.journal import Journal, Location
from scheduler.transactions.journal.orders import What
from scheduler.transactions.journal.pruning import BATCH, BEGINNING
from scheduler.transactions.journal.reading import TABLES, reading
from scheduler.transactions.pruning import Keeping, Pruning
from scheduler.transactions.states import IntentState
from tests.transactions.rig import CONFIRMATIONS, Office, Touches
from tests.transactions.samples import ACCOUNT, DONE, intent, prepared, receipt

DAY = 86_400.0


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = 1_772_366_400.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(place: Location, clock: Clock) -> Iterator[Journal]:
    journal = Journal.open(place, clock)
    journal.admit(ACCOUNT)
    yield journal
    journal.close()


def ended(journal: Journal, *nonces: int, block: int = 5) -> None:
    """Intents in these slots, mined finally in this block."""
    with journal.together():
        for attempt in journal.reserve(ACCOUNT, [prepared(nonce) for nonce in nonces]):
            journal.mined(attempt, receipt(attempt, block), DONE)
            journal.final(ACCOUNT, attempt)


def pruned(journal: Journal, clock: Clock, days: float = 90, block: int = 1_000) -> int:
    """Removes what is older than so many days and below the block; how many that was."""
    total, place = 0, None
    while place != BEGINNING:
        removed, place = journal.prunings.prune(
            ACCOUNT, place or BEGINNING, clock.now - days * DAY, block, lambda _: True
        )
        total += removed
    return total


def left(place: Location) -> dict[str, int]:
    """How many rows each table has."""
    with reading(place) as opened:
        return {table: len(list(opened.rows(table))) for table in TABLES}


def test_what_is_old_and_final_goes_with_all_that_belongs_to_it(
    journal: Journal, clock: Clock, place: Location
) -> None:
    ended(journal, 0, 1, 2)
    journal.orders.give("tests:touch:0", What.RETRY, "ann")
    clock.now += 89 * DAY
    ended(journal, 3)
    assert pruned(journal, clock) == 0
    clock.now += 2 * DAY
    assert pruned(journal, clock) == 3
    rows = left(place)
    assert (rows["intents"], rows["slots"], rows["placements"]) == (1, 1, 1)
    assert (rows["attempts"], rows["outcomes"], rows["orders"]) == (1, 1, 0)
    assert journal.intent_states(["tests:touch:0", "tests:touch:3"]) == {
        "tests:touch:3": IntentState.SUCCEEDED
    }


def test_the_highest_consumed_nonce_stays_however_old_it_is(journal: Journal, clock: Clock) -> None:
    ended(journal, 0, 1, 2)
    clock.now += 1_000 * DAY
    assert pruned(journal, clock) == 2
    assert journal.next_nonce(ACCOUNT) == 3
    ended(journal, 3)
    assert pruned(journal, clock) == 1
    assert journal.next_nonce(ACCOUNT) == 4


def test_what_is_open_or_not_final_or_in_a_late_block_stays(journal: Journal, clock: Clock) -> None:
    [waiting, mined] = journal.reserve(ACCOUNT, [prepared(0), prepared(1)])
    journal.mined(mined, receipt(mined), DONE)
    ended(journal, 2, block=700)
    ended(journal, 3, 4)
    clock.now += 1_000 * DAY
    assert pruned(journal, clock, block=700) == 1
    assert {attempt.id for attempt in journal.open_attempts(ACCOUNT)} == {waiting.id, mined.id}
    assert journal.intent_states(["tests:touch:2"]) == {"tests:touch:2": IntentState.SUCCEEDED}
    assert pruned(journal, clock, block=701) == 1


def test_what_the_operator_has_just_had_retried_or_ordered_stays(
    journal: Journal, clock: Clock
) -> None:
    ended(journal, 0, 1)
    clock.now += 1_000 * DAY
    journal.orders.give("tests:touch:0", What.RETRY, "ann")
    assert pruned(journal, clock) == 0
    clock.now += 100 * DAY
    assert pruned(journal, clock) == 1


def test_a_key_that_counts_successes_counts_the_forgotten_ones_too(
    journal: Journal, clock: Clock
) -> None:
    wish = intent("series", order=Order.COUNTED)
    for nonce in range(3):
        [now] = journal.admissible([wish])
        assert now.key == f"series:{nonce}"
        [attempt] = journal.reserve(ACCOUNT, [prepared(nonce, now)])
        journal.mined(attempt, receipt(attempt), DONE)
        journal.final(ACCOUNT, attempt)
    clock.now += 1_000 * DAY
    assert pruned(journal, clock) == 2
    assert [each.key for each in journal.admissible([wish])] == ["series:3"]


def test_a_walk_goes_on_where_it_was_whatever_a_family_keeps(
    journal: Journal, clock: Clock
) -> None:
    """What one family keeps for ever does not keep the rest from being forgotten."""
    many = BATCH + 10
    ended(journal, *range(many))
    clock.now += 1_000 * DAY
    before = clock.now - DAY
    kept = {f"tests:touch:{nonce}" for nonce in range(BATCH)}
    removed, place = journal.prunings.prune(
        ACCOUNT, BEGINNING, before, 1_000, lambda each: each.key not in kept
    )
    assert (removed, place == BEGINNING) == (0, False)
    removed, place = journal.prunings.prune(
        ACCOUNT, place, before, 1_000, lambda each: each.key not in kept
    )
    assert (removed, place) == (9, BEGINNING)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_the_file_stays_as_large_as_it_was_over_many_rounds(
    journal: Journal, clock: Clock, place: Location
) -> None:
    assert isinstance(place, Path)

    def size() -> int:
        return sum(each.stat().st_size for each in place.parent.glob("journal.db*"))

    sizes = []
    for number in range(40):
        ended(journal, *range(number * BATCH, (number + 1) * BATCH))
        clock.now += DAY
        pruned(journal, clock, days=3)
        sizes.append(size())
    assert left(place)["intents"] <= 4 * BATCH
    assert max(sizes[20:]) <= 1.1 * max(sizes[:20])
    check = sqlite3.connect(place)
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert check.execute("PRAGMA foreign_key_check").fetchall() == []
    check.close()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_to_forget_some_takes_no_more_where_ten_times_as_much_is_kept(
    journal: Journal, clock: Clock
) -> None:
    """Their bookings were looked for among all outcomes, in a transaction that others wait for."""
    connection = journal._database.connection

    def steps() -> int:
        taken = 0

        def step() -> int:
            nonlocal taken
            taken += 1
            return 0

        connection.set_progress_handler(step, 1)
        try:
            removed, _ = journal.prunings.prune(
                ACCOUNT, BEGINNING, clock.now, 1_000, lambda _: True
            )
        finally:
            connection.set_progress_handler(None, 1)
        assert removed == BATCH
        return taken

    ended(journal, *range(200))
    clock.now += DAY
    few = steps()
    ended(journal, *range(200, 2_000))
    clock.now += DAY
    assert steps() < 1.5 * few


@dataclass
class Forgetful(Touches):
    """Of what its wishes were for it says, as the test does, whether it may be wanted again."""

    wants_again: bool = False

    def forgettable(self, kind: str, params: Params, head: Head) -> bool:
        return not self.wants_again


def forgetting(opened: Office, wants_again: bool) -> Flow:
    """The same program, which forgets what is final and a block old."""
    family = Forgetful(opened.family.contract, wishes=opened.family.wishes, wants_again=wants_again)
    desk = replace(opened.desk, families=[family])
    return Flow(desk, CONFIRMATIONS, Keeping(seconds=-DAY, blocks=1))


async def test_a_program_forgets_only_while_nothing_is_due_and_never_sends_again(
    on_anvil: Office,
) -> None:
    last = on_anvil.bench.head + 20
    on_anvil.want(*(on_anvil.wish(name, last_block=last) for name in ("one", "two")))
    await on_anvil.mine_and_turn(4 + CONFIRMATIONS)
    assert on_anvil.open_attempts() == []
    on_anvil.flow = forgetting(on_anvil, wants_again=False)
    await on_anvil.mine_and_turn(2)
    assert len(on_anvil.journal.intent_states(["one", "two"])) == 2, "they are due"
    on_anvil.bench.mine(20)
    await on_anvil.mine_and_turn(2)
    assert list(on_anvil.journal.intent_states(["one", "two"])) == ["two"]
    await on_anvil.mine_and_turn(2)
    assert on_anvil.hits == 2


async def test_what_a_family_may_want_again_is_not_forgotten(on_anvil: Office) -> None:
    on_anvil.want(on_anvil.wish("one"), on_anvil.wish("two"))
    await on_anvil.mine_and_turn(4 + CONFIRMATIONS)
    on_anvil.want()
    on_anvil.flow = forgetting(on_anvil, wants_again=True)
    await on_anvil.mine_and_turn(2)
    assert len(on_anvil.journal.intent_states(["one", "two"])) == 2
    on_anvil.flow = forgetting(on_anvil, wants_again=False)
    await on_anvil.mine_and_turn(2)
    assert list(on_anvil.journal.intent_states(["one", "two"])) == ["two"]


async def test_between_two_walks_lies_an_hour(on_anvil: Office) -> None:
    clock = Clock()
    began = clock.now
    desk = replace(on_anvil.desk, families=[Forgetful(on_anvil.family.contract)])
    pruning = Pruning(desk, Keeping(seconds=-DAY, blocks=0), monotonic=clock)
    assert pruning.turn(await on_anvil.head()) == 0
    on_anvil.want(on_anvil.wish("one"), on_anvil.wish("two"))
    await on_anvil.mine_and_turn(4 + CONFIRMATIONS)
    clock.now = began + 3_599
    assert pruning.turn(await on_anvil.head()) == 0
    clock.now = began + 3_600
    assert pruning.turn(await on_anvil.head()) == 1
