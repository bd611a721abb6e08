"""Requests of 1.0 that nobody executed: who cleans up is paid, and gets its deposit back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from scheduler.alarm.abi import CANCEL
from scheduler.alarm.leftovers import FOLLOWED_BLOCKS
from scheduler.devchain.scheduling import ScheduledCall
from scheduler.operations.report import Sums
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.intents import Fate, Settlement
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.states import IntentState, Purpose
from tests.alarm.customers import CUSTOMERS, Customer
from tests.alarm.rig import CONFIRMATIONS, Program, World, program
from tests.alarm.said import Said
from tests.alarm.test_claims import DEPOSIT, POLICY, at_place, claimer, pending
from tests.alarm.test_money import report

GWEI = 10**9
BOUNTY = 5 * 10**15
V10 = CUSTOMERS[2]
each_version = pytest.mark.parametrize("customer", CUSTOMERS, ids=lambda each: each.version)


@pytest_asyncio.fixture
async def cleaning(scheduler: Program) -> Program:
    """A scheduler that cleans up requests of 1.0, and claims none."""
    scheduler.cleans = True
    scheduler.serve(V10.served_by(scheduler))
    return scheduler


def scheduled(world: World, **fields: int) -> ScheduledCall:
    """A request with the shortest window, which is far from being claimed."""
    [call] = V10.schedule(world, world.head + 312, **{"window_size": 16, **fields})
    return call


async def unexecuted(cleaning: Program, call: ScheduledCall, last: int = 16) -> None:
    """Its window is seen to begin and to end, and there was no room for an execution."""
    await cleaning.jump_to(call.target_block - 3)
    cleaning.world.mine_to(call.target_block + last)
    cleaning.world.request("anvil_dropAllTransactions")


def cancelled(world: World, call: ScheduledCall) -> bool:
    """meta.isCancelled, the seventh word of requestData."""
    words = ",".join(["uint256"] * 24)
    answer = world.alarm.view(call.address, "requestData()", f"({words})")
    return bool(answer[6])


def state(cleaning: Program, kind: str) -> IntentState | None:
    """That of the one intent of this kind."""
    with reading(cleaning.path) as journal:
        found = [each.state for each in journal.summaries() if each.name.kind == kind]
    return found[0] if found else None


async def test_a_call_that_nobody_executed_is_cleaned_up_in_the_block_after_its_window(
    world: World, cleaning: Program, said: Said, tmp_path: Path
) -> None:
    call = scheduled(world)
    before = world.alarm.balance(cleaning.us)
    await cleaning.see()
    await unexecuted(cleaning, call, last=15)
    await cleaning.see()
    assert not cancelled(world, call)
    world.request("anvil_dropAllTransactions")
    await cleaning.jump_to(call.target_block + 16)
    sent = cleaning.journal.open_attempts(cleaning.account)[-1]
    assert sent.fields["data"] == "0x" + CANCEL.hex()
    world.mine()
    assert cancelled(world, call)
    await cleaning.watch_to(world.head + 3)
    total = report(tmp_path).total
    assert world.alarm.balance(cleaning.us) - before == total.net > BOUNTY // 100
    assert state(cleaning, "cleanup") is IntentState.SUCCEEDED
    lines = said.of(call.address)
    assert "Attempting to clean up call" in lines
    assert any(line.startswith("Clean-up: succeeded at block ") for line in lines)


async def test_without_being_told_to_nothing_is_cleaned_up(world: World, cleaning: Program) -> None:
    cleaning.cleans = False
    cleaning.serve(V10.served_by(cleaning))
    call = scheduled(world)
    await cleaning.see()
    await unexecuted(cleaning, call)
    await cleaning.watch_to(world.head + 5)
    assert state(cleaning, "cleanup") is None
    assert not cancelled(world, call)


@pytest.mark.parametrize("customer", CUSTOMERS[:2], ids=["0.6", "0.7"])
async def test_calls_of_older_versions_pay_nobody_and_are_left_alone(
    world: World, cleaning: Program, customer: Customer
) -> None:
    """The rival, who cleans up all the same, gets nothing but the costs of it."""
    cleaning.serve(customer.served_by(cleaning))
    call = customer.shortest(world, world.head + 312)
    await cleaning.see()
    await unexecuted(cleaning, call, customer.window + 1)
    await cleaning.watch_to(world.head + 5)
    assert state(cleaning, "cleanup") is None
    before = world.alarm.balance(world.rival.address)
    world.send(world.rival, call, "cancel()", gas_price=2 * GWEI)
    world.mine()
    assert world.alarm.balance(call.address) == 0
    cost = before - world.alarm.balance(world.rival.address)
    assert 70_000 * 2 * GWEI < cost < 80_000 * 2 * GWEI


async def test_it_is_left_to_a_rival_whose_clean_up_is_in_the_pool_or_was_first(
    world: World, cleaning: Program
) -> None:
    call = scheduled(world)
    await cleaning.see()
    await unexecuted(cleaning, call)
    world.send(world.rival, call, "cancel()")
    await cleaning.see()
    world.mine()
    assert cancelled(world, call)
    await cleaning.watch_to(world.head + 5)
    assert state(cleaning, "cleanup") is None


async def test_one_that_waits_is_cancelled_when_a_rival_was_first(
    world: World, cleaning: Program
) -> None:
    call = scheduled(world)
    await cleaning.see()
    await unexecuted(cleaning, call)
    await cleaning.see()
    world.request("anvil_dropAllTransactions")
    world.send(world.rival, call, "cancel()")
    world.mine()
    await cleaning.see()
    assert cleaning.journal.open_attempts(cleaning.account)[-1].purpose is Purpose.CANCEL
    await cleaning.watch_to(world.head + 3)
    assert state(cleaning, "cleanup") is IntentState.EXPIRED


async def test_one_that_waits_is_not_cancelled_because_the_program_began_anew(
    world: World, cleaning: Program
) -> None:
    """Nothing is known of the call then; that it was cleaned up by somebody is not, either."""
    call = scheduled(world)
    await cleaning.see()
    await unexecuted(cleaning, call)
    await cleaning.see()
    world.request("anvil_dropAllTransactions")
    world.mine()
    cleaning.restart()
    await cleaning.see()
    await cleaning.watch_to(world.head + 3)
    assert cancelled(world, call)
    assert state(cleaning, "cleanup") is IntentState.SUCCEEDED


async def test_it_is_not_cleaned_up_where_the_call_cannot_pay_for_it(
    world: World, cleaning: Program, said: Said
) -> None:
    """Its endowment is for 380,000 gas at 1 gwei; at this price 106,361 gas take more."""
    asked = list[int]()

    def draw(call: str, block: int) -> int:
        asked.append(block)
        return 0

    cleaning.policy, cleaning.draw = FeePolicy(min_tip=60 * GWEI), draw
    cleaning.serve(V10.served_by(cleaning))
    call = scheduled(world, bounty=10**12)
    await cleaning.see()
    await unexecuted(cleaning, call)
    await cleaning.watch_to(world.head + 3)
    assert state(cleaning, "cleanup") is None
    assert not cancelled(world, call)
    assert len([line for line in said.of(call.address) if "Not cleaning up the call" in line]) == 1
    followed = list(asked)
    await cleaning.jump_to(asked[0] + FOLLOWED_BLOCKS + 1)
    assert asked == followed


async def test_chance_decides_in_which_block_it_is_cleaned_up(
    world: World, cleaning: Program
) -> None:
    asked = list[int]()

    def draw(call: str, block: int) -> int:
        asked.append(block)
        return 32 if len(asked) < 4 else 31

    cleaning.draw = draw
    cleaning.serve(V10.served_by(cleaning))
    call = scheduled(world)
    await cleaning.see()
    await unexecuted(cleaning, call)
    await cleaning.watch_to(world.head + 5)
    assert asked[:4] == list(range(asked[0], asked[0] + 4))
    assert cancelled(world, call)


async def test_an_executed_call_is_not_cleaned_up(world: World, cleaning: Program) -> None:
    call = scheduled(world)
    await cleaning.see()
    await cleaning.jump_to(call.target_block - 3)
    await cleaning.watch_to(call.target_block + 20)
    assert world.hits(call) == 1
    assert state(cleaning, "cleanup") is None


async def claim(cleaning: Program, call: ScheduledCall) -> None:
    """The call is claimed by us, finally."""
    cleaning.claiming = POLICY
    cleaning.restart()
    await cleaning.see()
    await at_place(cleaning, call, 100)
    await cleaning.watch_to(cleaning.world.head + 3)
    assert claimer(cleaning.world, call, V10) == cleaning.us


async def test_our_deposit_in_a_call_that_nobody_executed_comes_back_with_the_clean_up(
    world: World, cleaning: Program, tmp_path: Path
) -> None:
    call = scheduled(world)
    before = world.alarm.balance(cleaning.us)
    await claim(cleaning, call)
    assert report(tmp_path).total.at_stake == DEPOSIT
    await unexecuted(cleaning, call)
    await cleaning.watch_to(world.head + 3 + CONFIRMATIONS)
    assert cancelled(world, call)
    total = report(tmp_path).total
    assert (total.staked, total.returned, total.lost) == (DEPOSIT, DEPOSIT, 0)
    assert world.alarm.balance(cleaning.us) - before == total.net
    assert cleaning.journal.deposits.out(cleaning.account) == []


async def test_a_restart_does_not_forget_it(
    world: World, cleaning: Program, tmp_path: Path
) -> None:
    """The window ended while no program ran, and is in none of the buckets that are walked."""
    call = scheduled(world)
    before = world.alarm.balance(cleaning.us)
    await claim(cleaning, call)
    world.mine_to(call.target_block + 20)
    cleaning.restart()
    await cleaning.watch_to(world.head + 5 + CONFIRMATIONS)
    assert cancelled(world, call)
    total = report(tmp_path).total
    assert (total.at_stake, total.lost) == (0, 0)
    assert world.alarm.balance(cleaning.us) - before == total.net


async def test_a_deposit_that_came_back_by_a_rivals_clean_up_is_booked(
    world: World, cleaning: Program, tmp_path: Path
) -> None:
    cleaning.cleans = False
    call = scheduled(world)
    before = world.alarm.balance(cleaning.us)
    await claim(cleaning, call)
    await unexecuted(cleaning, call)
    world.send(world.rival, call, "cancel()")
    await cleaning.watch_to(world.head + 2)
    assert report(tmp_path).total.at_stake == DEPOSIT
    await cleaning.watch_to(world.head + CONFIRMATIONS)
    total = report(tmp_path).total
    assert (total.staked, total.returned, total.lost) == (DEPOSIT, DEPOSIT, 0)
    assert world.alarm.balance(cleaning.us) - before == total.net


async def test_a_deposit_that_a_rival_got_with_the_execution_is_lost_and_said(
    world: World, cleaning: Program, tmp_path: Path, said: Said
) -> None:
    """We had no room in the reserved part of the window, and the rival had in the next block."""
    call = scheduled(world, window_size=30)
    before = world.alarm.balance(cleaning.us)
    await claim(cleaning, call)
    await unexecuted(cleaning, call, last=16)
    world.rival_executes(call)
    await cleaning.watch_to(world.head + 1)
    assert world.hits(call) == 1
    assert report(tmp_path).total.lost == 0
    await cleaning.watch_to(world.head + CONFIRMATIONS)
    total = report(tmp_path).total
    assert (total.at_stake, total.lost) == (0, DEPOSIT)
    assert world.alarm.balance(cleaning.us) - before == total.net
    told = [line for line in said.lines if f"lost its deposit of {DEPOSIT} wei" in line]
    assert len(told) == 1
    assert f"{world.rival.address} executed the call" in told[0]


async def test_a_fate_that_a_reorg_takes_back_is_not_booked(
    world: World, cleaning: Program, tmp_path: Path
) -> None:
    cleaning.cleans = False
    call = scheduled(world)
    await claim(cleaning, call)
    await unexecuted(cleaning, call)
    await cleaning.see()
    before = world.snapshot()
    world.send(world.rival, call, "cancel()")
    await cleaning.watch_to(world.head + 1)
    world.reorg(before)
    world.mine(2)
    await cleaning.see()
    await cleaning.watch_to(world.head + CONFIRMATIONS + 2)
    assert report(tmp_path).total.at_stake == DEPOSIT
    assert not cancelled(world, call)


async def test_a_claim_that_a_reorg_takes_back_leaves_no_deposit(
    world: World, cleaning: Program, tmp_path: Path
) -> None:
    call = scheduled(world)
    cleaning.claiming = POLICY
    cleaning.restart()
    await cleaning.see()
    await at_place(cleaning, call, 100)
    before = world.snapshot()
    world.mine()
    await cleaning.see()
    assert len(cleaning.journal.deposits.out(cleaning.account)) == 1
    world.reorg(before)
    world.mine(2)
    await cleaning.see()
    assert cleaning.journal.deposits.out(cleaning.account) == []
    assert report(tmp_path).total == Sums()
    await cleaning.watch_to(world.head + 3)
    [deposit] = cleaning.journal.deposits.out(cleaning.account)
    assert deposit.amount == DEPOSIT


async def test_what_leftovers_cost_the_node_does_not_grow_with_them(
    world: World, cleaning: Program
) -> None:
    cleaning.policy = FeePolicy(min_tip=60 * GWEI)
    cleaning.serve(V10.served_by(cleaning))
    costs = []
    for many in (1, 5):
        calls = V10.schedule(world, *[world.head + 320] * many, window_size=16, bounty=10**12)
        await cleaning.see()
        await unexecuted(cleaning, calls[0])
        await cleaning.see()
        world.mine()
        messages = cleaning.transport.messages
        await cleaning.see()
        costs.append(cleaning.transport.messages - messages)
        await cleaning.jump_to(world.head + FOLLOWED_BLOCKS + 1)
    assert costs[0] == costs[1]


def test_two_fates_are_the_same_for_as_long_as_their_words_are() -> None:
    assert Settlement(Fate.BACK, "a") == Settlement(Fate.BACK, "a") != Settlement(Fate.GONE, "a")


@pytest_asyncio.fixture
async def competitor(world: World, tmp_path: Path) -> AsyncIterator[Program]:
    """Another operator's scheduler, with an account and a journal of its own."""
    (tmp_path / "other").mkdir()
    async with program(world, tmp_path / "other", us=world.rival.address) as other:
        other.cleans = True
        other.serve(V10.served_by(other))
        yield other


async def test_of_two_schedulers_one_cleans_up_and_the_other_pays_nothing(
    world: World, cleaning: Program, competitor: Program
) -> None:
    call = scheduled(world)
    both = (cleaning, competitor)
    before = {each.us: world.alarm.balance(each.us) for each in both}
    for each in both:
        await each.see()
    await unexecuted(cleaning, call)
    for each in both:
        await each.see()
    assert [pending(each) for each in both] == [1, 0]
    for _ in range(4):
        world.mine()
        for each in both:
            await each.see()
    assert cancelled(world, call)
    assert world.alarm.balance(cleaning.us) > before[cleaning.us]
    assert world.alarm.balance(competitor.us) == before[competitor.us]
