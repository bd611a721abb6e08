"""A rival whose execution the pool shows costs a simulation, and he scares nobody away."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from scheduler.chain.errors import RpcError
from scheduler.devchain.scheduling import CallRequest, ScheduledCall, schedule
from scheduler.transactions.encoding import Fee
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.ladder import fee_of
from scheduler.transactions.rivals import Rival, in_front
from tests import nodes
from tests.alarm.customers import CUSTOMERS, Customer
from tests.alarm.rig import EXECUTE, Program, World, program
from tests.alarm.said import Said

GWEI, ETHER = 10**9, 10**18
V07 = CUSTOMERS[1]
each_version = pytest.mark.parametrize("customer", CUSTOMERS, ids=lambda each: each.version)

# More than any call pays for, wei per gas.
PRICELESS = 20_000 * GWEI
# Each version's execution aborts with so much gas, or so little (v0.7 and 1.0 say so by a log).
TOO_LITTLE = 120_000


@pytest_asyncio.fixture
async def contested(
    world: World, tmp_path: Path, customer: Customer
) -> AsyncIterator[tuple[Program, ScheduledCall]]:
    """A scheduler that has signed an execution for the block after next, and its call."""
    [call] = customer.schedule(world, world.head + customer.lead + 1)
    for account in (world.rival.address, world.customer.address):
        world.request("anvil_setBalance", account, hex(1_000 * ETHER))
    async with program(world, tmp_path) as scheduler:
        # The pool is waited for a tenth of a slot; this machine may have other things to do.
        scheduler.slot_time = 60
        scheduler.serve(customer.served_by(scheduler))
        await scheduler.see()
        await scheduler.jump_to(call.target_block - 3)
        await scheduler.watch_to(call.target_block - 2)
        assert scheduler.flow._ahead._items
        world.mine()
        yield scheduler, call


def rival_executes(world: World, call: ScheduledCall, price: int, **fields: Any) -> str:
    """The rival's execution is in the pool; its hash."""
    fields = {"gas": 400_000, **fields}
    return world.rival.send(call.address, EXECUTE, gas_price=price, **fields)


def ours(scheduler: Program) -> Fee | None:
    """At which fee we have sent it; None where we have not."""
    attempts = scheduler.journal.open_attempts(scheduler.account)
    return fee_of(attempts[0].fields) if attempts else None


async def is_first(scheduler: Program, call: ScheduledCall, fee: Fee) -> bool:
    """Whether no other transaction to the call, of those that the pool shows, is before it."""
    head = await scheduler.node.block()
    assert head is not None
    pending = await scheduler.node.pending()
    others = [
        Rival(sender, sent)
        for (sender, _), sent in pending.items()
        if sent.to == call.address and sender != scheduler.us
    ]
    assert others
    return not in_front(others, fee, head)


@each_version
async def test_one_who_pays_more_than_the_call_is_worth_costs_a_simulation_and_no_gas(
    world: World, contested: tuple[Program, ScheduledCall], said: Said
) -> None:
    scheduler, call = contested
    before = world.alarm.balance(scheduler.us)
    sent = rival_executes(world, call, PRICELESS)
    await scheduler.see()
    assert ours(scheduler) is None
    world.mine()
    await scheduler.see()
    assert world.hits(call) == 1
    assert world.executions(call, scheduler.us) == []
    assert world.alarm.balance(scheduler.us) == before
    told = f"transaction {sent} of {world.rival.address} comes before it"
    assert f"Not executing the call: no_effect: {told}" in said.of(call.address)


@each_version
async def test_one_is_outbid_where_the_call_pays_for_it(
    contested: tuple[Program, ScheduledCall], world: World
) -> None:
    scheduler, call = contested
    rival_executes(world, call, 9 * GWEI)
    await scheduler.see()
    fee = ours(scheduler)
    assert fee is not None
    assert await is_first(scheduler, call, fee)
    # By a wei, and no more than the next block's base fee may ask for besides.
    assert fee.cap < 11 * GWEI


@pytest.mark.parametrize("customer", [V07], ids=["0.7"])
async def test_nobody_is_outbid_above_the_operators_ceiling(
    contested: tuple[Program, ScheduledCall], world: World
) -> None:
    scheduler, call = contested
    scheduler.policy = FeePolicy(max_gas_price=8 * GWEI)
    scheduler.restart()
    rival_executes(world, call, 9 * GWEI)
    await scheduler.see()
    assert ours(scheduler) is None


@each_version
async def test_one_who_aborts_changes_nothing(
    contested: tuple[Program, ScheduledCall], world: World
) -> None:
    scheduler, call = contested
    prepared = scheduler.flow._ahead._items[0].transaction.fee
    rival_executes(world, call, 30 * GWEI, gas=TOO_LITTLE)
    await scheduler.see()
    fee = ours(scheduler)
    assert fee is not None
    assert fee.cap <= prepared.cap
    world.mine()
    assert [number for number, _ in world.executions(call, scheduler.us)] == [call.target_block]
    assert world.hits(call) == 1


@each_version
async def test_one_who_pays_less_is_not_even_simulated(
    contested: tuple[Program, ScheduledCall], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, call = contested
    [item] = scheduler.flow._ahead._items
    monkeypatch.setattr(scheduler.node, "simulate", None)
    base = world.chain.endpoint.request("eth_getBlockByNumber", "pending", False)["baseFeePerGas"]
    rival_executes(world, call, int(base, 16) + 1)
    await scheduler.see()
    [attempt] = scheduler.journal.open_attempts(scheduler.account)
    assert item.signed is not None
    assert attempt.raw == item.signed.raw


@pytest.mark.parametrize("customer", [V07], ids=["0.7"])
async def test_one_who_withdraws_in_time_leaves_what_was_signed_as_it_is(
    contested: tuple[Program, ScheduledCall], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, call = contested
    [item] = scheduler.flow._ahead._items
    monkeypatch.setattr(scheduler.node, "simulate", None)
    nonce = world.transactions(world.rival.address)
    rival_executes(world, call, 50 * GWEI, nonce=nonce)
    world.rival.send(world.rival.address, gas=21_000, gas_price=60 * GWEI, nonce=nonce)
    await scheduler.see()
    assert item.signed is not None
    [attempt] = scheduler.journal.open_attempts(scheduler.account)
    assert attempt.raw == item.signed.raw


@pytest.mark.parametrize("customer", [V07], ids=["0.7"])
async def test_a_bluff_costs_a_block_and_no_more(
    contested: tuple[Program, ScheduledCall], world: World
) -> None:
    """He withdraws too late for this block; in the next the call is executed all the same."""
    scheduler, call = contested
    rival_executes(world, call, PRICELESS)
    await scheduler.see()
    assert ours(scheduler) is None
    world.request("anvil_dropAllTransactions")
    await scheduler.watch_to(call.target_block + 1)
    number = call.target_block + 1
    assert [at for at, _ in world.executions(call, scheduler.us)] == [number]


@pytest.mark.parametrize("customer", [V07], ids=["0.7"])
async def test_of_several_the_one_who_executes_is_outbid_and_not_who_aborts_before_him(
    contested: tuple[Program, ScheduledCall], world: World
) -> None:
    scheduler, call = contested
    world.send(world.customer, call, "execute()", gas_price=9 * GWEI)
    rival_executes(world, call, PRICELESS, gas=TOO_LITTLE)
    await scheduler.see()
    fee = ours(scheduler)
    assert fee is not None
    assert 9 * GWEI < fee.cap < 11 * GWEI


@pytest.mark.parametrize("customer", [V07], ids=["0.7"])
async def test_calls_without_a_rival_do_not_wait_for_the_others(
    world: World, scheduler: Program, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.slot_time = 60
    scheduler.serve(customer.served_by(scheduler))
    calls = customer.schedule(world, *[world.head + 20] * 3)
    world.request("anvil_setBalance", world.rival.address, hex(1_000 * ETHER))
    await scheduler.see()
    await scheduler.jump_to(calls[0].target_block - 3)
    await scheduler.watch_to(calls[0].target_block - 2)
    world.mine()
    rival_executes(world, calls[0], PRICELESS)
    events: list[str] = []
    simulate, send = scheduler.node.simulate, scheduler.node.send_raw

    async def noted_simulation(*given: Any, **fields: Any) -> Any:
        events.append("simulated")
        return await simulate(*given, **fields)

    async def noted_sending(raws: Any) -> Any:
        events.append(f"sent {len(raws)}")
        return await send(raws)

    monkeypatch.setattr(scheduler.node, "simulate", noted_simulation)
    monkeypatch.setattr(scheduler.node, "send_raw", noted_sending)
    await scheduler.see()
    assert events[0] == "sent 2"
    assert "simulated" in events[1:]
    world.mine()
    assert [world.executions(call, scheduler.us) != [] for call in calls] == [False, True, True]


@pytest.mark.parametrize("customer", [V07], ids=["0.7"])
async def test_a_pool_that_is_not_shown_keeps_nothing_back(
    contested: tuple[Program, ScheduledCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, _ = contested

    async def refused() -> Any:
        raise RpcError(-32601, "the method eth_getBlockByNumber is not available")

    monkeypatch.setattr(scheduler.node, "pending", refused)
    await scheduler.see()
    assert ours(scheduler) is not None


@pytest.mark.parametrize("customer", [V07], ids=["0.7"])
async def test_a_pool_that_is_slow_to_be_shown_keeps_nothing_back(
    contested: tuple[Program, ScheduledCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, _ = contested
    scheduler.flow._sender.pool._patience = 0.01

    async def never() -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(scheduler.node, "pending", never)
    await scheduler.see()
    assert ours(scheduler) is not None


async def test_on_geth_blocks_are_built_as_was_foreseen(tmp_path: Path) -> None:
    """One rival is outbid, one is too dear, and one aborts."""
    tries = [(3 * GWEI, 400_000), (400 * GWEI, 400_000), (400 * GWEI, TOO_LITTLE)]
    with nodes.alarm_on_geth() as chain:
        world, scheduler_v07 = World(chain), chain.deployment.scheduler
        first = world.head + 14
        calls = {
            first + each: schedule(
                world.customer, scheduler_v07, CallRequest(world.counter, first + each)
            )
            for each in range(3)
        }
        async with program(world, tmp_path) as scheduler:
            scheduler.slot_time = 60
            scheduler.restart()
            async for event in scheduler.node.follow():
                following = event.head.number + 1
                if following in calls:
                    price, gas = tries[following - first]
                    rival_executes(world, calls[following], price, gas=gas)
                await scheduler.flow.on(event)
                if event.head.number > first + 3:
                    break
            assert scheduler.outcomes() == {"succeeded": 2}
        for (target, call), is_ours in zip(calls.items(), (True, False, True), strict=True):
            assert world.hits(call) == 1
            found = [number for number, _ in world.executions(call, chain.account)]
            assert found == [target] * is_ours
