"""The declarations in examples/jobs, each on a contract of its kind: loaded, and run to effect."""

from pathlib import Path

import pytest

from scheduler import toml
from scheduler.agenda import Appointment
from scheduler.config import Settings
from scheduler.devchain.chain import fund
from scheduler.devchain.endpoint import Endpoint
from scheduler.jobs.abi import call_data
from scheduler.jobs.declaration import Job
from scheduler.jobs.loading import job
from scheduler.transactions.retries import FIRST_PAUSE
from tests import nodes
from tests.alarm.said import Said
from tests.jobs.rig import CONFIRMATIONS, Keepers, Program, program
from tests.rskj.server import in_front_of

EXAMPLES = Path(__file__).parents[2] / "examples" / "jobs"
SOMEBODY = "0x6c8f2a135f6ed072de4503bd7c4999a1a17f824b"


def example(name: str, contract: str) -> Job:
    """The job as an operator takes it: with the address of the contract, and nothing else."""
    text = (EXAMPLES / f"{name}.toml").read_text()
    assert text.count(SOMEBODY) == 1
    settings = Settings.model_validate(toml.loads(text.replace(SOMEBODY, contract)))
    [data] = settings.jobs
    return job(data)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_an_example_is_ten_lines_of_toml_at_most(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert 0 < len(lines) <= 10


async def test_an_upkeep_is_performed_with_what_its_check_answered(
    world: Keepers, tmp_path: Path
) -> None:
    async with program(
        world, tmp_path, [example("chainlink-upkeep", world.at["Upkeep"])]
    ) as keeper:
        await keeper.live(2)
        assert world.ours() == []
        for amount in (7, 2):
            world.do("Upkeep", "pile(uint256)", amount)
            true_at = world.head
            await keeper.live(4)
            assert world.effects("Upkeep", "Performed(uint256,bytes)")[-1] == true_at + 1
        assert keeper.outcomes() == {"succeeded": 2}
    assert len(world.ours()) == 2


async def test_what_the_check_answers_anew_is_what_is_performed(
    world: Keepers, tmp_path: Path
) -> None:
    """What was sent with an older answer reverts; when it is tried again, it is with the newer."""
    upkeep = example("chainlink-upkeep", world.at["Upkeep"])
    async with program(world, tmp_path, [upkeep]) as keeper:
        world.do("Upkeep", "pile(uint256)", 7)
        # Ahead of ours in its block, which is simulated on the one before.
        pile = call_data("pile(uint256)", (2,))
        world.wallet.send(world.at["Upkeep"], pile, gas_price=10**12)
        await keeper.see()
        world.mine()
        reverted_at = world.head
        await keeper.live(FIRST_PAUSE + 4)
        assert keeper.outcomes() == {"reverted": 1, "succeeded": 1}
    performed_at = reverted_at + FIRST_PAUSE
    assert world.effects("Upkeep", "Performed(uint256,bytes)") == [performed_at]
    assert len(world.ours()) == 2


async def test_work_is_done_when_there_is_some_and_not_while_paused(
    world: Keepers, tmp_path: Path
) -> None:
    worked = "Worked(address,uint256)"
    async with program(world, tmp_path, [example("keep3r-work", world.at["Worker"])]) as keeper:
        world.do("Worker", "pause(bool)", True)
        world.do("Worker", "order()")
        await keeper.live(3)
        assert world.effects("Worker", worked) == []
        world.do("Worker", "pause(bool)", False)
        free_at = world.head
        await keeper.live(4)
        assert world.effects("Worker", worked) == [free_at + 1]


async def test_a_condition_that_cannot_be_read_ends_no_pause(
    world: Keepers, tmp_path: Path
) -> None:
    """What was in vain was over then, and begun anew at once when it could be read again."""
    code = world.request("eth_getCode", world.at["Worker"], "latest")
    async with program(world, tmp_path, [example("keep3r-work", world.at["Worker"])]) as keeper:
        world.do("Worker", "order()")
        await keeper.see()
        # Nothing is done when it is called, nor answered when it is asked.
        world.request("anvil_setCode", world.at["Worker"], "0x00")
        world.mine()
        vain_at = world.head
        await keeper.live(CONFIRMATIONS + 1)
        assert keeper.outcomes() == {"no_effect": 1}
        world.request("anvil_setCode", world.at["Worker"], code)
        world.mine()
        await keeper.live(vain_at + FIRST_PAUSE + 2 - world.head)
        assert keeper.outcomes() == {"no_effect": 1, "succeeded": 1}
    assert world.effects("Worker", "Worked(address,uint256)") == [vain_at + FIRST_PAUSE]
    assert len(world.ours()) == 2


async def test_what_is_done_every_so_many_blocks_is_done_once_in_each(
    world: Keepers, tmp_path: Path, said: Said
) -> None:
    """Also by a program that was started anew, and that knows nothing but its journal."""
    async with program(
        world, tmp_path, [example("every-100-blocks", world.at["Ticker"])]
    ) as keeper:
        world.mine(1_000 - world.head)
        for _ in range(2):
            await keeper.live(10)
            assert keeper.agenda() == [Appointment("tick", world.at["Ticker"], "blocks", 1_100)]
            keeper.restart()
        world.mine(1_098 - world.head)
        await keeper.live(1)
        assert world.head == 1_099
        assert world.effects("Ticker", "Ticked(uint256,uint256)") == [1_001]
        await keeper.live(5)
    assert world.effects("Ticker", "Ticked(uint256,uint256)") == [1_001, 1_100]
    assert [line for line in said.lines if "WARNING" in line] == []


async def test_what_was_done_in_its_period_is_not_done_again_by_one_that_was_started_anew(
    world: Keepers, tmp_path: Path
) -> None:
    """The one of the period before expired meanwhile, so keys counted on, and it was."""
    async with program(
        world, tmp_path, [example("every-100-blocks", world.at["Ticker"])]
    ) as keeper:
        world.mine(1_097 - world.head)
        await keeper.see()
        # Blocks are too dear for it until its period is over.
        for _ in range(3):
            world.request("anvil_setNextBlockBaseFeePerGas", hex(500 * 10**9))
            world.mine()
            await keeper.see()
        await keeper.live(CONFIRMATIONS + 1)
        assert keeper.outcomes() == {"expired": 1, "succeeded": 1}
        keeper.restart()
        await keeper.live(3)
    [ticked_at] = world.effects("Ticker", "Ticked(uint256,uint256)")
    assert ticked_at >= 1_100
    assert len(world.ours()) == 2


async def test_the_pause_after_what_was_in_vain_outlives_the_process(
    world: Keepers, tmp_path: Path
) -> None:
    """It began anew with each start, and so burned gas in the next period."""
    job = example("every-100-blocks", world.at["Ticker"])
    code = world.request("eth_getCode", world.at["Ticker"], "latest")

    async def in_vain(keeper: Program) -> None:
        """The contract does nothing when it is really called."""
        await keeper.see()
        world.request("anvil_setCode", world.at["Ticker"], "0x00")
        world.mine()
        world.request("anvil_setCode", world.at["Ticker"], code)
        keeper.restart()

    async def forgettable(keeper: Program) -> bool:
        """Whether the journal may forget what was in vain."""
        head = await keeper.node.block()
        assert head is not None
        return keeper.families[0].forgettable("tick", {"epoch": 10}, head)

    async with program(world, tmp_path, [job]) as keeper:
        world.mine(1_000 - world.head)
        for _ in range(10):
            await in_vain(keeper)
        assert len(world.ours()) == 1, "it has a pause in its period"
        for left_out in (1_110, 1_190):
            world.mine(left_out - world.head)
            keeper.restart()
            await keeper.live(2)
            assert len(world.ours()) == 1, "and the next one is left out"
        forgotten = [await forgettable(keeper)]
        world.mine(1_200 - world.head)
        keeper.restart()
        await keeper.live(4)
        assert keeper.outcomes() == {"no_effect": 1, "succeeded": 1}
        forgotten += [await forgettable(keeper)]
        assert forgotten == [False, True], "the journal does not forget what the pause depends on"
        keeper.restart()
        await keeper.live(4)
    assert len(world.ours()) == 2
    assert len(world.effects("Ticker", "Ticked(uint256,uint256)")) == 1


async def test_what_is_done_every_hour_is_done_once_in_each(world: Keepers, tmp_path: Path) -> None:
    now = int(world.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    hour = now - now % 3600 + 3600
    async with program(world, tmp_path, [example("every-hour", world.at["Ticker"])]) as keeper:
        world.request("evm_setNextBlockTimestamp", hour)
        world.mine()
        await keeper.live(8)
        assert len(world.effects("Ticker", "Ticked(uint256,uint256)")) == 1
        world.request("evm_setNextBlockTimestamp", hour + 3600)
        world.mine()
        await keeper.live(8)
    assert len(world.effects("Ticker", "Ticked(uint256,uint256)")) == 2


async def test_on_rskj_an_upkeep_is_performed_as_well(tmp_path: Path) -> None:
    """Nothing is simulated there: the check and a plain call must do."""
    with nodes.anvil(**nodes.RSK_RULES) as node, in_front_of(node) as stand_in:
        world = Keepers(node)
        node.rpc("anvil_setMinGasPrice", "0x0")
        upkeep = example("chainlink-upkeep", world.at["Upkeep"])
        async with program(world, tmp_path, [upkeep], stand_in) as keeper:
            await keeper.live(1)
            assert keeper.agenda() == [], "nobody knows when its condition becomes true"
            world.do("Upkeep", "pile(uint256)", 7)
            true_at = world.head
            await keeper.live(4)
            assert keeper.outcomes() == {"succeeded": 1}
        assert world.effects("Upkeep", "Performed(uint256,bytes)") == [true_at + 1]
        world.close()


async def test_on_geth_an_upkeep_is_performed_as_well(tmp_path: Path) -> None:
    with nodes.geth() as node:
        endpoint = Endpoint(node.http)
        fund(endpoint)
        endpoint.close()
        world = Keepers(node)
        world.wallet.transact(world.at["Upkeep"], call_data("pile(uint256)", (7,)))
        upkeep = example("chainlink-upkeep", world.at["Upkeep"])
        async with program(world, tmp_path, [upkeep], accounted=world.sent()) as keeper:
            start = world.head
            async for event in keeper.node.follow():
                await keeper.flow.on(event)
                if event.head.number >= start + 5:
                    break
            assert keeper.outcomes() == {"succeeded": 1}
        assert len(world.effects("Upkeep", "Performed(uint256,bytes)")) == 1
        world.close()
