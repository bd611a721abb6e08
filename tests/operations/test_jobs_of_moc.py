"""`scheduler jobs` of Money on Chain: from a box's configuration, and from a config.json."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.jobs.abi import selector
from scheduler.moc.jobs import TASKS
from tests import nodes
from tests.commands import finished, free_port, refusal
from tests.moc.rig import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with nodes.anvil(gas_limit=6_800_000, chain_id=1337, hardfork="cancun") as node:
        world = World(node)
        yield world
        world.close()


def box(home: Path, world: World) -> tuple[str, ...]:
    path = home / "config.toml"
    path.write_text(
        f'rpc-url = "{world.node.http}"\n[moc]\naddress = "{world.at["MoC"]}"\nsplit = true\n'
    )
    return ("--config", str(path))


def config_json(home: Path, world: World) -> tuple[str, ...]:
    path = home / "config.json"
    network = {
        "app_mode": "MoC",
        "uri": [world.node.http],
        "chain_id": 1337,
        "addresses": {"MoC": world.at["MoC"]},
    }
    tasks = {"oracle_poke": {"interval": 65}, "run_settlement": {"partial_execution_steps": 3}}
    path.write_text(json.dumps({"tasks": tasks, "networks": {"local": network}}))
    return ("--config", str(path), "--network", "local")


def test_each_job_of_the_deployment_is_listed_with_its_program(
    world: World, tmp_path: Path
) -> None:
    done = finished(tmp_path, "scheduler", "jobs", "list", "--json", *box(tmp_path, world))
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["job"], row["state"]) for row in rows] == [(name, "on") for name in TASKS]
    assert {row["generation"] for row in rows} == {"moc_base"}
    assert [row["program"].removeprefix("scheduler-") for row in rows] == [
        "liquidation", "liquidation", "settlement", "payments", "payments", "prices", "prices",
    ]  # fmt: skip
    assert rows[1]["calls"] == f'evalBucketLiquidation("X2") of {world.at["MoC"]}'
    assert rows[1]["urgency"] == "urgent"
    done = finished(tmp_path, "scheduler", "jobs", "list", *box(tmp_path, world))
    assert done.stderr == f"{world.at['MoC']} is of the generation moc_base\n"


def test_what_is_due_and_what_is_not_is_simulated(world: World, tmp_path: Path) -> None:
    done = finished(tmp_path, "scheduler", "jobs", "check", "--json", *box(tmp_path, world))
    assert done.returncode == 0
    found = {each["name"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert {each["state"] for each in found.values()} == {"fine"}
    daily = found["daily_inrate_payment"]
    assert (daily["condition"], daily["simulated"]) == (True, "succeeded")
    assert daily["detail"] == "InrateDailyPay"
    assert found["liquidation"]["condition"] is False
    assert found["liquidation"]["simulated"] == "no_effect"


def test_a_function_that_the_deployment_dropped_is_off_and_nothing_is_wrong(
    world: World, tmp_path: Path
) -> None:
    code = world.request("eth_getCode", world.at["MoC"], "latest")
    dropped = code.replace(selector("dailyInratePayment()").hex(), "deadbeef")
    world.request("anvil_setCode", world.at["MoC"], dropped)
    world.mine()
    try:
        done = finished(tmp_path, "scheduler", "jobs", "check", *box(tmp_path, world))
    finally:
        world.request("anvil_setCode", world.at["MoC"], code)
        world.mine()
    assert done.returncode == 0
    [line] = [line for line in done.stdout.splitlines() if line.startswith("off")]
    assert "daily_inrate_payment" in line
    assert line.endswith("has no dailyInratePayment() in its code; this deployment does without")


def test_a_job_is_explained_in_plain_words(world: World, tmp_path: Path) -> None:
    explain = ("scheduler", "jobs", "explain")
    done = finished(tmp_path, *explain, "calculate_bma", *box(tmp_path, world))
    assert done.returncode == 0
    lines = [(line[2:15].strip(), line[16:]) for line in done.stdout.splitlines()[1:]]
    told = dict(lines)
    assert told["when"] == "shouldCalculateEma()"
    moc, state = world.at["MoC"], world.at["MoCState"]
    assert [text for heading, text in lines if heading == "not while"] == [
        f"isSettlementEnabled() of {moc} and not state() == 0, for 10 blocks at the longest",
        "isLiquidationReached(), for 10 blocks at the longest",
    ]
    assert told["calls"] == f"calculateBitcoinMovingAverage() of {state}"
    assert told["proved by"] == "MovingAverageCalculation(uint256,uint256); without, it was in vain"
    assert "lastEmaCalculation()" in told["how often"]


def test_a_config_json_is_read_as_moc_jobs_reads_it(world: World, tmp_path: Path) -> None:
    options = config_json(tmp_path, world)
    done = finished(tmp_path, "scheduler", "jobs", "list", "--json", *options)
    rows = {row["job"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["run_settlement"]["program"] == "moc_jobs"
    assert rows["run_settlement"]["calls"].startswith("runSettlement(3) of ")
    assert rows["liquidation"]["state"] == "off: it is not among the tasks"
    done = finished(tmp_path, "scheduler", "jobs", "check", *options)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
    line = refusal(tmp_path, "scheduler", "jobs", "check", "liquidation", *options)
    assert line.endswith("there is no job 'liquidation'; there are run_settlement, oracle_poke")


def test_another_chain_or_contract_than_the_configuration_says_is_a_wrong_configuration(
    world: World, tmp_path: Path
) -> None:
    """By hand it ends as moc_jobs itself would; a node that is away is another thing."""
    options = config_json(tmp_path, world)
    path = tmp_path / "config.json"
    right = path.read_text()
    elsewhere = right.replace(world.at["MoC"], world.at["PriceFeed"])
    for content, status, why in (
        (right.replace('"chain_id": 1337', '"chain_id": 33'), 2, "the configuration says 33"),
        (elsewhere, 2, "is no MoC contract"),
        (right.replace(world.node.http, f"http://127.0.0.1:{free_port()}"), 1, "nothing listens"),
    ):
        path.write_text(content)
        for command in ("list", "check"):
            assert why in refusal(tmp_path, "scheduler", "jobs", command, *options, status=status)
