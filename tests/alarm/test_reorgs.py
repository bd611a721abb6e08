"""Reorgs and gaps: what the chain takes back is taken back, and each call is executed once."""

import pytest

from scheduler.chain.errors import NodeUnavailable
from scheduler.chain.heads import HeadTracker
from scheduler.devchain.scheduling import ScheduledCall
from scheduler.transactions.intents import Mined, Verdict
from scheduler.transactions.states import OutcomeKind
from tests.alarm.rig import Program, World
from tests.alarm.said import Said


async def mined_at_its_target(world: World, scheduler: Program) -> tuple[ScheduledCall, str, str]:
    """A call that was executed, a snapshot from before its target, and the execution's bytes."""
    (call,) = world.schedule(world.head + 15)
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 2)
    world.mine()
    before = world.snapshot()
    await scheduler.see()
    (attempt,) = scheduler.journal.open_attempts(scheduler.account)
    assert attempt.raw is not None
    world.mine()
    await scheduler.see()
    assert scheduler.outcomes() == {"succeeded": 1}
    return call, before, "0x" + attempt.raw.hex()


async def test_a_call_whose_block_was_removed_is_forgotten(
    world: World, scheduler: Program, said: Said
) -> None:
    await scheduler.see()
    before = world.snapshot()
    (call,) = world.schedule(world.head + 15)
    await scheduler.see()
    assert scheduler.family.counts() == {"known": 1, "tracked": 1}
    world.reorg(before)
    world.mine(2)
    await scheduler.see()
    assert scheduler.family.counts() == {"known": 0, "tracked": 0}
    assert said.of(call.address)[2:] == ["A reorg removed the call; it is not scheduled any more"]
    sent = world.transactions(scheduler.us)
    await scheduler.watch_to(call.target_block + 2)
    assert world.transactions(scheduler.us) == sent


async def test_a_call_that_moved_to_another_block_is_executed_and_announced_once(
    world: World, scheduler: Program, said: Said
) -> None:
    await scheduler.see()
    before = world.snapshot()
    target = world.head + 20
    (call,) = world.schedule(target)
    await scheduler.see()
    world.reorg(before)
    world.mine()
    (moved,) = world.schedule(target)
    assert moved.address == call.address
    assert moved.scheduled_in == call.scheduled_in + 1
    await scheduler.see()
    await scheduler.jump_to(target - 2)
    await scheduler.watch_to(target + 1)
    assert [number for number, _ in world.executions(moved, scheduler.us)] == [target]
    assert said.of(call.address).count(f"Tracking call: {call.address}") == 1
    assert not any("reorg" in line for line in said.lines)


async def test_a_reorg_above_the_block_that_scheduled_a_call_in_a_gap_leaves_it_alone(
    world: World, scheduler: Program, said: Said
) -> None:
    await scheduler.see()
    (call,) = world.schedule(world.head + 20)
    before = world.snapshot()
    world.mine(2)
    await scheduler.see()
    world.reorg(before)
    world.mine(3)
    await scheduler.see()
    assert scheduler.family.counts() == {"known": 1, "tracked": 1}
    await scheduler.jump_to(call.target_block - 1)
    await scheduler.watch_to(call.target_block + 1)
    assert [number for number, _ in world.executions(call, scheduler.us)] == [call.target_block]
    assert not any("reorg" in line for line in said.lines)


async def test_another_call_at_the_same_address_is_another_call(
    world: World, scheduler: Program, said: Said
) -> None:
    await scheduler.see()
    before = world.snapshot()
    (call,) = world.schedule(world.head + 15)
    await scheduler.see()
    world.reorg(before)
    (other,) = world.schedule(world.head + 20)
    assert other.address == call.address
    world.mine()
    await scheduler.see()
    assert said.of(call.address) == [
        f"Tracking call: {call.address}",
        f"Sleeping until {call.target_block - 2}",
        "A reorg removed the call; it is not scheduled any more",
        f"Tracking call: {call.address}",
        f"Sleeping until {other.target_block - 2}",
    ]
    await scheduler.watch_to(other.target_block + 1)
    assert [number for number, _ in world.executions(other, scheduler.us)] == [other.target_block]


async def test_what_became_of_the_old_call_at_an_address_does_not_end_the_new_one(
    world: World, scheduler: Program
) -> None:
    """Bytes that were sent for the old call may be mined after the reorg that replaced it."""
    await scheduler.see()
    before = world.snapshot()
    (call,) = world.schedule(world.head + 12)
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 1)
    (attempt,) = scheduler.journal.open_attempts(scheduler.account)
    assert attempt.raw is not None
    world.reorg(before)
    (other,) = world.schedule(world.head + 30)
    assert other.address == call.address
    world.request("eth_sendRawTransaction", "0x" + attempt.raw.hex())
    world.mine_to(call.target_block)
    await scheduler.see()
    assert scheduler.outcomes() == {"no_effect": 1}
    await scheduler.watch_to(other.target_block + 1)
    assert [number for number, _ in world.executions(other, scheduler.us)][1:] == [
        other.target_block
    ]
    assert world.hits(other) == 1


async def test_an_execution_that_a_reorg_removed_is_sent_again_with_the_same_bytes(
    world: World, scheduler: Program, said: Said
) -> None:
    call, before, _raw = await mined_at_its_target(world, scheduler)
    ((_, hash_),) = world.executions(call, scheduler.us)
    world.reorg(before)
    world.mine(2)
    await scheduler.see()
    assert f"A reorg removed the block; transaction {hash_} is pending again" in said.of(
        call.address
    )
    assert world.hits(call) == 0
    await scheduler.watch_to(world.head + 5)
    assert world.executions(call, scheduler.us) == [(call.target_block + 2, hash_)]
    assert world.hits(call) == 1
    assert scheduler.outcomes() == {"succeeded": 1}


async def test_our_own_execution_moved_by_a_reorg_is_not_told_as_somebody_elses(
    world: World, scheduler: Program, said: Said
) -> None:
    call, before, raw = await mined_at_its_target(world, scheduler)
    world.reorg(before)
    fork = world.snapshot()
    world.mine()
    await scheduler.see()
    assert world.hits(call) == 0
    world.reorg(fork)
    world.request("eth_sendRawTransaction", raw)
    world.mine(2)
    await scheduler.see()
    assert len(world.executions(call, scheduler.us)) == 1
    assert not any("already been executed" in line for line in said.lines)
    assert said.of(call.address)[-1].startswith("Outcome: succeeded")


@pytest.mark.parametrize("blocks", [3, 300])
async def test_our_own_execution_seen_after_a_gap_is_told_by_its_outcome_alone(
    world: World, scheduler: Program, said: Said, blocks: int
) -> None:
    """It is not told as somebody else's, nor as a window that passed."""
    (call,) = world.schedule(world.head + 15)
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 1)
    said.forget()
    world.mine(blocks)
    scheduler.tracker = HeadTracker()
    await scheduler.see()
    (outcome,) = said.of(call.address)
    assert outcome.startswith(f"Outcome: succeeded at block {call.target_block}")


async def test_when_a_reorg_lets_a_rival_be_first_ours_is_told_as_without_effect(
    world: World, scheduler: Program, said: Said
) -> None:
    call, before, _raw = await mined_at_its_target(world, scheduler)
    world.reorg(before)
    world.rival_executes(call)
    world.mine(2)
    await scheduler.see()
    await scheduler.watch_to(world.head + 5)
    assert world.hits(call) == 1
    assert len(world.executions(call, scheduler.us)) == 1
    assert scheduler.outcomes() == {"no_effect": 1}
    assert "somebody else was first" in said.of(call.address)[-1]


async def test_a_rivals_execution_that_a_reorg_removed_leaves_the_call_to_us(
    world: World, scheduler: Program
) -> None:
    (call,) = world.schedule(world.head + 15)
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 2)
    world.mine()
    before = world.snapshot()
    world.rival_executes(call)
    world.mine()
    assert scheduler.due(await scheduler.see()) == []
    world.reorg(before)
    world.mine(2)
    assert scheduler.due(await scheduler.see()) == [call.address]
    await scheduler.watch_to(world.head + 1)
    assert world.hits(call) == 1
    assert scheduler.outcomes() == {"succeeded": 1}


@pytest.mark.parametrize("deeper", [0, 2])
async def test_a_reorg_of_the_block_at_which_the_index_was_walked_loses_and_keeps_no_call_wrongly(
    world: World, scheduler: Program, deeper: int
) -> None:
    """Of the calls that a walk found nobody knows the block that scheduled them."""
    await scheduler.see()
    start = world.head
    (kept,) = world.schedule(start + 25)
    before = world.snapshot()
    (gone,) = world.schedule(start + 26)
    await scheduler.see()
    world.mine(deeper)
    if deeper:
        await scheduler.see()
    await broken(world, scheduler)
    # Read anew from the index, at this head.
    await scheduler.see()
    assert scheduler.family.counts() == {"known": 3, "tracked": 3}
    world.mine()
    await scheduler.see()
    world.reorg(before)
    world.mine(deeper + 5)
    await scheduler.see()
    assert scheduler.family.counts() == {"known": 1, "tracked": 1}
    await scheduler.jump_to(kept.target_block - 1)
    await scheduler.watch_to(gone.target_block + 1)
    assert [number for number, _ in world.executions(kept, scheduler.us)] == [kept.target_block]


async def broken(world: World, scheduler: Program) -> None:
    """The connection breaks at a head with something to read, and the next block is mined."""
    world.schedule(world.head + 40)
    scheduler.node.reads_before_failure = 0
    with pytest.raises(NodeUnavailable):
        await scheduler.see()
    world.mine()


async def test_a_reorg_that_follows_a_gap_is_noticed(world: World, scheduler: Program) -> None:
    await scheduler.see()
    before = world.snapshot()
    world.schedule(world.head + 31)
    await scheduler.see()
    world.mine()
    scheduler.tracker = HeadTracker()
    await scheduler.see()
    world.reorg(before)
    (call,) = world.schedule(world.head + 30)
    world.mine(7)
    await scheduler.see()
    assert scheduler.family.counts() == {"known": 1, "tracked": 1}
    await scheduler.jump_to(call.target_block - 1)
    await scheduler.watch_to(call.target_block + 2)
    assert [number for number, _ in world.executions(call, scheduler.us)] == [call.target_block]


async def test_reading_everything_anew_repeats_nothing_to_the_operator(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    past, rival, near, claimed = world.schedule(start + 12, start + 13, start + 60, start + 59)
    world.request("anvil_setBalance", past.address, "0x0")
    world.claim(claimed, world.rival)
    await scheduler.see()
    world.mine_to(rival.target_block - 1)
    world.rival_executes(rival)
    world.mine()
    await scheduler.see()
    await scheduler.watch_to(near.target_block - 1)
    said.forget()
    for _ in range(2):
        world.mine()
        scheduler.tracker = HeadTracker()
        await scheduler.see()
    assert [line for line in said.lines if "Outcome" not in line] == []
    assert world.hits(near) == 1


async def test_a_call_whose_window_passed_during_a_gap_is_told_as_expired(
    world: World, scheduler: Program, said: Said
) -> None:
    (call,) = world.schedule(world.head + 15, grace=32)
    await scheduler.see()
    world.mine_to(call.target_block + 300)
    scheduler.tracker = HeadTracker()
    await scheduler.see()
    assert said.of(call.address)[2:] == ["Call window expired"]


# The one left out is the proof that the first call is the contract's own: it is read when the call
# is sent, in its last block.
@pytest.mark.parametrize("reads", [0, 1, 2, 4])
async def test_a_connection_that_breaks_while_blocks_are_looked_at_costs_nothing(
    world: World, scheduler: Program, said: Said, reads: int
) -> None:
    """Whichever read fails, everything is read anew with the next head."""
    start = world.head
    near, far = world.schedule(start + 14, start + 70)
    await scheduler.see()
    failures = 0
    scheduler.node.reads_before_failure = reads
    later: ScheduledCall | None = None
    while world.head < far.target_block - 30:
        if world.head == start + 8:
            (later,) = world.schedule(start + 30)
        else:
            world.mine()
        try:
            await scheduler.see()
        except NodeUnavailable:
            failures += 1
    assert failures == 1
    assert later is not None
    for call in (near, later):
        assert [number for number, _ in world.executions(call, scheduler.us)] == [call.target_block]
    for call in (near, later, far):
        assert said.of(call.address).count(f"Tracking call: {call.address}") == 1


@pytest.mark.parametrize("reads", range(2))
async def test_an_outcome_that_is_told_while_all_is_read_anew_is_not_forgotten(
    world: World, scheduler: Program, said: Said, reads: int
) -> None:
    """Receipts are looked at even where looking at the calls failed."""
    (call,) = world.schedule(world.head + 15, grace=32)
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 1)
    world.make_claimed(call, world.rival.address)
    world.mine()
    scheduler.tracker = HeadTracker()
    scheduler.node.reads_before_failure = reads
    with pytest.raises(NodeUnavailable):
        await scheduler.see()
    assert scheduler.outcomes() == {"no_effect": 1}
    # Without the claim it would be due.
    world.make_claimed(call, None)
    await scheduler.watch_to(call.target_block + 35)
    assert len(world.executions(call, scheduler.us)) == 1
    assert said.of(call.address)[-1].startswith("Outcome: no_effect")


async def test_a_verdict_for_a_call_that_is_not_tracked_is_told_all_the_same(
    world: World, scheduler: Program, said: Said
) -> None:
    call, _before, _raw = await mined_at_its_target(world, scheduler)
    (attempt,) = scheduler.journal.open_attempts(scheduler.account)
    (receipt,) = await scheduler.node.receipts([attempt.hash or ""])
    assert receipt is not None
    scheduler.restart()
    said.forget()
    scheduler.family.told(attempt.intent, Mined(receipt, Verdict(OutcomeKind.SUCCEEDED, "done")))
    (line,) = said.of(call.address)
    assert f"(target {call.target_block}): done" in line


async def test_a_call_whose_window_a_reorg_opens_again_is_executed(
    world: World, scheduler: Program, said: Said
) -> None:
    """It was dropped when its window was over; its contract says so no more."""
    (call,) = world.schedule(world.head + 20, grace=32)
    last = call.target_block + 31
    world.request("anvil_setBalance", call.address, "0x0")
    await scheduler.see()
    await scheduler.jump_to(last - 2)
    fork = world.snapshot()
    await scheduler.jump_to(last)
    assert "Call window expired" in said.of(call.address)
    assert scheduler.family.counts() == {"known": 0, "tracked": 0}
    world.reorg(fork)
    world.request("anvil_setBalance", call.address, hex(10**18))
    await scheduler.jump_to(last - 1)
    world.mine()
    assert [number for number, _ in world.executions(call, scheduler.us)] == [last]
    assert world.hits(call) == 1
