"""What becomes of a call is told as what it is, once, and nothing is tried twice."""

from scheduler.devchain.scheduling import CallRequest, ScheduledCall
from tests.alarm.rig import Program, World
from tests.alarm.said import Said

GWEI = 10**9


async def ready_to_send(world: World, scheduler: Program, call: ScheduledCall) -> None:
    """The call is tracked, and the block before its target is mined, but not seen yet."""
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 2)
    world.mine()


async def test_a_target_that_reverts_is_executed_and_paid_for_and_told(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 15, to=world.reverter)
    await ready_to_send(world, scheduler, call)
    await scheduler.see()
    said.forget()
    await scheduler.watch_to(call.target_block + 20)
    ((number, _),) = world.executions(call, scheduler.us)
    assert number == call.target_block
    (line,) = said.lines
    assert ": ERROR: Outcome: target_failed at block " in line
    assert "executed, but its target contract failed" in line
    assert scheduler.outcomes() == {"target_failed": 1}


async def test_when_a_rival_was_first_nothing_is_sent(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 15)
    before = world.transactions(scheduler.us)
    # The head before the target is never seen: the next is the one after the rival's block.
    await ready_to_send(world, scheduler, call)
    world.rival_executes(call)
    world.mine()
    await scheduler.see()
    await scheduler.watch_to(call.target_block + 20)
    assert world.transactions(scheduler.us) == before
    assert said.of(call.address)[2:] == [
        "Entering call loop",
        f"Call has already been executed by {world.rival.address} at block {call.target_block}",
    ]


async def test_a_rival_ahead_in_the_same_block_makes_ours_without_effect(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 15)
    await ready_to_send(world, scheduler, call)
    world.rival_executes(call)
    await scheduler.see()
    await scheduler.watch_to(call.target_block + 20)
    assert [number for number, _ in world.executions(call, scheduler.us)] == [call.target_block]
    assert world.hits(call) == 1
    assert scheduler.outcomes() == {"no_effect": 1}
    already, outcome = said.of(call.address)[-2:]
    assert already == (
        f"Call has already been executed by {world.rival.address} at block {call.target_block}"
    )
    assert outcome.startswith(f"Outcome: no_effect at block {call.target_block} ")
    assert "somebody else was first" in outcome


async def test_a_call_that_was_cancelled_far_ahead_is_told_when_it_would_be_tracked(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 280)
    await scheduler.see()
    world.send(world.customer, call, "cancel()")
    world.mine()
    assert world.alarm.view(call.address, "isCancelled()", "bool")
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 41)
    assert said.lines == []
    await scheduler.watch_to(call.target_block + 2)
    assert said.of(call.address) == ["Call has been cancelled"]
    assert world.executions(call, scheduler.us) == []


async def test_a_call_claimed_by_another_is_executed_once_it_is_free_for_all(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 20)
    await scheduler.see()
    world.claim(call, world.rival)
    await scheduler.see()
    assert f"Call has been claimed by {world.rival.address} at block {world.head}" in said.of(
        call.address
    )
    await scheduler.jump_to(call.target_block - 1)
    await scheduler.watch_to(call.target_block + 18)
    assert [number for number, _ in world.executions(call, scheduler.us)] == [
        call.target_block + 16
    ]
    assert scheduler.outcomes() == {"succeeded": 1}


async def test_a_claim_from_before_the_call_was_tracked_is_told_with_it(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 60)
    world.claim(call, world.rival)
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 40)
    assert said.of(call.address) == [
        f"Tracking call: {call.address}",
        f"Sleeping until {call.target_block - 2}",
        f"Call has been claimed by {world.rival.address}",
    ]


async def test_a_call_claimed_by_us_is_executed_at_its_target(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 20)
    world.claim_as(scheduler.us, call)
    await ready_to_send(world, scheduler, call)
    await scheduler.see()
    await scheduler.watch_to(call.target_block + 3)
    _claim, (number, _) = world.executions(call, scheduler.us)
    assert number == call.target_block
    assert world.hits(call) == 1
    assert not any("claimed" in line for line in said.lines)


async def test_an_execution_that_aborts_is_told_with_its_reason_and_not_tried_again(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 15)
    await ready_to_send(world, scheduler, call)
    await scheduler.see()
    said.forget()
    # Between simulation and mining.
    world.make_claimed(call, world.rival.address)
    await scheduler.watch_to(call.target_block + 20)
    assert scheduler.flow.due == 0
    (line,) = said.lines
    assert ": ERROR: Outcome: no_effect at block " in line
    assert "aborted: NOT_AUTHORIZED" in line
    assert len(world.executions(call, scheduler.us)) == 1
    assert world.hits(call) == 0


async def test_an_aborted_execution_is_not_tried_again_after_a_restart(
    world: World, scheduler: Program
) -> None:
    start = world.head
    (call,) = world.schedule(start + 15)
    await ready_to_send(world, scheduler, call)
    await scheduler.see()
    world.make_claimed(call, world.rival.address)
    await scheduler.watch_to(call.target_block + 1)
    scheduler.restart()
    world.make_claimed(call, None)
    await scheduler.watch_to(call.target_block + 4)
    assert scheduler.outcomes() == {"no_effect": 1}
    assert len(world.executions(call, scheduler.us)) == 1
    assert scheduler.flow.due == 0, "it was due with every block, and told as expired at the end"


async def test_a_call_that_cannot_pay_is_told_once_and_executed_when_gas_is_cheap_again(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    target = start + 15
    request = CallRequest(world.counter, target, payment=10**14)
    (call,) = world.schedule(
        target, payment=10**14, gas_price=GWEI, endowment=request.minimum_endowment(GWEI)
    )
    await scheduler.see()
    await scheduler.jump_to(target - 2)
    for block in range(8):
        world.request("anvil_setNextBlockBaseFeePerGas", hex((20 + block) * GWEI))
        world.mine()
        await scheduler.see()
    assert world.executions(call, scheduler.us) == []
    told = [line for line in said.lines if "cannot pay" in line]
    assert len(told) == 1
    assert ": WARNING: Scheduler cannot pay for the call: it would cost " in told[0]
    world.request("anvil_setNextBlockBaseFeePerGas", hex(10**6))
    world.mine()
    cheap = (await scheduler.see()).number
    await scheduler.watch_to(cheap + 2)
    assert [number for number, _ in world.executions(call, scheduler.us)] == [cheap + 1]


async def test_a_call_without_ether_is_told_once_and_expires(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 12, grace=32)
    world.request("anvil_setBalance", call.address, "0x0")
    await scheduler.see()
    last = call.target_block + 31
    await scheduler.watch_to(last - 1)
    assert sum("cannot pay" in line for line in said.lines) == 1
    said.forget()
    await scheduler.watch_to(last + 3)
    assert said.lines == [f"CALL-{call.address.upper()}: ERROR: Call window expired"]
    assert world.executions(call, scheduler.us) == []
    assert scheduler.family.counts() == {"known": 0, "tracked": 0}


async def test_a_call_is_executed_even_in_the_last_block_of_its_window(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 12, grace=32)
    last = call.target_block + 31
    world.mine_to(last - 1)
    await scheduler.see()
    await scheduler.watch_to(last + 1)
    assert [number for number, _ in world.executions(call, scheduler.us)] == [last]
    assert world.hits(call) == 1
    assert "Call window expired" not in said.of(call.address)


async def test_a_call_whose_window_has_passed_at_start_is_not_spoken_of(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 12, grace=32)
    world.mine_to(call.target_block + 31)
    await scheduler.see()
    await scheduler.watch_to(call.target_block + 33)
    assert said.lines == []
    assert world.executions(call, scheduler.us) == []


async def test_a_target_far_too_expensive_for_its_gas_is_told_and_not_sent(
    world: World, scheduler: Program, said: Said
) -> None:
    """requiredGas + overhead beyond what one transaction may have (EIP-7825): it would abort."""
    start = world.head
    (call,) = world.schedule(start + 15, required_gas=17_000_000)
    await ready_to_send(world, scheduler, call)
    await scheduler.see()
    await scheduler.watch_to(call.target_block + 3)
    assert said.of(call.address)[3:] == [
        "Not executing the call: no_effect: aborted: NOT_ENOUGH_GAS"
    ]
    assert world.executions(call, scheduler.us) == []
