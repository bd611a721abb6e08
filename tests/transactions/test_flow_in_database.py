"""Whole turns with a journal in a database: what is sent is in it before, and while it is away
nothing is sent."""

import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scheduler.transactions.custody import actor
from scheduler.transactions.intents import Urgency
from scheduler.transactions.journal import Journal, JournalUnavailable, Quarantined, Remote
from scheduler.transactions.journal.database import opened
from scheduler.transactions.journal.orders import What
from scheduler.transactions.journal.upkeep import migrate
from scheduler.transactions.leases import LeaseLost, Leases
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


async def test_after_a_failover_that_lost_commits_nothing_is_sent_twice(
    at: Office, server: Server
) -> None:
    """What was sent is in no journal any more, and may be mined: who sent it begins anew, and finds
    that the chain knows more."""
    assert isinstance(at.path, Remote)
    name = actor(at.family.name, at.desk.account, at.family.contract)
    with (
        closing(Leases(at.path, "scheduler")) as leases,
        closing(Journal(leases.fencing(opened(at.path)), time.time)) as journal,
    ):
        leases.take(name)
        program = later(at, journal=journal)
        program.want(program.wish("before"))
        await program.turn()
        at.bench.mine()
        behind = _copied(server)
        program.want(program.wish())
        await program.turn()
        sent = list(at.node.sent)
        _promote(server, behind)
        for _ in range(2):
            with pytest.raises(LeaseLost, match="a standby's"):
                await program.turn()
        leases.close()
        leases.take(name)
        with pytest.raises(Quarantined):
            await later(program).turn()
    at.bench.mine()
    assert at.node.sent == sent
    assert at.hits == 2


def _copied(server: Server) -> Path:
    """What a standby has that is behind from now on: asynchronous replication."""
    server.stop()
    behind = server.directory / "behind"
    subprocess.run(["cp", "-a", server.data, behind], check=True)
    server.start()
    return behind


def _promote(server: Server, behind: Path) -> None:
    """Goes on with that, as the standby that takes over does: on a timeline of its own."""
    server.stop()
    shutil.rmtree(server.data)
    behind.rename(server.data)
    signal = server.data / "recovery.signal"
    signal.touch()
    shutil.chown(signal, server.data.owner(), server.data.group())
    # There is no more to be had than what it has.
    server.settings = {**server.settings, "restore_command": "false", "hot_standby": "off"}
    server.start()
