"""An execution is signed at no price above what its call pays back."""

from dataclasses import replace

import pytest

from scheduler.chain.model import Conditions, Head
from scheduler.devchain.scheduling import ScheduledCall
from scheduler.transactions.encoding import Fee, LegacyFee
from scheduler.transactions.fees import FeePolicy, first_price, price_at
from scheduler.transactions.ladder import fee_of
from scheduler.transactions.simulation import Aim, Trial, simulated
from tests.alarm.customers import CUSTOMERS, Customer
from tests.alarm.rig import Program, World

GWEI = 10**9
VERSIONS = pytest.mark.parametrize("customer", CUSTOMERS, ids=lambda each: each.version)


async def near(world: World, scheduler: Program, customer: Customer) -> ScheduledCall:
    """A call that is due in the block after the next; its head was not seen yet."""
    [call] = customer.schedule(world, world.head + customer.lead + 1)
    scheduler.serve(customer.served_by(scheduler))
    world.request("anvil_setBalance", scheduler.us, hex(10**24))
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 3)
    return call


def at_base_fee(world: World, wei: int) -> None:
    """The next block."""
    world.request("anvil_setNextBlockBaseFeePerGas", hex(wei))
    world.mine()


async def gain(scheduler: Program, head: Head, fee: Fee) -> int:
    """What the account would win in the block after `head`, in wei, at the most that it can cost:
    asked of the contracts, past the sender."""
    [intent] = scheduler.family.due(head)
    trial = Trial(intent, LegacyFee(fee.cap))
    [effects] = await simulated(scheduler.node, [trial], Aim(scheduler.us, head))
    verdict = scheduler.family.judge(intent.kind, intent.params, effects)
    return verdict.earned - effects.gas_used * fee.cap


async def usual(scheduler: Program, head: Head) -> tuple[Fee, int]:
    """The market's price, and the least that certainly enters the next block, wei per gas."""
    conditions = await scheduler.node.conditions(scheduler.us, head)
    market = first_price(head, conditions.suggested, FeePolicy())
    return market, price_at(market, Aim(scheduler.us, head).base_fee)


@VERSIONS
@pytest.mark.parametrize("base_fee", [1, 14, 18, 20, 22, 26, 29, 45, 160])
async def test_an_execution_gains_at_the_highest_price_that_it_is_signed_at_or_is_not_sent(
    world: World, scheduler: Program, customer: Customer, base_fee: int
) -> None:
    """v0.7 pays back less gas than is used, from 25 gwei on that is more than its payment; 1.0 pays
    the scheduled price; all pay no more than they have."""
    call = await near(world, scheduler, customer)
    for _ in range(2):
        at_base_fee(world, base_fee * GWEI)
        head = await scheduler.see()
    attempts = scheduler.journal.open_attempts(scheduler.account)
    market, least = await usual(scheduler, head)
    pays_at_least = await gain(scheduler, head, LegacyFee(least)) >= 0
    assert bool(attempts) == pays_at_least
    if not attempts:
        return
    [attempt] = attempts
    fee = fee_of(attempt.fields)
    assert await gain(scheduler, head, fee) >= 0
    assert least <= fee.cap <= market.cap
    if await gain(scheduler, head, market) >= 0:
        assert fee.cap == market.cap
    # The worst that can come of it.
    before = world.alarm.balance(scheduler.us)
    at_base_fee(world, fee.cap)
    [(number, hash_)] = world.executions(call, scheduler.us)
    assert number == call.target_block
    paid = world.request("eth_getTransactionReceipt", hash_)["effectiveGasPrice"]
    assert int(paid, 16) == fee.cap
    assert world.alarm.balance(scheduler.us) >= before


async def test_a_crowd_that_pays_more_than_the_call_does_is_not_beaten(
    world: World, scheduler: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is offered at what enters where there is room; as it was signed, or anew."""
    (call,) = world.schedule(world.head + 20)
    world.request("anvil_setBalance", scheduler.us, hex(10**24))
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 3)
    look = scheduler.node.conditions

    async def crowded(account: str, head: Head) -> Conditions:
        return replace(await look(account, head), crowded=500 * GWEI)

    monkeypatch.setattr(scheduler.node, "conditions", crowded)
    await scheduler.watch_to(call.target_block - 1)
    [attempt] = scheduler.journal.open_attempts(scheduler.account)
    head = await scheduler.node.block()
    assert head is not None
    fee = fee_of(attempt.fields)
    assert await gain(scheduler, head, fee) >= 0
    assert fee.cap == (await usual(scheduler, head))[1]
    world.mine()
    assert [number for number, _ in world.executions(call, scheduler.us)] == [call.target_block]
