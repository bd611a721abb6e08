"""Calls of the real contracts are claimed, by us or by others, and every wei is in the books."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from scheduler.alarm.calls import Unit
from scheduler.alarm.claiming import Policy, Strategy, drawing
from scheduler.alarm.v10 import V10
from scheduler.chain.model import ZERO_ADDRESS
from scheduler.devchain.scheduling import ScheduledCall
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.purse import Allowance, Budget, Deposits, Funds
from scheduler.transactions.states import Purpose
from tests.alarm.customers import CUSTOMERS, Customer, request
from tests.alarm.rig import Program, World, program
from tests.alarm.said import Said

ETHER, GWEI = 10**18, 10**9
DEPOSIT = 10**16
MARGIN = 4
POLICY = Policy(Strategy.SEED, ETHER, {Unit.BLOCKS: MARGIN, Unit.SECONDS: 60})

V07 = CUSTOMERS[1]
each_version = pytest.mark.parametrize("customer", CUSTOMERS, ids=lambda each: each.version)
only_v07 = pytest.mark.parametrize("customer", [V07], ids=["0.7"])

# Blocks from the target back to the first that can claim; it is where N is 0.
OPENS = 265


@pytest_asyncio.fixture
async def serving(scheduler: Program, customer: Customer) -> Program:
    """A scheduler that claims the customer's calls wherever chance can decide so."""
    claim_as(scheduler, customer, POLICY)
    return scheduler


def claim_as(scheduler: Program, customer: Customer, policy: Policy) -> None:
    scheduler.claiming = policy
    scheduler.serve(customer.served_by(scheduler))


def scheduled(world: World, customer: Customer) -> ScheduledCall:
    """A call whose claims have not begun yet."""
    [call] = customer.schedule(world, world.head + 312)
    return call


async def at_place(serving: Program, call: ScheduledCall, n: int) -> None:
    """The head is where N is `n`, and seen."""
    await serving.jump_to(call.target_block - OPENS + n)


def claimer(world: World, call: ScheduledCall, customer: Customer = V07) -> str:
    if customer.version == "1.0":
        return str(world.alarm.view(call.address, "requestData()", "address"))
    return str(world.alarm.view(call.address, "claimer()", "address"))


def pending(serving: Program) -> int:
    """How many transactions of ours wait to be mined."""
    return len([a for a in serving.journal.open_attempts(serving.account) if not a.block_number])


def overtake(world: World, serving: Program, call: ScheduledCall) -> None:
    """The rival's claim comes to be before ours in the next block, which has both."""
    ours = [attempt.raw for attempt in serving.journal.open_attempts(serving.account)]
    world.request("anvil_dropAllTransactions")
    world.send(world.rival, call, "claim()", value=DEPOSIT)
    for raw in ours:
        assert raw is not None
        world.request("eth_sendRawTransaction", "0x" + raw.hex())


def booked(serving: Program) -> int:
    """What the journal says that was earned more than spent, wei."""
    allowance = Allowance(Budget(loss_per_contract=ETHER), Funds(0, 0, serving.world.head))
    expenses = serving.journal.purse(serving.account, allowance).books.expenses
    return sum(each.earned - each.spent for each in expenses)


async def executed_at(serving: Program, call: ScheduledCall, block: int) -> None:
    """It is seen from shortly before its target on, and executed in this block."""
    await serving.jump_to(call.target_block - 3)
    await serving.watch_to(block + 1)
    sent = [number for number, _ in serving.world.executions(call, serving.us)]
    assert [number for number in sent if number >= call.target_block] == [block]
    assert serving.world.hits(call) == 1


@each_version
async def test_a_call_is_claimed_once_executed_first_and_booked_to_the_wei(
    world: World, serving: Program, customer: Customer, said: Said
) -> None:
    call = scheduled(world, customer)
    before = world.alarm.balance(serving.us)
    await serving.see()
    await at_place(serving, call, 100)
    await serving.watch_to(world.head + 3)
    assert claimer(world, call, customer) == serving.us
    assert len(world.executions(call, serving.us)) == 1
    assert world.alarm.balance(serving.us) - before == booked(serving)
    # The claim is worth that alone: the call is ours while others have to wait.
    world.rival_executes(call)
    await executed_at(serving, call, call.target_block)
    assert serving.outcomes() == {"succeeded": 2}
    assert world.alarm.balance(serving.us) - before == booked(serving) > 0
    lines = said.of(call.address)
    assert "Attempting to claim call" in lines
    assert any(line.startswith("Claim: succeeded at block") for line in lines)
    assert lines.index("Attempting to claim call") < lines.index("Attempting to execute call")


@each_version
async def test_a_rival_who_is_first_in_the_same_block_costs_what_the_books_say(
    world: World, serving: Program, customer: Customer, said: Said
) -> None:
    """v0.7 keeps the deposit of who comes second; v0.6 gives it back, and 1.0 reverts."""
    call = scheduled(world, customer)
    before = world.alarm.balance(serving.us)
    await serving.see()
    await at_place(serving, call, 100)
    assert pending(serving) == 1
    overtake(world, serving, call)
    await serving.watch_to(world.head + 3)
    assert claimer(world, call, customer) == world.rival.address
    spent = before - world.alarm.balance(serving.us)
    assert spent == -booked(serving)
    lost = customer.version == "0.7"
    assert (spent > DEPOSIT) is lost
    ends = {"0.6": "no_effect", "0.7": "deposit_lost", "1.0": "reverted"}
    assert serving.outcomes() == {ends[customer.version]: 1}
    assert len([line for line in said.lines if "The deposit of the claim is lost" in line]) == lost
    told = [line for line in said.lines if "CALL-" in line and "Claim: " in line]
    assert len(told) == 1
    assert ": ERROR: " in told[0]
    assert ("keeps the deposit" in told[0]) is lost
    await executed_at(serving, call, call.target_block + 16)
    assert before - world.alarm.balance(serving.us) == -booked(serving)


@each_version
async def test_nothing_is_sent_while_the_pool_shows_a_rivals_claim(
    world: World, serving: Program, customer: Customer
) -> None:
    call = scheduled(world, customer)
    await serving.see()
    world.mine_to(call.target_block - OPENS + 100)
    world.send(world.rival, call, "claim()", value=DEPOSIT)
    await serving.see()
    assert pending(serving) == 0
    await serving.watch_to(world.head + 3)
    assert claimer(world, call, customer) == world.rival.address
    assert world.executions(call, serving.us) == []


@each_version
async def test_a_cancelled_call_is_not_claimed(
    world: World, serving: Program, customer: Customer
) -> None:
    call = scheduled(world, customer)
    await serving.see()
    world.send(world.customer, call, "cancel()")
    world.mine()
    await serving.see()
    for n in (50, 200, 248):
        await at_place(serving, call, n)
    assert world.executions(call, serving.us) == []
    assert pending(serving) == 0


@only_v07
async def test_what_does_not_pay_its_gas_is_claimed_when_it_does(
    world: World, serving: Program, customer: Customer, said: Said
) -> None:
    """96,605 gas at 10 gwei are 46.4 of 240 parts of the payment."""
    serving.policy = FeePolicy(min_tip=10 * GWEI)
    claim_as(serving, customer, POLICY)
    call = scheduled(world, customer)
    await serving.see()
    for n in (20, 40, 44):
        await at_place(serving, call, n)
        assert pending(serving) == 0
    assert len([line for line in said.of(call.address) if "Not claiming" in line]) == 1
    await serving.watch_to(call.target_block - OPENS + 60)
    assert claimer(world, call) == serving.us
    assert world.alarm.view(call.address, "claimAmount()", "uint256") > 46 * 5 * 10**15 // 240


@only_v07
@pytest.mark.parametrize(("x", "claimed"), [(99, True), (100, False), (101, False)])
async def test_chance_decides_by_x_less_than_n(
    world: World, serving: Program, customer: Customer, x: int, claimed: bool
) -> None:
    serving.draw = lambda call, block: x
    claim_as(serving, customer, POLICY)
    call = scheduled(world, customer)
    await serving.see()
    await at_place(serving, call, 100)
    assert pending(serving) == claimed


@only_v07
async def test_a_head_that_is_seen_again_does_not_draw_again(
    world: World, serving: Program, customer: Customer
) -> None:
    """Nor does another block of the same number, after a reorg."""
    draw, drawn = drawing(b"a secret"), list[tuple[str, int, int]]()

    def recorded(call: str, block: int) -> int:
        drawn.append((call, block, draw(call, block)))
        return drawn[-1][-1]

    serving.draw = recorded
    claim_as(serving, customer, POLICY)
    call = scheduled(world, customer)
    await serving.see()
    world.mine_to(call.target_block - OPENS - 1)
    before = world.snapshot()
    await at_place(serving, call, 1)
    [first] = drawn
    world.reorg(before)
    await at_place(serving, call, 1)
    assert drawn == [first, first]


@only_v07
@pytest.mark.parametrize("late", [0, 1])
async def test_no_claim_is_sent_so_late_that_its_block_is_within_the_margin(
    world: World, serving: Program, customer: Customer, late: int
) -> None:
    call = scheduled(world, customer)
    last = call.target_block - 11 - MARGIN
    world.mine_to(last - 1 + late)
    await serving.see()
    assert pending(serving) == 1 - late
    await serving.watch_to(call.target_block - 3)
    assert claimer(world, call) == (ZERO_ADDRESS if late else serving.us)


@only_v07
async def test_a_claim_that_is_not_mined_by_the_margin_is_cancelled_in_its_slot(
    world: World, serving: Program, customer: Customer
) -> None:
    call = scheduled(world, customer)
    before = world.alarm.balance(serving.us)
    last = call.target_block - 11 - MARGIN
    world.mine_to(last - 1)
    await serving.see()
    # It has no room in the block that it was for.
    world.request("anvil_dropAllTransactions")
    world.mine()
    await serving.see()
    assert serving.journal.open_attempts(serving.account)[-1].purpose is Purpose.CANCEL
    await serving.watch_to(call.target_block - 3)
    assert claimer(world, call) == ZERO_ADDRESS
    assert before - world.alarm.balance(serving.us) == -booked(serving) < DEPOSIT
    await serving.watch_to(call.target_block + 1)
    assert world.hits(call) == 1


@only_v07
async def test_a_claim_is_cancelled_when_another_has_the_call(
    world: World, serving: Program, customer: Customer
) -> None:
    """Its bytes would still cost the deposit in every later block."""
    call = scheduled(world, customer)
    before = world.alarm.balance(serving.us)
    await serving.see()
    await at_place(serving, call, 100)
    assert pending(serving) == 1
    world.request("anvil_dropAllTransactions")
    world.claim(call, world.rival)
    await serving.see()
    assert serving.journal.open_attempts(serving.account)[-1].purpose is Purpose.CANCEL
    await serving.watch_to(world.head + 3)
    assert before - world.alarm.balance(serving.us) == -booked(serving) < DEPOSIT


@each_version
async def test_a_claim_that_a_reorg_takes_out_is_in_the_chain_again(
    world: World, serving: Program, customer: Customer
) -> None:
    call = scheduled(world, customer)
    await serving.see()
    await at_place(serving, call, 100)
    before = world.snapshot()
    world.mine()
    await serving.see()
    assert claimer(world, call, customer) == serving.us
    world.reorg(before)
    world.mine(2)
    assert claimer(world, call, customer) == ZERO_ADDRESS
    await serving.see()
    await serving.watch_to(world.head + 3)
    assert claimer(world, call, customer) == serving.us
    assert len(world.executions(call, serving.us)) == 1
    assert serving.outcomes() == {"succeeded": 1}


@only_v07
async def test_a_claim_of_a_call_that_a_reorg_took_away_is_cancelled(
    world: World, serving: Program, customer: Customer
) -> None:
    """The deposit would be sent to an address where there is nobody."""
    await serving.see()
    before_call = world.snapshot()
    world.mine()
    [call] = customer.schedule(world, world.head + 100)
    world.mine(2)
    await serving.see()
    assert pending(serving) == 1
    before = world.alarm.balance(serving.us)
    world.reorg(before_call)
    world.mine(8)
    await serving.see()
    assert serving.journal.open_attempts(serving.account)[-1].purpose is Purpose.CANCEL
    await serving.watch_to(world.head + 3)
    assert world.executions(call, serving.us) == []
    assert before - world.alarm.balance(serving.us) < DEPOSIT


@only_v07
@pytest.mark.parametrize("short", [0, 1])
async def test_a_call_is_claimed_once_it_is_so_deep_that_no_reorg_takes_it_away(
    world: World, serving: Program, customer: Customer, short: int
) -> None:
    claim_as(serving, customer, replace(POLICY, depth=5))
    await serving.see()
    [call] = customer.schedule(world, world.head + 100)
    await serving.jump_to(call.scheduled_in + 5 - short)
    assert pending(serving) == 1 - short


@only_v07
async def test_a_claim_that_the_operator_wants_no_more_is_cancelled(
    world: World, serving: Program, customer: Customer
) -> None:
    call = scheduled(world, customer)
    await serving.see()
    await at_place(serving, call, 100)
    assert pending(serving) == 1
    world.request("anvil_dropAllTransactions")
    claim_as(serving, customer, replace(POLICY, strategy=Strategy.NEVER))
    world.mine()
    await serving.see()
    assert serving.journal.open_attempts(serving.account)[-1].purpose is Purpose.CANCEL


@only_v07
@pytest.mark.parametrize("lucky", [False, True])
async def test_what_claims_cost_the_node_does_not_grow_with_the_calls(
    world: World, serving: Program, customer: Customer, lucky: bool
) -> None:
    """Whether they are left by chance, or since they do not pay for their gas yet."""
    serving.policy = FeePolicy(min_tip=100 * GWEI)
    serving.draw = lambda call, block: 0 if lucky else 255
    claim_as(serving, customer, POLICY)
    costs = []
    for calls in (1, 9):
        customer.schedule(world, *[world.head + 250] * calls)
        # They are read with one head, and proved to be the contract's with the next.
        await serving.see()
        await serving.watch_to(world.head + 1)
        world.mine()
        messages = serving.transport.messages
        await serving.see()
        costs.append(serving.transport.messages - messages)
    assert serving.flow.due == (10 if lucky else 0)
    assert costs[0] == costs[1]


@only_v07
@pytest.mark.parametrize(("most", "claimed"), [(DEPOSIT, True), (DEPOSIT - 1, False)])
async def test_no_more_than_max_at_risk_is_staked_on_a_call(
    world: World, serving: Program, customer: Customer, said: Said, most: int, claimed: bool
) -> None:
    claim_as(serving, customer, replace(POLICY, max_at_risk=most))
    call = scheduled(world, customer)
    await serving.see()
    await at_place(serving, call, 200)
    await at_place(serving, call, 202)
    assert (len(world.executions(call, serving.us)) == 1) is claimed
    told = [line for line in said.of(call.address) if "alarm.max-at-risk-per-call" in line]
    assert len(told) == (not claimed)


@only_v07
async def test_no_more_than_max_at_risk_is_staked_in_a_day(
    world: World, serving: Program, customer: Customer, said: Said
) -> None:
    """Two claims wait to be mined; what one of them loses counts, what the other got back not."""
    contract = serving.world.chain.deployment.scheduler
    serving.budget = Budget(deposits=Deposits(frozenset([contract]), 2 * DEPOSIT))
    claim_as(serving, customer, POLICY)
    calls = customer.schedule(world, *[world.head + 312] * 4)
    await serving.see()
    await at_place(serving, calls[0], 200)
    assert pending(serving) == 2
    first = [a.intent.params["call"] for a in serving.journal.open_attempts(serving.account)]
    lost = next(call for call in calls if call.address == first[0])
    overtake(world, serving, lost)
    await serving.watch_to(world.head + 6)
    claimed = [call for call in calls if claimer(world, call) == serving.us]
    # One at a time from now on: the other half of the day's limit is lost.
    assert len(claimed) == 3
    assert any("alarm.max-at-risk-per-day" in line for line in said.lines)


@only_v07
async def test_by_profit_it_is_claimed_as_soon_as_it_pays_more_than_the_floor(
    world: World, serving: Program, customer: Customer
) -> None:
    policy = replace(POLICY, strategy=Strategy.PROFIT, floor=2 * 10**15)
    claim_as(serving, customer, policy)
    serving.draw = lambda call, block: 255
    call = scheduled(world, customer)
    await serving.see()
    await at_place(serving, call, 80)
    assert pending(serving) == 0
    await at_place(serving, call, 180)
    assert pending(serving) == 1


async def test_a_call_by_time_is_claimed_and_executed_in_its_reserved_time(
    world: World, scheduler: Program
) -> None:
    scheduler.claiming = POLICY
    scheduler.serve(V10(scheduler.node, world.chain.deployment.request_factory))
    now = int(world.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    start = now + 4000
    [call] = request(world, world.chain.deployment.timestamp_scheduler, [start], window_size=3600)
    before = world.alarm.balance(scheduler.us)
    await scheduler.see()
    for time in (start - 3781, start - 2000, start - 1998, start - 1, start, start + 1):
        world.request("evm_setNextBlockTimestamp", hex(time))
        world.mine()
        await scheduler.see()
    world.mine()
    await scheduler.see()
    assert scheduler.outcomes() == {"succeeded": 2}
    assert world.hits(call) == 1
    assert world.alarm.balance(scheduler.us) - before == booked(scheduler) > 0


@pytest_asyncio.fixture
async def competitor(world: World, scheduler: Program, tmp_path: Path) -> AsyncIterator[Program]:
    """Another operator's scheduler, with an account and a journal of its own."""
    (tmp_path / "other").mkdir()
    async with program(world, tmp_path / "other", us=world.rival.address) as other:
        yield other


@each_version
async def test_of_two_competing_schedulers_one_claims_and_neither_loses_more_than_the_books_say(
    world: World, serving: Program, competitor: Program, customer: Customer
) -> None:
    claim_as(competitor, customer, POLICY)
    call = scheduled(world, customer)
    both = (serving, competitor)
    before = {each.us: world.alarm.balance(each.us) for each in both}
    for each in both:
        await each.see()
    world.mine_to(call.target_block - OPENS + 100)
    for each in both:
        await each.see()
    # The second saw the first's claim in the pool.
    assert [pending(each) for each in both] == [1, 0]
    world.mine()
    world.mine_to(call.target_block - 3)
    while world.head < call.target_block + 2:
        for each in both:
            await each.see()
        world.mine()
    for each in both:
        await each.see()
        assert world.alarm.balance(each.us) - before[each.us] == booked(each)
    assert claimer(world, call, customer) == serving.us
    assert competitor.outcomes() == {}
    assert world.hits(call) == 1
