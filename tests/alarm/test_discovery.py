"""Which calls there are: the contract's index and its logs, each checked by the other."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from scheduler.alarm.abi import NotThisContract
from scheduler.alarm.detection import version_at
from scheduler.alarm.future_calls import CALL_SCHEDULED
from scheduler.alarm.v07 import V07
from scheduler.chain.model import Hash, Head
from scheduler.devchain.scheduling import ScheduledCall
from scheduler.errors import NotYet
from tests.alarm.rig import Program, World
from tests.alarm.said import Said


async def walk(scheduler: Program, head: Head) -> list[tuple[str, int]]:
    """The calls and their targets, as the contract's index has them."""
    contract = scheduler.world.chain.deployment.scheduler
    entries = await V07(scheduler.node, contract).walk(head)
    return [(entry.call, entry.target) for entry in entries]


def schedule_at_random(world: World, seed: int) -> list[ScheduledCall]:
    """Calls in several blocks, some of them in one, some with one target."""
    random = Random(seed)
    scheduled = []
    for _ in range(5):
        head = world.head
        targets = [head + 12 + random.randrange(60) for _ in range(random.randrange(1, 5))]
        scheduled += world.schedule(*targets, targets[0])
        world.mine(random.randrange(3))
    return scheduled


@pytest.mark.parametrize("seed", range(3))
async def test_the_index_and_the_logs_tell_of_the_same_calls(
    world: World, scheduler: Program, seed: int
) -> None:
    before = world.head
    scheduled = schedule_at_random(world, seed)
    head = await scheduler.node.block()
    assert head is not None
    contract = world.chain.deployment.scheduler
    walked = await walk(scheduler, head)

    hashes = [
        world.request("eth_getBlockByNumber", hex(number), False)["hash"]
        for number in range(before + 1, head.number + 1)
    ]
    logs = await scheduler.node.logs(hashes, [CALL_SCHEDULED])
    followed = await V07(scheduler.node, contract).follow(logs, head)

    assert set(walked) == {(entry.call, entry.target) for entry in followed}
    assert set(walked) == {(call.address, call.target_block) for call in scheduled}
    assert len(walked) == len(scheduled)
    assert [target for _, target in walked] == sorted(target for _, target in walked)


@pytest.mark.parametrize("seed", range(2))
async def test_what_is_due_is_the_same_however_the_calls_were_found(
    world: World, scheduler: Program, seed: int
) -> None:
    """One family saw each block, one all of them as one gap, one only the index."""
    await scheduler.see()
    by_logs = scheduler.family
    before = world.snapshot()
    scheduled = schedule_at_random(world, seed)
    last = max(call.target_block for call in scheduled)

    gap = await scheduler.event()
    assert gap is not None
    assert len(gap.added) > 1
    assert not gap.rebased
    await by_logs.observe(gap)
    scheduler.restart()
    await scheduler.family.observe(replace(gap, added=(gap.head,), rebased=True))
    assert by_logs.counts() == scheduler.family.counts()

    while world.head < last:
        world.mine()
        head = await scheduler.node.block()
        assert head is not None
        event = replace(gap, head=head, added=(head,), rebased=False)
        for family in (by_logs, scheduler.family):
            await family.observe(event)
            await family.look_ahead(event.head)
        due = {str(intent.params["call"]) for intent in by_logs.due(head)}
        assert due == set(scheduler.due(head))
        assert due == {call.address for call in scheduled if call.target_block <= head.number + 1}
    world.reorg(before)


async def test_calls_scheduled_while_nobody_looked_are_executed_at_their_targets(
    world: World, scheduler: Program
) -> None:
    await scheduler.see()
    start = world.head
    calls = []
    for ahead in (20, 18, 22):
        calls += world.schedule(start + ahead)
        world.mine(2)
    await scheduler.see()
    await scheduler.watch_to(start + 24)
    for call in calls:
        assert [number for number, _ in world.executions(call, scheduler.us)] == [call.target_block]


@pytest.mark.parametrize("late", [0, 200, 253])
async def test_a_call_whose_target_passed_while_the_program_was_down_is_still_executed(
    world: World, scheduler: Program, said: Said, late: int
) -> None:
    (call,) = world.schedule(world.head + 12, grace=255)
    world.mine_to(call.target_block + late)
    await scheduler.see()
    assert said.of(call.address)[:3] == [
        f"Tracking call: {call.address}",
        f"Sleeping until {call.target_block - 2}",
        "Entering call loop",
    ]
    world.mine()
    assert [number for number, _ in world.executions(call, scheduler.us)] == [
        call.target_block + late + 1
    ]
    assert world.hits(call) == 1


async def test_a_cold_start_costs_what_is_open_and_not_what_was(
    world: World, scheduler: Program
) -> None:
    start = world.head
    world.schedule(*range(start + 12, start + 32), grace=32)
    world.mine_to(start + 32 + 256)
    still_open = world.schedule(world.head + 100, world.head + 200)
    head = await scheduler.node.block()
    assert head is not None
    before = scheduler.transport.requests
    found = await walk(scheduler, head)
    assert found == [(call.address, call.target_block) for call in still_open]
    assert scheduler.transport.requests - before == 1


@pytest.mark.parametrize("at_once", [0, 1, 3])
async def test_a_walk_goes_on_where_one_request_ended(
    world: World, scheduler: Program, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Gas may run short after any call of the index; a node that does not run code that is nowhere
    answers nothing, and is asked for one call after the other."""
    schedule_at_random(world, 7)
    head = await scheduler.node.block()
    assert head is not None
    whole = await walk(scheduler, head)
    assert len(whole) > 2 * max(1, at_once)
    run = scheduler.node.run

    async def cut(codes: Sequence[bytes], at: Hash) -> list[bytes]:
        return [answer[: 64 * at_once] for answer in await run(codes, at)]

    monkeypatch.setattr(scheduler.node, "run", cut)
    assert await walk(scheduler, head) == whole


async def test_a_call_that_does_not_say_its_target_is_no_call_of_this_version(
    world: World, scheduler: Program
) -> None:
    calls = world.schedule(*range(world.head + 20, world.head + 25))
    world.request("anvil_setCode", calls[2].address, "0xfe")
    head = await scheduler.node.block()
    assert head is not None
    with pytest.raises(NotThisContract):
        await walk(scheduler, head)


async def test_the_walk_begins_where_a_call_of_the_longest_grace_may_be_open(
    world: World, scheduler: Program
) -> None:
    (call,) = world.schedule(world.head + 12, grace=255)
    world.mine_to(call.target_block + 253)
    for late in (253, 254, 255, 256):
        head = await scheduler.node.block()
        assert head is not None
        found = await walk(scheduler, head)
        # Its last block is target + 254: what is found too late is left out when it is read.
        assert found == ([(call.address, call.target_block)] if late <= 255 else [])
        world.mine()


async def test_a_contract_that_is_gone_is_waited_for(world: World, scheduler: Program) -> None:
    await scheduler.see()
    (call,) = world.schedule(world.head + 20)
    contract = world.chain.deployment.scheduler
    code = world.request("eth_getCode", contract, "latest")
    world.request("anvil_setCode", contract, "0x")
    world.mine()
    scheduler.restart()
    with pytest.raises(NotYet, match=f"{contract} .* is no Alarm Clock contract of v0.7"):
        await scheduler.see()
    world.request("anvil_setCode", contract, code)
    await scheduler.watch_to(call.target_block)
    assert world.hits(call) == 1


async def test_the_contract_is_checked_for_code_and_version(
    world: World, scheduler: Program
) -> None:
    head = await scheduler.node.block()
    assert head is not None
    deployed = world.chain.deployment
    factory = deployed.request_factory
    for contract, name, served in (
        (deployed.scheduler, "v0.7", deployed.scheduler),
        (deployed.scheduler_v06, "v0.6", deployed.scheduler_v06),
        (factory, "1.0", factory),
        (deployed.block_scheduler, "1.0", factory),
        (deployed.timestamp_scheduler, "1.0", factory),
    ):
        version = await version_at(scheduler.node, contract, head)
        assert (version.name, version.contract) == (name, served)
    with pytest.raises(NotYet, match="there is no contract at 0x11"):
        await version_at(scheduler.node, "0x" + "11" * 20, head)
    with pytest.raises(NotYet, match="callAPIVersion is none, and it has no RequestFactory"):
        await version_at(scheduler.node, world.counter, head)


async def test_a_call_is_no_scheduler_although_it_has_a_version(
    world: World, scheduler: Program
) -> None:
    (call,) = world.schedule(world.head + 20)
    head = await scheduler.node.block()
    assert head is not None
    with pytest.raises(NotYet, match="callAPIVersion is 2, and"):
        await version_at(scheduler.node, call.address, head)


async def test_announcements_by_strangers_are_not_believed(
    world: World, scheduler: Program, said: Said
) -> None:
    """Any contract can log CallScheduled."""
    await scheduler.see()
    topic = CALL_SCHEDULED[2:]
    # PUSH20 itself, PUSH1 0, MSTORE, PUSH32 topic, PUSH1 32, PUSH1 0, LOG1
    stranger = "0x" + "57" * 20
    world.request("anvil_setCode", stranger, f"0x30600052{'7f' + topic}60206000a1")
    sent = world.customer.send(stranger)
    world.mine()
    receipt = world.request("eth_getTransactionReceipt", sent)
    assert receipt["logs"][0]["topics"] == [CALL_SCHEDULED]
    await scheduler.see()
    assert scheduler.family.counts() == {"known": 0, "tracked": 0}
    assert said.lines == []
