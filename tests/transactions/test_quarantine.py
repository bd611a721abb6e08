"""A journal that may not know what is on its way sends nothing new until that is over."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.errors import NotYet
from scheduler.transactions.journal import Account, Quarantined
from scheduler.transactions.quarantine import CALM_BLOCKS
from scheduler.transactions.states import Quarantine
from tests.transactions.rig import Bench, Office, later, office


@pytest.fixture
async def new(anvil_bench: Bench, tmp_path: Path) -> AsyncIterator[Office]:
    """A program with a journal that was never used, and one wish."""
    path, key = tmp_path / "journal.db", anvil_bench.key()
    async with office(anvil_bench, path, key, admitted=False) as opened:
        opened.want(opened.wish())
        yield opened


async def refused(at: Office, blocks: int) -> None:
    """With each of so many heads nothing is sent, for the sake of the quarantine."""
    for _ in range(blocks):
        with pytest.raises(Quarantined, match="scheduler journal trust"):
            await at.turn()
        at.bench.mine()


async def test_a_new_journal_waits_for_three_calm_blocks(new: Office) -> None:
    await refused(new, CALM_BLOCKS - 1)
    await new.turn()
    new.bench.mine()
    assert new.hits == 1


async def test_blocks_count_only_while_nothing_unknown_is_pending(new: Office) -> None:
    await refused(new, 1)
    new.stranger(0)
    await refused(new, 1)
    await refused(new, CALM_BLOCKS - 1)
    await new.turn()
    new.bench.mine()
    assert new.hits == 2
    assert [attempt.nonce for attempt in new.open_attempts()] == [1]


async def test_a_program_that_starts_begins_to_count_anew(new: Office) -> None:
    """Nobody looked while none ran."""
    await refused(new, CALM_BLOCKS - 1)
    again = later(new)
    await refused(again, CALM_BLOCKS - 1)
    await again.turn()
    assert [attempt.nonce for attempt in new.open_attempts()] == [0]


async def test_all_programs_of_an_account_wait_and_begin_together(new: Office) -> None:
    other = later(new, contract="0x" + "ee" * 20)
    other.want(new.wish("theirs", contract=other.family.contract))
    await refused(new, CALM_BLOCKS - 1)
    with pytest.raises(Quarantined):
        await other.send_due()
    new.want()
    await new.turn()
    await other.send_due()
    assert [attempt.intent.key for attempt in new.open_attempts()] == ["theirs"]


async def test_the_operator_can_say_that_nothing_is_on_its_way(new: Office) -> None:
    await refused(new, 1)
    new.journal.admit(new.desk.account)
    await new.turn()
    new.bench.mine()
    assert new.hits == 1


async def test_a_journal_behind_the_chain_waits_when_its_program_starts(on_anvil: Office) -> None:
    on_anvil.stranger(0)
    on_anvil.bench.mine()
    on_anvil.want(on_anvil.wish())
    await refused(on_anvil, CALM_BLOCKS - 1)
    standing = on_anvil.journal.standing(on_anvil.desk.account)
    assert standing is not None
    assert standing.accounted == 1
    await on_anvil.turn()
    assert [attempt.nonce for attempt in on_anvil.open_attempts()] == [1]


async def test_what_is_pending_and_unknown_when_a_program_starts_is_waited_for(
    on_anvil: Office,
) -> None:
    on_anvil.stranger(0)
    on_anvil.want(on_anvil.wish())
    await refused(on_anvil, CALM_BLOCKS)
    await on_anvil.turn()
    on_anvil.bench.mine()
    assert on_anvil.hits == 2


async def test_once_it_runs_a_strangers_transaction_stops_nothing(
    on_anvil: Office, caplog: pytest.LogCaptureFixture
) -> None:
    await on_anvil.turn()
    on_anvil.stranger(0)
    on_anvil.bench.mine()
    await on_anvil.turn()
    assert "somebody else sends from the account" in caplog.text
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    assert [attempt.nonce for attempt in on_anvil.open_attempts()] == [1]
    await on_anvil.mine_and_turn(4)
    restarted = later(on_anvil)
    restarted.want(on_anvil.wish("two"))
    await restarted.turn()
    on_anvil.bench.mine()
    assert on_anvil.hits == 3
    assert caplog.text.count("somebody else") == 1


async def test_a_syncing_node_lets_nothing_begin(new: Office) -> None:
    new.node.says_syncing = True
    for _ in range(CALM_BLOCKS + 1):
        with pytest.raises(NotYet, match="syncing"):
            await new.turn()
        new.bench.mine()
    assert new.journal.standing(new.desk.account) is None
    new.node.says_syncing = False
    await refused(new, CALM_BLOCKS - 1)
    await new.turn()
    new.bench.mine()
    assert new.hits == 1


async def test_a_journal_of_another_chain_is_new_to_this_one(on_anvil: Office) -> None:
    elsewhere = Account("another chain", on_anvil.address)
    on_anvil.journal.admit(elsewhere)
    on_anvil.journal.put_in_quarantine(elsewhere, Quarantine.BEHIND, 7)
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    assert [attempt.nonce for attempt in on_anvil.open_attempts()] == [0]
    there = later(on_anvil, account=replace(elsewhere, chain="a third one"))
    there.want(on_anvil.wish("two"))
    await refused(there, 1)


async def test_a_node_behind_what_the_journal_was_written_at_is_waited_for(
    on_anvil: Office,
) -> None:
    snapshot = on_anvil.bench.endpoint.request("evm_snapshot")
    on_anvil.bench.mine(3)
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    on_anvil.bench.endpoint.request("evm_revert", snapshot)
    for program in (on_anvil, later(on_anvil)):
        program.want(on_anvil.wish("two"))
        with pytest.raises(NotYet, match="behind block"):
            await program.turn()
    assert [attempt.intent.key for attempt in on_anvil.open_attempts()] == ["one"]
    on_anvil.bench.mine(3)
    await on_anvil.turn()
    on_anvil.bench.mine()
    assert on_anvil.hits == 2
