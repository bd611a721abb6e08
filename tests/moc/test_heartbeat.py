"""The heartbeat of moc_jobs on the real contracts: what CloudWatch gets, and that no job waits."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.devchain.moc import PRICE
from scheduler.moc.jobs import POKE_NOTICE, TASKS
from tests import nodes
from tests.commands import Running, pulse_of, until
from tests.heartbeat import cloudwatch as servers
from tests.heartbeat.cloudwatch import SECRET, CloudWatch, variables
from tests.moc.rig import World


@pytest.fixture
def running_chain() -> Iterator[World]:
    """A block every second, as on a box."""
    with nodes.anvil(gas_limit=6_800_000, chain_id=1337, hardfork="cancun") as node:
        world = World(node)
        world.request("evm_setIntervalMining", 1)
        yield world
        world.close()


@pytest.fixture(scope="module")
def cloudwatch() -> Iterator[CloudWatch]:
    with servers.running() as cloudwatch:
        yield cloudwatch


def moc_jobs(home: Path, world: World, **extra: str) -> Running:
    """All seven jobs; the heartbeat every two seconds where it is on."""
    network = {
        "app_mode": "MoC",
        "uri": [world.node.http],
        "chain_id": 1337,
        "addresses": {"MoC": world.at["MoC"]},
    }
    content = {"tasks": {name: {} for name in TASKS}, "networks": {"local": network}}
    (home / "config.json").write_text(json.dumps(content))
    (home / "config.toml").write_text("[heartbeat]\ninterval = 2\n")
    box = {"SCHEDULER_CONFIG": str(home / "config.toml")}
    return Running(home, "moc_jobs", "-c", "config.json", "-n", "local", **box, **extra)


def test_0_while_all_jobs_are_healthy_1_on_a_poke_and_without_a_price_and_0_again(
    running_chain: World, cloudwatch: CloudWatch, tmp_path: Path
) -> None:
    world = running_chain
    cloudwatch.forget()
    with moc_jobs(tmp_path, world, **variables(cloudwatch.url)) as program:
        program.saw("HEARTBEAT .* on: MOC/EXCEPTIONS moc-testnet.* in us-west-1, every 2 s")
        program.saw("Successfully payBitProHoldersInterestPayment in Block")
        until(lambda: len(cloudwatch.values()) >= 3)
        assert set(cloudwatch.values()) == {0}
        assert SECRET.encode() not in Path(f"/proc/{program.pid}/environ").read_bytes()

        world.market.set_price(PRICE, seconds=2)
        program.saw(r"\[POKE\] Not valid price! Disabling MOC Price!")
        until(lambda: cloudwatch.values()[-1] == 1)
        program.saw("Successfully poke in Block")
        program.saw("its condition cannot be read")
        pulse = pulse_of(tmp_path, "moc_jobs")
        assert pulse is not None
        assert pulse["health"]["pokes"] == 1
        until(lambda: (pulse_of(tmp_path, "moc_jobs") or {})["health"]["state"] == "failing")

        world.market.set_price(PRICE)
        program.saw("can be read again")
        until(lambda: cloudwatch.values()[-2:] == [0, 0])
        assert program.stop() == 0
    assert POKE_NOTICE == "[POKE] Not valid price! Disabling MOC Price!"
    assert SECRET not in str(program.lines + program.errors)


def test_1_while_the_node_is_away(
    running_chain: World, cloudwatch: CloudWatch, tmp_path: Path
) -> None:
    cloudwatch.forget()
    with moc_jobs(tmp_path, running_chain, **variables(cloudwatch.url)) as program:
        cloudwatch.saw(0)
        running_chain.node.process.kill()
        until(lambda: cloudwatch.values()[-1] == 1, 90)
        assert program.stop() == 0


def test_while_cloudwatch_hangs_the_jobs_are_done_and_a_stop_takes_no_longer(
    running_chain: World, tmp_path: Path
) -> None:
    world = running_chain
    with (
        servers.hanging() as endpoint,
        moc_jobs(tmp_path, world, **variables(endpoint)) as program,
    ):
        program.saw("Successfully dailyInratePayment in Block")
        program.saw("CloudWatch does not get the heartbeat, the jobs go on: ")
        done = len(program.having("Successfully dailyInratePayment"))
        world.mine(25)
        program.saw("Successfully dailyInratePayment in Block", times=done + 1)
        assert program.stop(seconds=5) == 0
    assert len(program.having("CloudWatch does not get the heartbeat")) == 1


def test_without_a_name_there_is_none_and_with_a_name_alone_it_says_what_lacks(
    running_chain: World, tmp_path: Path
) -> None:
    with moc_jobs(tmp_path, running_chain) as program:
        program.saw("HEARTBEAT .* off: to have it sent set MOC_JOBS_NAME and AWS_DEFAULT_REGION")
        assert program.stop() == 0
    with moc_jobs(tmp_path, running_chain, MOC_JOBS_NAME="moc-testnet") as program:
        program.saw("no heartbeat is sent: MOC_JOBS_NAME is set, but no region")
        program.saw("Successfully dailyInratePayment in Block|NO: evalLiquidation!")
        assert program.stop() == 0
