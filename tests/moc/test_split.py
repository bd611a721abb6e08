"""Money on Chain's jobs as four programs with one account and one journal."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from scheduler.moc.jobs import TASKS
from scheduler.plan import MOC_PROGRAMS
from tests import nodes
from tests.commands import Running, finished, head_of, refusal, until
from tests.moc.rig import World, calls
from tests.moc.test_together import AVERAGE, BUCKET, DAILY, HOLDERS, LIQUIDATE

_gas_limits = count(6_700_000)


@pytest.fixture
def running_chain() -> Iterator[World]:
    """A block every second, as on a box."""
    options = {"gas_limit": next(_gas_limits), "chain_id": 1337, "hardfork": "cancun"}
    with nodes.anvil(**options) as node:
        world = World(node)
        world.mine(25)
        world.request("evm_setIntervalMining", 1)
        yield world
        world.close()


def configured(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text("\n".join([f'journal = "{tmp_path / "journal.db"}"', *lines, ""]))
    return str(path)


def split(tmp_path: Path, world: World) -> str:
    lines = [f'rpc-url = "{world.node.ws}"', "[moc]", f'address = "{world.at["MoC"]}"']
    return configured(tmp_path, *lines, "split = true")


def seen_by_all(tmp_path: Path, world: World, *programs: str) -> None:
    """Waits until these have seen the newest block: four that start together take their time."""
    until(lambda: all(head_of(tmp_path, name) >= world.head for name in programs), seconds=90)


def run(program: str, config: str) -> tuple[str, ...]:
    return ("scheduler", "run", program, "--config", config)


def test_the_four_programs_do_all_seven_jobs_between_them() -> None:
    assert sorted(name for names in MOC_PROGRAMS.values() for name in names) == sorted(TASKS)


def test_each_does_its_own_jobs_and_none_is_done_twice(
    running_chain: World, tmp_path: Path
) -> None:
    config = split(tmp_path, running_chain)
    with ExitStack() as stack:
        programs = {
            name: stack.enter_context(Running(tmp_path, *run(name, config)))
            for name in MOC_PROGRAMS
        }
        programs["scheduler-payments"].saw("Successfully dailyInratePayment in Block")
        programs["scheduler-payments"].saw("Successfully payBitProHoldersInterestPayment in Block")
        programs["scheduler-prices"].saw("Successfully calculateBitcoinMovingAverage in Block")
        programs["scheduler-liquidation"].saw("NO: evalLiquidation!")
        programs["scheduler-settlement"].saw("NO: runSettlement!")
        assert [program.stop() for program in programs.values()] == [0, 0, 0, 0]
        assert [program.errors for program in programs.values()] == [[], [], [], []]
    done = [name for _, name in calls(running_chain)]
    assert sorted(set(done)) == sorted([DAILY, HOLDERS, AVERAGE])
    assert done.count(HOLDERS) == 1


def test_a_program_of_another_name_does_not_do_the_same_jobs(
    running_chain: World, tmp_path: Path
) -> None:
    world, config = running_chain, split(tmp_path, running_chain)
    network = {
        "app_mode": "MoC",
        "uri": [world.node.http],
        "chain_id": 1337,
        "addresses": {"MoC": world.at["MoC"]},
    }
    content = {"tasks": {name: {} for name in TASKS}, "networks": {"local": network}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    moc_jobs = ("moc_jobs", "-c", "config.json", "-n", "local")
    with Running(tmp_path, *run("scheduler-settlement", config)) as program:
        program.saw("NO: runSettlement!")
        line = refusal(tmp_path, *moc_jobs, status=1)
        assert "already serves" in line
        with Running(tmp_path, *run("scheduler-payments", config)) as other:
            other.saw("Successfully dailyInratePayment in Block")
            assert other.stop() == 0
        assert program.stop() == 0
    with Running(tmp_path, *moc_jobs) as program:
        program.saw("NO: runSettlement!")
        assert program.stop() == 0


def test_what_a_killed_program_left_behind_is_raised_in_price_by_another(
    running_chain: World, tmp_path: Path
) -> None:
    """The custodian signs for a job that is not its own: it knows the rules of all seven."""
    world, config = running_chain, split(tmp_path, running_chain)
    world.request("evm_setIntervalMining", 0)
    dear = 200 * 10**9
    with Running(tmp_path, *run("scheduler-settlement", config)) as other:
        with Running(tmp_path, *run("scheduler-payments", config)) as program:
            while not int(world.request("txpool_status")["pending"], 16):
                world.mine()
                seen_by_all(tmp_path, world, "scheduler-payments", "scheduler-settlement")
            program.kill()
        sent = world.sent()
        # What was sent is too cheap for all blocks from now on.
        until(lambda: _mined_at(world, dear) > sent, seconds=90)
        assert other.stop() == 0
    assert {int(receipt["effectiveGasPrice"], 16) >= dear for receipt in world.ours()} == {True}


def _mined_at(world: World, base_fee: int) -> int:
    """How many transactions of the jobs' account are mined after a block with this base fee."""
    world.request("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
    world.mine()
    return world.sent()


def test_a_liquidation_does_not_wait_for_the_cheap_work_of_others_that_is_stuck(
    running_chain: World, tmp_path: Path
) -> None:
    """Two payments and the average are due at once; then gas gets dear, and the price falls."""
    world, config = running_chain, split(tmp_path, running_chain)
    world.request("evm_setIntervalMining", 0)
    with ExitStack() as stack:
        programs = [
            stack.enter_context(Running(tmp_path, *run(name, config))) for name in MOC_PROGRAMS
        ]

        def mined() -> int:
            world.mine()
            seen_by_all(tmp_path, world, *MOC_PROGRAMS)
            return world.head

        while int(world.request("txpool_status")["pending"], 16) < 3:
            mined()
        world.request("anvil_setNextBlockBaseFeePerGas", hex(10**11))
        mined()
        assert world.ours() == []
        world.liquidate_at_any_gas_price()
        true_at = mined()
        assert world.market.view("MoCState", "isLiquidationReached()", "bool") == (True,)
        while len(world.ours()) < 5:
            assert mined() < true_at + 20
        mined()
        assert [program.stop() for program in programs] == [0, 0, 0, 0]
    done = calls(world)
    # A liquidation calculates the average, too, so that one is cancelled; or it was raised first.
    assert len(done) == 5
    assert {name for _, name in done} - {AVERAGE, ""} == {LIQUIDATE, BUCKET, DAILY, HOLDERS}
    # The price of what stands before it was raised, by its own programs or by that of liquidation.
    assert {name: block for block, name in done}[LIQUIDATE] <= true_at + 3
    assert {int(receipt["status"], 16) for receipt in world.ours()} == {1}


def test_a_program_for_which_nothing_is_left_says_so(tmp_path: Path) -> None:
    config = configured(tmp_path, "[moc]", f'address = "0x{"12" * 20}"', "split = true")
    assert "nothing is left that scheduler does" in refusal(tmp_path, *run("scheduler", config))
    config = configured(tmp_path, "[moc]", "split = true")
    line = refusal(tmp_path, *run("scheduler-prices", config))
    assert "nothing is configured that scheduler-prices does: set address in [moc]" in line
    assert finished(tmp_path, *run("scheduler-monitors", config)).returncode == 2
