"""The main job on a node that behaves as rskj: no simulation, no base fee, no signing apart."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from eth_account import Account

from scheduler.alarm.claiming import Policy, Strategy
from scheduler.alarm.v10 import V10
from scheduler.chain.addresses import checksummed
from scheduler.devchain.evidence import Witness
from scheduler.devchain.scheduling import DEFAULT_PAYMENT, ScheduledCall
from scheduler.operations.report import By, statements
from scheduler.transactions.appraisal import appraised
from scheduler.transactions.bidding import intent_of
from scheduler.transactions.encoding import LegacyFee
from scheduler.transactions.intents import Effects
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.simulation import Aim, Trial, simulated
from scheduler.transactions.states import OutcomeKind
from tests import nodes
from tests.alarm.customers import request
from tests.alarm.rig import Program, World, program
from tests.alarm.said import Said
from tests.commands import Running, head_of, schedule_on, until, walk_to
from tests.rskj.server import MINIMUM_GAS_PRICE, StandIn

ETHER = 10**18


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[World, StandIn]]:
    with nodes.alarm_on_rskj() as (chain, stand_in):
        chain.endpoint.request("evm_setAutomine", False)
        yield World(chain), stand_in


@pytest.fixture
def world(both: tuple[World, StandIn]) -> Iterator[World]:
    world, stand_in = both
    with world.alarm.undone():
        yield world
    world.request("anvil_dropAllTransactions")
    stand_in.methods.asked.clear()


@pytest.fixture
async def scheduler(
    world: World, both: tuple[World, StandIn], tmp_path: Path
) -> AsyncIterator[Program]:
    async with program(world, tmp_path, rskj=both[1]) as running:
        yield running


async def foreseen(scheduler: Program, block: int) -> Effects:
    """What is found, at the head, of the one call that is due in `block`."""
    head = await scheduler.node.block()
    before = await scheduler.node.block(block - 1)
    assert head is not None
    assert before is not None
    [intent] = scheduler.family.due(before)
    trial = Trial(intent, LegacyFee(MINIMUM_GAS_PRICE))
    [effects] = await simulated(scheduler.node, [trial], Aim(scheduler.us, head))
    return effects


async def near(world: World, scheduler: Program) -> ScheduledCall:
    """A call that is due in the next block."""
    (call,) = world.schedule(world.head + 15)
    await scheduler.see()
    world.mine_to(call.target_block - 3)
    await scheduler.see()
    world.mine_to(call.target_block - 1)
    return call


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


async def test_what_a_node_does_not_have_is_asked_for_once(
    world: World, scheduler: Program, both: tuple[World, StandIn]
) -> None:
    start = world.head
    world.schedule(start + 15, start + 16)
    await scheduler.see()
    await scheduler.watch_to(start + 19)
    assert scheduler.outcomes() == {"succeeded": 2}
    asked = both[1].methods.asked
    assert asked.count("eth_simulateV1") == asked.count("eth_signTransaction") == 1
    assert asked.count("eth_sendTransaction") == 2


async def test_a_call_that_is_due_is_foreseen_to_be_executed_and_paid(
    world: World, scheduler: Program
) -> None:
    call = await near(world, scheduler)
    effects = await foreseen(scheduler, call.target_block)
    assert (effects.ok, effects.unmet, effects.foreseen) == (True, None, True)
    assert effects.refund == effects.gas_used * MINIMUM_GAS_PRICE
    verdict = scheduler.family.judge("execute", {"call": call.address}, effects)
    assert (verdict.kind, verdict.earned) == (OutcomeKind.SUCCEEDED, effects.refund)


async def test_a_call_that_a_rival_has_executed_is_not_sent(
    world: World, scheduler: Program
) -> None:
    call = await near(world, scheduler)
    world.rival_executes(call)
    world.mine()
    effects = await foreseen(scheduler, call.target_block)
    assert effects.unmet == "it is executed already"
    verdict = scheduler.family.judge("execute", {"call": call.address}, effects)
    assert verdict.kind is OutcomeKind.NO_EFFECT


@pytest.mark.parametrize(("gwei", "is_sent"), [(2, True), (20_000, False)])
async def test_a_rival_in_the_pool_is_outbid_or_the_call_is_left_to_him(
    world: World, scheduler: Program, gwei: int, is_sent: bool, said: Said
) -> None:
    """What his transaction would do nobody can tell here, so it counts as what it looks like."""
    scheduler.slot_time = 60  # the pool is waited for a tenth of it
    scheduler.restart()
    call = await near(world, scheduler)
    world.request("anvil_setBalance", world.rival.address, hex(1_000 * ETHER))
    world.rival_executes(call, gas_price=gwei * 10**9)
    await scheduler.see()
    attempts = scheduler.journal.open_attempts(scheduler.account)
    assert [int(attempt.fields["gasPrice"], 16) for attempt in attempts] == (
        [gwei * 10**9 + 1] * is_sent
    )
    told = f"of {world.rival.address} comes before it"
    assert any(line.endswith(told) for line in said.of(call.address)) is not is_sent


async def test_a_call_is_claimed_once_and_its_deposit_comes_back(
    world: World, scheduler: Program
) -> None:
    scheduler.claiming = Policy(Strategy.SEED, ETHER)
    scheduler.restart()
    (call,) = world.schedule(world.head + 312)
    await scheduler.see()
    await scheduler.jump_to(call.target_block - 65)
    before = world.alarm.balance(scheduler.us)
    await scheduler.watch_to(world.head + 3)
    assert world.alarm.view(call.address, "claimer()", "address") == scheduler.us
    assert len(world.executions(call, scheduler.us)) == 1
    assert before - world.alarm.balance(scheduler.us) < 2 * DEFAULT_PAYMENT
    assert scheduler.outcomes() == {"succeeded": 1}


async def test_a_call_that_a_rival_claims_first_is_foreseen_not_to_be_claimed(
    world: World, scheduler: Program
) -> None:
    scheduler.claiming = Policy(Strategy.SEED, ETHER)
    scheduler.restart()
    (call,) = world.schedule(world.head + 312)
    await scheduler.see()
    world.mine_to(call.target_block - 66)
    event = await scheduler.event()
    assert event is not None
    await scheduler.family.observe(event)
    world.claim(call, world.rival)
    effects = await foreseen(scheduler, call.target_block - 65)
    verdict = scheduler.family.judge("claim", {"call": call.address, "deposit": 10**16}, effects)
    assert (verdict.kind, verdict.detail) == (OutcomeKind.NO_EFFECT, "it is claimed already")


async def test_a_call_that_another_has_claimed_is_not_sent(
    world: World, scheduler: Program
) -> None:
    call = await near(world, scheduler)
    world.make_claimed(call, world.rival.address)
    world.mine()
    effects = await foreseen(scheduler, call.target_block)
    assert effects.unmet == "it is out of its window, or claimed by another"


async def test_what_is_in_flight_is_still_worth_a_higher_price(
    world: World, scheduler: Program
) -> None:
    """As the journal has it, without the family's knowledge of the call."""
    await near(world, scheduler)
    head = await scheduler.see()
    [attempt] = scheduler.journal.open_attempts(scheduler.account)
    trial = Trial(intent_of(attempt), LegacyFee(2 * MINIMUM_GAS_PRICE))
    [found] = await appraised(scheduler.desk, [trial], Aim(scheduler.us, head), lambda *_: None)
    assert found.verdict.kind is OutcomeKind.SUCCEEDED


async def test_a_call_without_ether_is_told_once_and_not_sent(
    world: World, scheduler: Program, said: Said
) -> None:
    call = await near(world, scheduler)
    world.request("anvil_setBalance", call.address, "0x0")
    await scheduler.see()
    await scheduler.watch_to(call.target_block + 3)
    assert world.executions(call, scheduler.us) == []
    assert sum("cannot pay for the call" in line for line in said.lines) == 1


async def test_a_request_of_1_0_that_nobody_executed_is_cleaned_up_if_its_own_views_say_so(
    world: World, scheduler: Program, tmp_path: Path
) -> None:
    """No logs tell beforehand what it pays: the reward is a rule, and its gas is paid back."""
    scheduler.cleans = True
    deployed = world.chain.deployment
    scheduler.serve(V10(scheduler.node, deployed.request_factory))
    target = world.head + 20
    [call] = request(world, deployed.block_scheduler, [target], window_size=16)
    before = world.alarm.balance(scheduler.us)
    await scheduler.see()
    await scheduler.jump_to(target - 3)
    world.mine_to(target + 16)
    await scheduler.watch_to(world.head + 4)
    assert scheduler.outcomes() == {"succeeded": 1}
    assert world.alarm.balance(call.address) == 0
    with reading(tmp_path / "journal.db") as journal:
        [statement] = statements(journal.bookings(), [By.CALL])
    assert world.alarm.balance(scheduler.us) - before == statement.total.net > 0


async def test_requests_of_1_0_are_executed_at_their_targets_by_what_they_say_of_themselves(
    world: World, scheduler: Program, said: Said
) -> None:
    """Of one of three something has changed of which nothing was seen: its required deposit."""
    deployed = world.chain.deployment
    scheduler.serve(V10(scheduler.node, deployed.request_factory))
    target = world.head + 20
    calls = request(world, deployed.block_scheduler, [target, target, target])
    await scheduler.see()
    await scheduler.jump_to(target - 2)
    changed = calls[1]
    slot = next(
        number
        for number in range(20)
        if int(world.request("eth_getStorageAt", changed.address, hex(number), "latest"), 16)
        == 2 * DEFAULT_PAYMENT
    )
    word = world.request("eth_getStorageAt", changed.address, hex(slot), "latest")
    more = f"0x{int(word, 16) + 1:064x}"
    world.request("anvil_setStorageAt", changed.address, f"0x{slot:064x}", more)
    await scheduler.watch_to(target + 2)
    executed = [[number for number, _ in world.executions(call, scheduler.us)] for call in calls]
    assert executed == [[target], [], [target]]
    assert "it is not as it was any more" in said.of(changed.address)[-1]
    assert scheduler.outcomes() == {"succeeded": 2}


@pytest.mark.parametrize(("way", "signer"), [("http", "node"), ("ws", "keystore")])
def test_the_program_does_the_whole_job(tmp_path: Path, way: str, signer: str) -> None:
    # Two chains that were started in the same second must not look like one: locks are per chain.
    gas_limit = 6_700_000 + os.getpid() % 100_000
    with nodes.alarm_on_rskj(gas_limit=gas_limit) as (chain, stand_in):
        account = Account.from_key(b"\7" * 32)
        chain.endpoint.request("anvil_setBalance", account.address, hex(ETHER))
        lines = [f'rpc-url = "{getattr(stand_in, way)}"', f'signer = "{signer}"']
        lines += ["[alarm]", f'addresses = ["{chain.deployment.scheduler}"]']
        if signer == "keystore":
            key_file, password = tmp_path / "key.json", tmp_path / "password"
            key_file.write_text(json.dumps(Account.encrypt(account.key, "open", iterations=2)))
            password.write_text("open\n")
            lines += ["[keystore]", f'file = "{key_file}"', f'password-file = "{password}"']
        config = tmp_path / "config.toml"
        config.write_text("\n".join(lines) + "\n")
        for path in tmp_path.iterdir():
            path.chmod(0o600)
        call = schedule_on(chain)
        chain.endpoint.request("evm_setAutomine", False)
        with Running(tmp_path, "eth_alarm", "scheduler", "--config", str(config)) as running:
            running.saw(f"Tracking call: {checksummed(call.address, 33)}")
            until(lambda: head_of(tmp_path) > 0)
            walk_to(chain, call.target_block + 2, tmp_path)
            running.saw("Outcome: succeeded")
            assert running.stop() == 0
        assert Witness(chain.node.http).testify(call, chain.deployment.counter).on_target
        assert running.errors == []
        sent = ["eth_sendTransaction", "eth_sendRawTransaction"]
        used = sent[signer == "keystore"]
        assert [method for method in sent if method in stand_in.methods.asked] == [used]
