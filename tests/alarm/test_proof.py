"""Only calls that the Scheduler contract itself knows are signed for, whatever else says so."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode

from scheduler.alarm.abi import EXECUTE
from scheduler.alarm.claiming import Policy, Strategy
from scheduler.alarm.future_calls import CALL_SCHEDULED
from scheduler.chain.model import Address, Hash, Head, Log
from scheduler.devchain.scheduling import ScheduledCall
from scheduler.transactions.intents import Intent
from tests.alarm.rig import Program, World
from tests.alarm.said import Said

IMPOSTOR = "0x" + "1e" * 20


def imitate(world: World, call: ScheduledCall) -> ScheduledCall:
    """A contract that behaves as `call` does to the last word, and was made by somebody else."""
    code = world.request("eth_getCode", call.address, "latest")
    balance = world.request("eth_getBalance", call.address, "latest")
    world.request("anvil_setCode", IMPOSTOR, code)
    world.request("anvil_setBalance", IMPOSTOR, balance)
    for slot in range(32):
        word = world.request("eth_getStorageAt", call.address, hex(slot), "latest")
        world.request("anvil_setStorageAt", IMPOSTOR, f"0x{slot:064x}", word)
    return replace(call, address=IMPOSTOR)


def forge_event(scheduler: Program, call: Address) -> None:
    """From now on the node says that the Scheduler announced `call` in each block."""
    logs = scheduler.node.logs
    contract = scheduler.world.chain.deployment.scheduler

    async def with_forged(
        blocks: Sequence[Hash], topics: Sequence[Hash], address: Address | None = None
    ) -> list[Log]:
        forged = Log(contract, (CALL_SCHEDULED,), encode(["address"], [call]), scheduler.world.head)
        return [*await logs(blocks, topics, address), forged]

    scheduler.node.logs = with_forged  # type: ignore[method-assign]


async def test_a_call_that_a_forged_event_announced_is_tracked_and_never_signed_for(
    world: World, scheduler: Program, said: Said
) -> None:
    await scheduler.see()
    (genuine,) = world.schedule(world.head + 14)
    impostor = imitate(world, genuine)
    forge_event(scheduler, impostor.address)
    await scheduler.watch_to(genuine.target_block + 2)
    assert scheduler.family.counts()["tracked"] == 2
    assert world.executions(genuine, scheduler.us)[0][0] == genuine.target_block
    assert world.executions(impostor, scheduler.us) == []
    assert world.transactions(scheduler.us) == 1
    why = f"nothing proves that {impostor.address} belongs to alarm"
    # Once, however many blocks its window has.
    assert said.of(impostor.address)[-1] == f"Not signing for the call: {why}"
    assert [line for line in said.lines if why in line] == [
        f"CALL-{impostor.address.upper()}: WARNING: Not signing for the call: {why}"
    ]
    # It could have been executed, and would have paid for it.
    world.rival_executes(impostor)
    world.mine()
    assert world.alarm.view(impostor.address, "wasCalled()", "bool") is True


async def test_a_call_is_recognised_by_where_its_transaction_goes_and_what_it_does_there(
    world: World, scheduler: Program
) -> None:
    await scheduler.see()
    (call,) = world.schedule(world.head + 12)
    impostor = imitate(world, call)
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 3)
    world.mine(2)
    event = await scheduler.event()
    assert event is not None
    await scheduler.family.observe(event)
    [wish] = scheduler.family.due(event.head)
    elsewhere = {**wish.params, "call": impostor.address}
    asked = [
        wish,
        replace(wish, to=impostor.address),
        replace(wish, to=impostor.address, params=elsewhere),
        replace(wish, params=elsewhere),
        replace(wish, data=bytes.fromhex("4e71d92d")),  # claim()
        replace(wish, data=wish.data + b"\0"),
    ]
    says = f"{world.chain.deployment.scheduler} knows the call (isKnownCall)"
    assert await scheduler.family.recognises(asked, event.head) == [says, *[None] * 5]


async def test_the_proof_is_made_in_one_batch_with_the_first_simulation_and_kept(
    world: World, scheduler: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[tuple[int, int]] = []
    recognises = scheduler.family.recognises

    async def counted(intents: Sequence[Intent], head: Head) -> list[str | None]:
        heads.append((head.number, len(intents)))
        return await recognises(intents, head)

    monkeypatch.setattr(scheduler.family, "recognises", counted)
    await scheduler.see()
    calls = world.schedule(*[world.head + 14] * 4)
    target = calls[0].target_block
    await scheduler.see()
    await scheduler.watch_to(target + 1)
    assert heads == [(target - 2, 4)]
    for call in calls:
        assert [number for number, _ in world.executions(call, scheduler.us)] == [target]
    keys = [attempt.intent.key for attempt in scheduler.journal.open_attempts(scheduler.account)]
    proofs = [mandate.proof for mandate in scheduler.journal.mandates(keys).values()]
    assert {proof.block for proof in proofs if proof} == {target - 2}


async def test_a_scheduler_that_answers_nonsense_proves_nothing(
    world: World, scheduler: Program, said: Said, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await scheduler.see()
    (call,) = world.schedule(world.head + 12)
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 3)
    # Every call of it answers no data, as of an address without code.
    world.request("anvil_setCode", world.chain.deployment.scheduler, "0x00")
    await scheduler.watch_to(call.target_block)
    assert world.executions(call, scheduler.us) == []
    assert any("nothing proves that" in line for line in said.of(call.address))


@pytest.mark.parametrize(
    ("changed", "proved"),
    [
        ({}, True),
        ({"to": IMPOSTOR}, False),
        ({"data": EXECUTE}, False),
        ({"kind": "execute"}, False),
        ({"value": 10**16 + 1}, False),
        ({"value": 0}, False),
    ],
)
async def test_a_claim_is_proved_for_its_call_and_its_deposit_alone(
    world: World, scheduler: Program, changed: dict[str, Any], proved: bool
) -> None:
    scheduler.claiming = Policy(Strategy.SEED, 10**18)
    scheduler.restart()
    [call] = world.schedule(world.head + 100)
    event = await scheduler.event()
    assert event is not None
    await scheduler.family.observe(event)
    [claim] = scheduler.family.due(event.head)
    assert (claim.to, claim.value, claim.kind) == (call.address, 10**16, "claim")
    [says] = await scheduler.family.recognises([replace(claim, **changed)], event.head)
    assert (says is not None) is proved
