"""Whole turns with a journal in a database: what is sent is in it before, and while it is away
nothing is sent."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from scheduler.transactions.intents import Urgency
from scheduler.transactions.journal import JournalUnavailable, Remote
from scheduler.transactions.journal.orders import What
from scheduler.transactions.journal.upkeep import migrate
from scheduler.transactions.states import IntentState
from tests.postgres import Server, postgres
from tests.transactions.rig import CONFIRMATIONS, Bench, Office, later, office


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for these tests alone, which take it away."""
    with postgres() as server:
        yield server


@pytest.fixture
async def at(anvil_bench: Bench, server: Server, tmp_path: Path) -> AsyncIterator[Office]:
    where = Remote(server.local(server.database()), tmp_path)
    migrate(where)
    async with office(anvil_bench, where, anvil_bench.key()) as opened:
        yield opened


async def test_it_is_sent_outbid_mined_and_final_as_with_a_file(at: Office) -> None:
    at.want(at.wish("one"), at.wish("two", urgency=Urgency.URGENT))
    await at.turn()
    at.journal.orders.give("one", What.BUMP, "ann")
    at.want()
    await at.turn()
    assert [attempt.nonce for attempt in at.open_attempts()] == [0, 1, 1]
    await at.mine_and_turn(CONFIRMATIONS + 2)
    states = at.journal.intent_states(["one", "two"])
    assert set(states.values()) == {IntentState.SUCCEEDED}
    assert at.open_attempts() == []
    assert at.hits == 2


async def test_while_the_database_is_away_nothing_is_sent_and_then_it_goes_on(
    at: Office, server: Server
) -> None:
    at.want(at.wish())
    server.stop()
    try:
        for _ in range(2):
            with pytest.raises(JournalUnavailable, match="pg_isready"):
                await at.turn()
            at.bench.mine()
    finally:
        server.start()
    assert at.node.sent == []
    assert at.bench.nonce(at.address, "pending") == 0
    await at.turn()
    at.bench.mine()
    assert at.hits == 1


async def test_the_database_goes_away_between_commit_and_send(at: Office, server: Server) -> None:
    """What is committed leaves as soon as it can be looked after again, with the same bytes."""
    at.want(at.wish())
    head = await at.head()
    prepared = await at.sender.prepare(at.family.due(head), head)
    [attempt] = await at.sender.commit(prepared, head)
    server.restart()
    at.bench.mine()
    again = later(at)
    await again.turn()
    at.bench.mine()
    assert at.hits == 1
    assert again.journal.intent_states(["one"]) == {"one": IntentState.IN_SLOT}
    assert at.node.sent == [attempt.hash]
