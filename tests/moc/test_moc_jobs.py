"""moc_jobs as its users start it: on a chain with Rootstock's chain id, with its lines."""

import asyncio
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler.chain.addresses import checksummed
from tests.chain.faults import Cable
from tests.commands import Running, finished, free_port, until
from tests.moc.configured import rootstock, written
from tests.moc.rig import World
from tests.rskj.server import StandIn

# Of each process that tests: chains that begin in one second are the same to their programs.
KEY = PrivateKey(secrets.token_bytes(32))
SECRET = KEY.to_bytes().hex()

# Of a second each.
BLOCKS_AWAY = 5

SEED_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [\w ]{12,} (INFO|WARNING) +\S")


@pytest.fixture
def chain() -> Iterator[tuple[World, StandIn]]:
    with rootstock(KEY) as chain:
        yield chain


def test_all_that_is_due_is_done_with_the_lines_that_users_know(
    chain: tuple[World, StandIn], tmp_path: Path
) -> None:
    world, stand_in = chain
    path = written(tmp_path, world, stand_in.http)
    with Running(tmp_path, "moc_jobs", "--config", str(path), ACCOUNT_PK_SECRET=SECRET) as program:
        program.saw("Calling dailyInratePayment ...")
        line = program.saw(r"Successfully dailyInratePayment in Block \[\d+\] Hash: \[0x\w{64}\] ")
        program.saw("Successfully payBitProHoldersInterestPayment in Block")
        program.saw("NO: evalLiquidation!")
        program.saw("NO: runSettlement!")
        assert program.stop() == 0
        assert f"From: [{checksummed(KEY.public_key.to_address(), 31)}]" in line
    assert program.errors == []
    assert [each for each in program.lines if not SEED_LINE.match(each)] == []
    assert SECRET not in str(program.lines)


def test_a_task_that_is_not_named_is_not_done(chain: tuple[World, StandIn], tmp_path: Path) -> None:
    world, stand_in = chain
    path = written(tmp_path, world, stand_in.http, pay_bitpro_holders=65, run_settlement=1)
    with Running(tmp_path, "moc_jobs", "-c", str(path), ACCOUNT_PK_SECRET=SECRET) as program:
        program.saw("Successfully payBitProHoldersInterestPayment in Block")
        program.saw("NO: runSettlement!", times=3)
        assert program.stop() == 0
    assert program.having("dailyInratePayment|evalLiquidation|calculateBitcoin|poke") == []


def test_the_script_does_what_the_command_does(
    chain: tuple[World, StandIn], tmp_path: Path
) -> None:
    """As the users of the checkout type it; the whole configuration comes from the environment."""
    world, stand_in = chain
    config = written(tmp_path, world, stand_in.http).read_text()
    script = Path(__file__).parents[2] / "moc_jobs.py"
    variables = {"MOC_JOBS_CONFIG": config, "ACCOUNT_PK_SECRET": SECRET}
    with Running(tmp_path, "python", str(script), "-c", "/nowhere", **variables) as program:
        program.saw("Successfully dailyInratePayment in Block")
        left = Path(f"/proc/{program.pid}/environ").read_bytes()
        assert program.stop() == 0
    assert SECRET.encode() not in left
    assert b"MOC_JOBS_CONFIG" not in left


async def test_a_node_that_goes_away_is_replaced_by_the_next_one_of_the_list(
    chain: tuple[World, StandIn], tmp_path: Path
) -> None:
    world, stand_in = chain
    dead = f"http://127.0.0.1:{free_port()}"
    async with Cable(int(stand_in.http.rpartition(":")[2])).laid() as cable:
        uris = (dead, f"http://127.0.0.1:{cable.port}", stand_in.http)
        path = written(tmp_path, world, *uris, daily_inrate_payment=1)
        with Running(tmp_path, "moc_jobs", "-c", str(path), ACCOUNT_PK_SECRET=SECRET) as program:
            done = "Successfully dailyInratePayment in Block"
            await asyncio.to_thread(program.saw, done)
            cable.cut()
            anew = "starting over with the first node that answers"
            await asyncio.to_thread(program.saw, anew, seconds=60)
            done_before = len(program.having(done))
            world.mine(25)
            await asyncio.to_thread(program.saw, done, times=done_before + 1, seconds=60)
            assert await asyncio.to_thread(program.stop) == 0
    assert program.errors == []


async def test_whatever_way_its_only_node_is_away_it_resumes_by_itself(
    chain: tuple[World, StandIn], tmp_path: Path
) -> None:
    world, stand_in = chain
    done = "Successfully dailyInratePayment in Block"
    async with Cable(int(stand_in.http.rpartition(":")[2])).laid() as cable:
        uri = f"http://127.0.0.1:{cable.port}"
        path = written(tmp_path, world, uri, daily_inrate_payment=1)
        away_and_back = (
            (cable.cut, cable.mend),
            (cable.take_the_node_away, cable.mend),
            (cable.freeze, cable.thaw),
        )
        with Running(tmp_path, "moc_jobs", "-c", str(path), ACCOUNT_PK_SECRET=SECRET) as program:
            await asyncio.to_thread(program.saw, done)
            for times, (away, back) in enumerate(away_and_back, start=1):
                away()
                gone = "Trying again until it works"
                await asyncio.to_thread(program.saw, gone, times=times, seconds=60)
                done_before = len(program.having(done))
                # It is due long before anybody can tell.
                world.mine(25)
                last = world.head + BLOCKS_AWAY
                await asyncio.to_thread(
                    until, lambda last=last: world.head >= last, BLOCKS_AWAY * 3
                )
                back()
                again = "works again after"
                await asyncio.to_thread(program.saw, again, times=times, seconds=60)
                await asyncio.to_thread(program.saw, done, times=done_before + 1, seconds=60)
            assert await asyncio.to_thread(program.stop) == 0
    assert program.errors == []


@pytest.mark.parametrize("chain_id", [30, 31])
def test_another_chain_or_no_contract_ends_it_by_hand_and_is_waited_for_when_supervised(
    chain: tuple[World, StandIn], tmp_path: Path, chain_id: int
) -> None:
    world, stand_in = chain
    path = written(tmp_path, world, stand_in.http, chain_id=chain_id)
    if chain_id == 31:
        path.write_text(path.read_text().replace(world.at["MoC"], "0x" + "12" * 20))
    why = (
        "serves chain id 31, but the configuration says 30" if chain_id == 30 else "no MoC contract"
    )
    command = ("moc_jobs", "-c", str(path))
    done = finished(tmp_path, *command, ACCOUNT_PK_SECRET=SECRET)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert why in line
    variables = {"ACCOUNT_PK_SECRET": SECRET, "SUPERVISOR_ENABLED": "1"}
    with Running(tmp_path, *command, **variables) as program:
        program.saw(f"Waiting: .*{why}")
        assert program.stop() == 0
    assert world.request("eth_getTransactionCount", KEY.public_key.to_address(), "latest") == "0x0"


def test_what_is_wrong_ends_it_at_once_with_a_line_for_each_thing(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"tasks": {"oracle_poke": {"interval": -1}}, "networks": {"n": {"uri": []}}}')
    done = finished(tmp_path, "moc_jobs", "-c", str(path), "-n", "n", ACCOUNT_PK_SECRET="hunter2")
    assert done.returncode == 2
    assert done.stdout == ""
    lines = [line.removeprefix(f"moc_jobs: {path}: ") for line in done.stderr.splitlines()]
    assert [line.partition(":")[0] for line in lines] == [
        "tasks.oracle_poke.interval",
        "networks.n.app_mode",
        "networks.n.uri",
        "networks.n.chain_id",
        "networks.n.addresses",
        "moc_jobs",
    ]
    assert "hunter2" not in done.stderr


def test_json_without_an_end_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[" * 100_000)
    done = finished(tmp_path, "moc_jobs", "-c", "config.json", ACCOUNT_PK_SECRET=SECRET)
    assert done.returncode == 2
    assert done.stderr == "moc_jobs: config.json is not JSON: it is nested too deeply\n"


def test_a_network_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    done = finished(tmp_path, "moc_jobs", "-n", "mocTestnett", ACCOUNT_PK_SECRET=SECRET)
    assert done.returncode == 2
    assert "there is no network mocTestnett; there are: mocTestnetAlpha" in done.stderr
