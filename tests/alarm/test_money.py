"""What the report says is what happened to the account's balance, to the wei."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from scheduler.devchain.scheduling import ScheduledCall
from scheduler.operations.report import By, Statement, Sums, statements
from scheduler.transactions.journal import Account
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.states import OutcomeKind, Purpose
from tests.alarm.customers import CUSTOMERS, Customer
from tests.alarm.rig import Program, World
from tests.alarm.test_claims import DEPOSIT, POLICY, at_place, claim_as, claimer, pending, scheduled
from tests.commands import finished

each_version = pytest.mark.parametrize("customer", CUSTOMERS, ids=lambda each: each.version)
only_v07 = pytest.mark.parametrize("customer", [CUSTOMERS[1]], ids=["0.7"])
only_v10 = pytest.mark.parametrize("customer", [CUSTOMERS[2]], ids=["1.0"])


@pytest_asyncio.fixture
async def serving(scheduler: Program, customer: Customer) -> Program:
    """A scheduler that claims the customer's calls wherever chance can decide so."""
    claim_as(scheduler, customer, POLICY)
    return scheduler


def report(home: Path, by: By = By.CALL) -> Statement:
    """What the journal in `home`, which its program has open, says of its one account."""
    with reading(home / "journal.db") as journal:
        found = statements(journal.bookings(), [by])
    return found[0] if found else Statement(Account("", ""), 0)


def lines_of(statement: Statement) -> Mapping[str, tuple[int, int, int]]:
    """By call what was earned, is at stake and lost, wei."""
    return {
        dict(subject)["call"]: (sums.earned, sums.at_stake, sums.lost)
        for subject, sums in statement.lines.items()
    }


def only_some_in_time(world: World, serving: Program, lost: ScheduledCall) -> None:
    """In the next block the rival's claim of `lost` comes before ours, and there is no room for the
    last of ours."""
    ours = [attempt.raw for attempt in serving.journal.open_attempts(serving.account)]
    world.request("anvil_dropAllTransactions")
    world.send(world.rival, lost, "claim()", value=DEPOSIT)
    for raw in ours[:-1]:
        assert raw is not None
        world.request("eth_sendRawTransaction", "0x" + raw.hex())
    world.mine()


def schedule_four(world: World, customer: Customer) -> Sequence[ScheduledCall]:
    """Calls with targets one after the other, of which the third's target contract fails."""
    first = world.head + 320
    fine, lost, dropped = customer.schedule(world, first, first + 1, first + 3)
    [failing] = customer.schedule(world, first + 2, to=world.reverter)
    return fine, lost, failing, dropped


@each_version
async def test_the_report_agrees_with_the_balance_to_the_wei(
    world: World, serving: Program, customer: Customer, tmp_path: Path
) -> None:
    """A claim, a claim that came second in its block, one that was cancelled by a transfer of
    nothing, an execution, one of a target that fails, one of a call that the rival had claimed."""
    fine, lost, failing, dropped = schedule_four(world, customer)
    before = world.alarm.balance(serving.us)

    def agrees() -> Statement:
        statement = report(tmp_path)
        assert world.alarm.balance(serving.us) - before == statement.total.net
        assert sum(each.net for each in statement.lines.values()) == statement.total.net
        assert statement.total.net == report(tmp_path, By.DAY).total.net
        return statement

    await serving.see()
    await at_place(serving, fine, 100)
    assert pending(serving) == 4
    only_some_in_time(world, serving, lost)
    world.send(world.rival, dropped, "claim()", value=DEPOSIT)
    world.mine()
    assert claimer(world, dropped, customer) == world.rival.address
    await serving.see()
    assert serving.journal.open_attempts(serving.account)[-1].purpose is Purpose.CANCEL
    await serving.watch_to(world.head + 3)
    claimed = lines_of(agrees())
    # 1.0 alone keeps deposits until the execution; v0.7 alone keeps that of a vain claim.
    staked = DEPOSIT if customer.version == "1.0" else 0
    kept = DEPOSIT if customer.version == "0.7" else 0
    assert claimed == {
        fine.address: (0, staked, 0),
        lost.address: (0, 0, kept),
        failing.address: (0, staked, 0),
        dropped.address: (0, 0, 0),
    }

    await serving.jump_to(fine.target_block - 3)
    await serving.watch_to(dropped.target_block - 1)
    world.rival_executes(dropped)
    await serving.watch_to(dropped.target_block + 20)
    assert [world.hits(each) for each in (fine, lost, failing, dropped)] == [1, 1, 0, 1]
    ends = {
        "0.6": {"succeeded": 4, "target_failed": 1, "no_effect": 1, "expired": 1},
        "0.7": {"succeeded": 4, "target_failed": 1, "deposit_lost": 1, "expired": 1},
        "1.0": {"succeeded": 4, "target_failed": 1, "reverted": 1, "expired": 1},
    }
    assert serving.outcomes() == ends[customer.version]
    done = agrees()
    earned = lines_of(done)
    assert [earned[each.address][1:] for each in (fine, lost, failing, dropped)] == [
        (0, 0), (0, kept), (0, 0), (0, 0)
    ]  # fmt: skip
    assert all(earned[each.address][0] > 0 for each in (fine, lost, failing))
    assert earned[dropped.address][0] == 0
    assert done.total.not_final == 0

    command = finished(tmp_path, "scheduler", "report", "--csv")
    assert (command.returncode, command.stderr) == (0, "")
    rows = list(csv.DictReader(command.stdout.splitlines()))
    assert sum(int(row["net"]) for row in rows) == world.alarm.balance(serving.us) - before
    assert {row["call"] for row in rows} == set(earned)


@each_version
async def test_an_outcome_that_a_reorg_takes_back_is_not_booked_twice(
    world: World, serving: Program, customer: Customer, tmp_path: Path
) -> None:
    claim_as(serving, customer, POLICY)
    call = scheduled(world, customer)
    before = world.alarm.balance(serving.us)
    await serving.see()
    await at_place(serving, call, 100)
    snapshot = world.snapshot()
    for _ in range(2):
        world.mine()
        await serving.see()
        assert report(tmp_path).total.transactions == 1
        assert world.alarm.balance(serving.us) - before == report(tmp_path).total.net
        world.reorg(snapshot)
        world.mine(2)
        await serving.see()
        assert report(tmp_path).total == Sums()
        snapshot = world.snapshot()
    await serving.watch_to(world.head + 3)
    assert world.alarm.balance(serving.us) - before == report(tmp_path).total.net
    assert report(tmp_path).total.transactions == 1


@only_v07
async def test_a_deposit_that_is_sent_to_no_contract_is_lost(
    world: World, serving: Program, customer: Customer, tmp_path: Path
) -> None:
    """A reorg took the call away while its claim was pending, and the node did not forget it."""
    await serving.see()
    before_call = world.snapshot()
    world.mine()
    [call] = customer.schedule(world, world.head + 100)
    world.mine(2)
    await serving.see()
    [attempt] = serving.journal.open_attempts(serving.account)
    before = world.alarm.balance(serving.us)
    world.reorg(before_call)
    assert attempt.raw is not None
    world.request("eth_sendRawTransaction", "0x" + attempt.raw.hex())
    world.mine(8)
    await serving.watch_to(world.head + 3)
    assert serving.outcomes() == {OutcomeKind.DEPOSIT_LOST.value: 1}
    assert world.alarm.balance(serving.us) - before == report(tmp_path).total.net
    assert lines_of(report(tmp_path)) == {call.address: (0, 0, DEPOSIT)}
