"""A journal that was lost, replaced by an older copy, or cannot be written: nothing happens twice.

Each wish hits a counter of its own and expects to be the first to do so, as calls and jobs do by
their contracts' state.
"""

import resource
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler.chain.model import Address
from scheduler.operations.journal_story import told
from scheduler.transactions.expectations import Expectations, View
from scheduler.transactions.intents import Intent
from scheduler.transactions.journal import JournalUnavailable, Quarantined
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.quarantine import CALM_BLOCKS
from scheduler.transactions.states import IntentState, Purpose
from tests.transactions.rig import CONFIRMATIONS, HIT, HITS, Bench, Office, office

GWEI = 10**9
NAMES = ("one", "two", "three")


class Targets:
    """A counter for each wish of one account."""

    def __init__(self, bench: Bench, key: PrivateKey) -> None:
        self.bench = bench
        self.key = key
        self.at: dict[str, Address] = {name: bench.deployed("Counter") for name in NAMES}

    def wish(self, of: Office, name: str) -> Intent:
        data = HITS + bytes.fromhex(of.address[2:]).rjust(32, b"\0")
        first = View(self.at[name], data, (1).to_bytes(32, "big"), "it was hit before")
        return of.wish(name, to=self.at[name], data=HIT, expects=Expectations(after=(first,)))

    @property
    def hits(self) -> list[int]:
        """Of each counter, in order."""
        account = self.key.public_key.to_address()
        return [self.bench.hits(account, counter) for counter in self.at.values()]

    @asynccontextmanager
    async def program(self, journal: Path, *due: str, admitted: bool) -> AsyncIterator[Office]:
        """A program that wants these, with the journal in this file."""
        there = tuple(self.at.values())
        opening = office(self.bench, journal, self.key, admitted=admitted, targets=there)
        async with opening as opened:
            opened.want(*(self.wish(opened, name) for name in due))
            yield opened


def story_of(key: str, journal: Path) -> str:
    with reading(journal) as opened:
        return "\n".join(told(opened.history(key)))


@pytest.fixture
def targets(anvil_bench: Bench) -> Targets:
    anvil_bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    return Targets(anvil_bench, anvil_bench.key())


def copied(journal: Path, to: Path) -> Path:
    """A copy as the operator is told to make it."""
    with sqlite3.connect(journal) as source, sqlite3.connect(to) as target:
        source.backup(target)
    source.close()
    target.close()
    return to


async def turns(at: Office, blocks: int) -> None:
    for _ in range(blocks):
        await at.trying()
        at.bench.mine()


@pytest.mark.parametrize("when", ["while it is pending", "when it is mined"])
async def test_a_lost_journal(targets: Targets, tmp_path: Path, when: str) -> None:
    async with targets.program(tmp_path / "lost.db", "one", "two", admitted=True) as before:
        await before.turn()
        assert len(before.node.sent) == 2
    if when == "when it is mined":
        targets.bench.mine()
    async with targets.program(tmp_path / "new.db", *NAMES, admitted=False) as after:
        with pytest.raises(Quarantined):
            await after.turn()
        await turns(after, CALM_BLOCKS + CONFIRMATIONS + 3)
        assert targets.hits == [1, 1, 1]
        assert targets.bench.nonce(after.address) == 3
        assert after.journal.intent_states(NAMES) == {"three": IntentState.SUCCEEDED}


async def test_an_older_copy_of_the_journal(targets: Targets, tmp_path: Path) -> None:
    """It has the first bid of the first wish; the chain has the second, and both other wishes."""
    path = tmp_path / "journal.db"
    async with targets.program(path, "one", admitted=True) as before:
        await before.turn()
        copy = copied(path, tmp_path / "copy.db")
        for _ in range(4):
            targets.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(500 * GWEI))
            targets.bench.mine()
            await before.turn()
        assert len(before.open_attempts()) == 2
        before.want(*(targets.wish(before, name) for name in NAMES))
        await before.turn()
        targets.bench.mine()
        assert targets.hits == [1, 1, 1]
        used = before.open_attempts()[1].hash
    async with targets.program(copy, *NAMES, admitted=False) as after:
        with pytest.raises(Quarantined, match="does not know"):
            await after.turn()
        await turns(after, CALM_BLOCKS + 2 * CONFIRMATIONS + 3)
        assert targets.hits == [1, 1, 1]
        assert targets.bench.nonce(after.address) == 3
        assert after.journal.intent_states(NAMES) == {"one": IntentState.SUCCEEDED}
        assert after.family.story("one") == ["succeeded", "Settled"]
        assert after.open_attempts() == []
        assert used not in after.node.sent
        assert "seen at the node, and not signed for this journal" in story_of("one", copy)


async def test_an_older_copy_while_what_it_does_not_know_is_pending(
    targets: Targets, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    async with targets.program(path, "one", admitted=True) as before:
        await before.turn()
        copy = copied(path, tmp_path / "copy.db")
        before.want(*(targets.wish(before, name) for name in NAMES))
        await before.turn()
    async with targets.program(copy, *NAMES, admitted=False) as after:
        with pytest.raises(Quarantined):
            await after.turn()
        theirs = [attempt for attempt in after.open_attempts() if attempt.is_found]
        assert [attempt.nonce for attempt in theirs] == [1, 2]
        await turns(after, CALM_BLOCKS + CONFIRMATIONS + 3)
        assert targets.hits == [1, 1, 1]
        assert targets.bench.nonce(after.address) == 3
        assert all(attempt.purpose is Purpose.ACT for attempt in theirs)


@contextmanager
def a_full_volume(journal: Path):  # type: ignore[no-untyped-def]
    """No file of this process may grow beyond what the journal's log has."""
    size = Path(f"{journal}-wal").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def a_locked_file(journal: Path):  # type: ignore[no-untyped-def]
    """Another process writes to it and does not come to an end."""
    connection = sqlite3.connect(journal, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.close()


@pytest.mark.parametrize("trouble", [a_full_volume, a_locked_file])
async def test_a_journal_that_cannot_be_written(
    targets: Targets, tmp_path: Path, trouble: object
) -> None:
    """Nothing leaves meanwhile; when it can be written again, everything goes on."""
    path = tmp_path / "journal.db"
    async with targets.program(path, "one", admitted=True) as at:
        await at.turn()
        at.want(targets.wish(at, "two"))
        with trouble(path):  # type: ignore[operator]
            for _ in range(2):
                with pytest.raises(JournalUnavailable, match="cannot be written") as said:
                    await at.turn()
                at.bench.mine()
            assert str(path) in str(said.value)
        assert targets.hits == [1, 0, 0]
        assert len(set(at.node.sent)) == 1
        await turns(at, CONFIRMATIONS + 2)
        assert targets.hits == [1, 1, 0]
        assert at.open_attempts() == []
