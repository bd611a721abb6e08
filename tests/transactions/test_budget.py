"""What an account may spend is promised in the commit that writes a transaction, to all at once."""

import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from scheduler.errors import NotYet
from scheduler.transactions.intents import Intent, Urgency
from scheduler.transactions.journal import Journal
from scheduler.transactions.ladder import fee_of
from scheduler.transactions.purse import DAY, Budget
from scheduler.transactions.states import IntentState, Purpose
from tests import nodes
from tests.transactions.rig import ETHER, Bench, Office, later, office
from tests.transactions.test_keeper import GWEI, mine_at, stuck

NOON = 20_000 * DAY + DAY / 2


class Clock:
    """The journal's; a test says what time it is, in seconds since the epoch."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def bounded(on_anvil: Office, clock: Clock) -> AsyncIterator[Office]:
    """A program on a journal with this clock; `limited` bounds what it may do."""
    on_anvil.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    on_anvil.bench.mine()
    journal = Journal.open(on_anvil.path, clock)
    yield later(on_anvil, journal=journal)
    journal.close()


def limited(opened: Office, **limits: int) -> Office:
    """The same program after a restart, with this budget."""
    return later(opened, budget=Budget(**limits))


async def worst_cost(opened: Office, wish: Intent | None = None) -> int:
    """The most that one hit can cost now, in wei."""
    [prepared] = await opened.prepared(wish or opened.wish("priced"))
    return prepared.transaction.worst_cost


def reserved(opened: Office) -> list[int]:
    """What is promised to each slot, in wei, as the file has it."""
    connection = sqlite3.connect(opened.path)
    try:
        rows = connection.execute("SELECT reserved FROM slots ORDER BY nonce").fetchall()
    finally:
        connection.close()
    return [int(amount) for (amount,) in rows]


def in_flight(opened: Office) -> list[str]:
    return [attempt.intent.key for attempt in opened.open_attempts()]


async def test_what_two_processes_prepared_is_promised_to_one_of_them(bounded: Office) -> None:
    """Each found enough for its own before the other wrote."""
    cost = await worst_cost(bounded)
    ours = limited(bounded, normal_per_day=cost * 3 // 2)
    journal = Journal.open(ours.path, Clock())
    theirs = later(ours, journal=journal)
    head = await ours.head()
    first = await ours.prepared(ours.wish("ours"))
    second = await theirs.prepared(theirs.wish("theirs"))
    assert len(first) == len(second) == 1
    await ours.sender.commit(first, head)
    assert await theirs.sender.commit(second, head) == []
    assert theirs.sender.admission.withheld is not None
    assert theirs.sender.admission.withheld.startswith("budget.normal-per-day is ")
    assert in_flight(ours) == ["ours"]
    assert ours.journal.intent_states(["theirs"]) == {}
    journal.close()


async def test_what_a_rival_process_left_is_promised_without_a_gap(bounded: Office) -> None:
    """The first of two is too much by now; the second, smaller one moves up into its nonce."""
    cost = await worst_cost(bounded)
    ours = limited(bounded, normal_per_day=cost * 5 // 2)
    head = await ours.head()
    small = ours.wish("small", gas=50_000)
    both = await ours.prepared(ours.wish("big"), small)
    assert [item.intent.key for item in both] == ["big", "small"]
    rival = later(ours)
    await rival.sender.commit(await rival.prepared(rival.wish("rival", gas=200_000)), head)
    [attempt] = await ours.sender.commit(both, head)
    assert (attempt.intent.key, attempt.nonce) == ("small", 1)


async def test_it_goes_on_by_itself_when_something_was_mined(bounded: Office) -> None:
    """The worst case is free again; what it really cost is not."""
    cost = await worst_cost(bounded)
    at = limited(bounded, normal_per_day=cost * 3 // 2)
    at.want(at.wish("a"), at.wish("b"))
    with pytest.raises(NotYet, match=r"budget\.normal-per-day is .* waits until tomorrow"):
        await at.turn()
    assert in_flight(at) == ["a"]
    at.bench.mine()
    with pytest.raises(NotYet):
        await at.turn()
    await at.until_mined("b")
    assert at.hits == 2


async def test_a_new_day_has_a_new_budget(bounded: Office, clock: Clock) -> None:
    cost = await worst_cost(bounded)
    at = limited(bounded, normal_per_day=cost)
    at.want(at.wish("today"))
    await at.turn()
    await at.mine_and_turn()
    tomorrow = at.wish("tomorrow", gas=99_000)
    at.want(tomorrow)
    with pytest.raises(NotYet, match="today"):
        await at.turn()
    assert at.journal.intent_states(["tomorrow"]) == {}
    clock.now = NOON - NOON % DAY + DAY
    await at.turn()
    await at.until_mined("tomorrow")
    assert at.hits == 2


async def test_urgent_work_has_a_purse_of_its_own(bounded: Office) -> None:
    at = limited(bounded, normal_per_day=0)
    at.want(at.wish("normal"), at.wish("urgent", urgency=Urgency.URGENT))
    with pytest.raises(NotYet, match=r"budget\.normal-per-day is 0 wei"):
        await at.turn()
    assert in_flight(at) == ["urgent"]
    await mine_at_despite_trouble(at)
    assert at.hits == 1


async def test_urgent_work_may_use_what_the_floor_keeps(bounded: Office) -> None:
    at = limited(bounded, floor=ETHER)
    at.want(at.wish("normal"), at.wish("urgent", urgency=Urgency.URGENT))
    with pytest.raises(NotYet, match=r"\(budget.floor\) of it are kept for urgent work"):
        await at.turn()
    assert in_flight(at) == ["urgent"]


async def test_a_slot_costs_the_dearest_of_its_bids(bounded: Office) -> None:
    """All bids of a slot were summed up, though only one can be mined."""
    bounded.want(bounded.wish())
    await bounded.turn()
    await stuck(bounded, 4)
    bids = [100_000 * fee_of(attempt.fields).cap for attempt in bounded.open_attempts()]
    assert len(bids) == 2
    assert reserved(bounded) == [max(bids)]


async def test_a_price_beyond_the_budget_is_not_raised_until_there_is_money_for_it(
    bounded: Office, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    at = limited(bounded, normal_per_day=await worst_cost(bounded))
    at.want(at.wish())
    await at.turn()
    with caplog.at_level(logging.INFO, logger="SENDER"):
        await stuck(at, 6)
    assert len(at.open_attempts()) == 1
    [said] = [line for line in caplog.messages if line.startswith("A price is not raised")]
    assert "budget.normal-per-day is" in said
    richer = limited(at, normal_per_day=ETHER)
    await stuck(richer, 4)
    assert len(richer.open_attempts()) == 2
    await mine_at(richer, 500 * GWEI, 2)
    assert at.hits == 1


async def test_what_does_no_good_any_more_is_cancelled_whatever_the_budget_says(
    bounded: Office,
) -> None:
    """At 1,000 gwei the cancellation costs more than the whole transaction at 2."""
    last = (await bounded.head()).number + 1
    at = limited(bounded, normal_per_day=await worst_cost(bounded), floor=ETHER // 2)
    at.want(at.wish(last_block=last))
    await at.turn()
    await stuck(at, 1, 1_000 * GWEI)
    *_, cancellation = at.open_attempts()
    assert cancellation.purpose is Purpose.CANCEL
    assert reserved(at) == [21_000 * fee_of(cancellation.fields).cap]
    await mine_at(at, 1_000 * GWEI, 3)
    assert at.journal.intent_states(["one"]) == {"one": IntentState.EXPIRED}


async def test_a_contract_that_lost_too_much_gets_nothing_more_until_tomorrow(
    bounded: Office, clock: Clock
) -> None:
    at = limited(bounded, loss_per_contract=1)
    at.want(at.wish("lost"))
    await at.turn()
    await mine_at(at, GWEI)
    at.want(at.wish("more", urgency=Urgency.URGENT))
    with pytest.raises(NotYet, match=rf"{at.family.contract} lost .* today \(UTC\)"):
        await at.turn()
    assert at.journal.intent_states(["more"]) == {}
    other = later(at, contract=at.bench.reverter)
    assert len(await other.prepared(other.wish("elsewhere"))) == 1, "it has lost nothing"
    clock.now += DAY
    await at.turn()
    assert at.journal.intent_states(["more"]) == {"more": IntentState.IN_SLOT}


@pytest.fixture(scope="module")
def on_rskj() -> Iterator[Bench]:
    with nodes.started("rskj") as node:
        bench = Bench(node)
        yield bench
        bench.endpoint.close()


async def test_slots_are_kept_for_urgent_work_and_the_node_refuses_nothing(
    on_rskj: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with office(on_rskj, tmp_path / "journal.db", on_rskj.key()) as opened:
        at = limited(opened, slots=16, kept=4)
        normal = [f"normal {number}" for number in range(20)]
        urgent = ["urgent 0", "urgent 1"]
        at.want(*map(at.wish, normal), *(at.wish(key, urgency=Urgency.URGENT) for key in urgent))
        with caplog.at_level(logging.WARNING, logger="SENDER"):
            with pytest.raises(NotYet, match=r"the other 4 of the 16 .* are kept for urgent"):
                await at.turn()
            assert in_flight(at) == [*urgent, *normal[:12]], "the urgent ones are mined first"
            at.bench.mine()
            await at.turn()
            assert sorted(in_flight(at)) == sorted(urgent + normal)
            at.bench.mine()
            await at.turn()
        assert at.hits == 22
        assert caplog.messages == [], "the node refused something"


async def mine_at_despite_trouble(opened: Office) -> None:
    """A block, and a turn in which something due still waits."""
    opened.bench.mine()
    with pytest.raises(NotYet):
        await opened.turn()
