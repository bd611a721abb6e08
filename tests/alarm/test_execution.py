"""The main job: each call is executed once, in its target block, and the operator reads how."""

from tests.alarm.rig import Program, World
from tests.alarm.said import Said


async def test_calls_are_executed_exactly_at_their_targets(
    world: World, scheduler: Program
) -> None:
    start = world.head
    calls = world.schedule(start + 20, start + 20, start + 21, start + 25)
    await scheduler.see()
    await scheduler.jump_to(start + 17)
    await scheduler.watch_to(start + 28)
    for call in calls:
        assert [number for number, _ in world.executions(call, scheduler.us)] == [call.target_block]
        assert world.hits(call) == 1
    assert scheduler.outcomes() == {"succeeded": 4}


async def test_a_call_is_told_in_the_words_and_the_order_of_the_seed(
    world: World, scheduler: Program, said: Said
) -> None:
    start = world.head
    (call,) = world.schedule(start + 45)
    target = call.target_block
    name = f"CALL-{call.address.upper()}"
    await scheduler.see()
    await scheduler.watch_to(target - 41)
    assert said.lines == []
    await scheduler.watch_to(target - 40)
    assert said.lines == [
        f"SCHEDULER: INFO: Tracking call: {call.address}",
        f"{name}: INFO: Sleeping until {target - 2}",
    ]
    said.forget()
    await scheduler.jump_to(target - 3)
    assert said.lines == []
    await scheduler.watch_to(target - 2)
    assert said.lines == [f"{name}: INFO: Entering call loop"]
    said.forget()
    await scheduler.watch_to(target - 1)
    assert said.lines == [
        f"{name}: INFO: Attempting to execute call",
        f"{name}: INFO: Transaction accepted.",
    ]
    said.forget()
    await scheduler.watch_to(target + 5)
    ((number, hash_),) = world.executions(call, scheduler.us)
    (line,) = said.lines
    assert line.startswith(
        f"{name}: INFO: Outcome: succeeded at block {number} (target {target}): executed; gas used "
    )
    assert line.endswith(f"transaction {hash_}")
