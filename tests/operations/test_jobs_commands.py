"""`scheduler jobs list|check|explain` as operators type them, on real contracts."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler import toml
from scheduler.config import Settings
from scheduler.devchain.nodes import Node
from scheduler.jobs.abi import call_data
from scheduler.jobs.loading import job
from scheduler.operations.keyfiles import make_key_file
from scheduler.transactions.retries import FIRST_PAUSE
from tests import nodes
from tests.commands import Running, finished, free_port, refusal
from tests.jobs.rig import CONFIRMATIONS, Keepers, program

NOBODY = "0x" + "77" * 20


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with nodes.anvil(chain_id=1337) as node:
        yield node


@pytest.fixture
def world(node: Node) -> Iterator[Keepers]:
    with nodes.restored(node):
        world = Keepers(node)
        yield world
        world.close()


class Box:
    """A box with a configuration of jobs."""

    def __init__(self, home: Path, world: Keepers) -> None:
        self.home = home
        self.world = world
        self.config = home / "config.toml"
        self.rpc_url = world.node.http

    def configured(self, *jobs: str, top: str = "") -> "Box":
        tables = [f"[[jobs]]\n{text}\n" for text in jobs]
        self.config.write_text("\n".join([f'rpc-url = "{self.rpc_url}"', top, *tables]))
        return self

    def says(self, *words: str, status: int = 0, errors: bool = False) -> list[str]:
        """The lines of `scheduler jobs …`, which must end so."""
        done = finished(self.home, "scheduler", "jobs", *words, "--config", str(self.config))
        assert done.returncode == status, done
        assert bool(done.stderr) == errors, done
        return (done.stderr if errors else done.stdout).splitlines()

    def json(self, *words: str, status: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.says(*words, "--json", status=status)]


@pytest.fixture
def box(tmp_path: Path, world: Keepers) -> Box:
    return Box(tmp_path, world)


def work(at: str, name: str = "work", more: str = "") -> str:
    return (
        f'name = "{name}"\ncontract = "{at}"\ncall = "work()"\nwhen = "workable()"\n'
        f'unless = ["paused()"]\nproofs = ["Worked(address,uint256)"]\ngas-limit = 500_000\n{more}'
    )


def upkeep(at: str) -> str:
    return (
        f'name = "upkeep"\ncontract = "{at}"\ncall = "performUpkeep(bytes)"\n'
        'when = { view = "checkUpkeep(bytes)", arguments = ["0x"] }\n'
        'arguments = [{ from = "when", word = 1 }]\n'
    )


def tick(at: str) -> str:
    return f'name = "tick"\ncontract = "{at}"\ncall = "tick()"\nevery = {{ blocks = 100 }}\n'


def test_the_jobs_are_listed_with_what_each_does_and_why_one_is_off(
    box: Box, world: Keepers
) -> None:
    box.configured(work(world.at["Worker"]), tick(world.at["Ticker"]), work(NOBODY, "none"))
    header, *lines = box.says("list")
    assert header.split("  ")[0] == "job"
    worker, ticker = world.at["Worker"], world.at["Ticker"]
    assert [list(filter(None, map(str.strip, line.split("  ")))) for line in lines] == [
        ["work", "scheduler", f"work() of {worker}", "every block", "normal", "on"],
        ["tick", "scheduler", f"tick() of {ticker}", "once in 100 blocks", "normal", "on"],
        [
            "none",
            "scheduler",
            f"work() of {NOBODY}",
            "every block",
            "normal",
            f"off: there is no contract at {NOBODY}",
        ],
    ]
    assert [each["job"] for each in box.json("list")] == ["work", "tick", "none"]


def test_check_says_what_each_job_would_do_now_and_what_is_wrong(box: Box, world: Keepers) -> None:
    worker = world.at["Worker"]
    box.configured(
        work(worker),
        upkeep(world.at["Upkeep"]),
        work(NOBODY, "none"),
        work(worker, "unreadable").replace("workable()", "nothing()"),
        work(worker, "hungry").replace("500_000", "100_000_000"),
        f'name = "vain"\ncontract = "{worker}"\ncall = "work()"\nwhen = {{ not = "workable()" }}',
    )
    found = {each["name"]: each for each in box.json("check", status=1)}
    assert {name: each["state"] for name, each in found.items()} == {
        "work": "fine",
        "upkeep": "fine",
        "none": "wrong",
        "unreadable": "wrong",
        "hungry": "wrong",
        "vain": "wrong",
    }
    assert (found["work"]["condition"], found["work"]["simulated"]) == (False, "reverted")
    assert "nothing to do" in found["work"]["reason"]
    assert (found["upkeep"]["function"], found["upkeep"]["simulated"]) == (True, None)
    assert found["none"]["reason"] == f"there is no contract at {NOBODY}"
    assert "[[jobs]] none" in found["none"]["next"]
    assert "nothing() of" in found["unreadable"]["trouble"]
    assert "a block has 30,000,000" in found["hungry"]["reason"]
    assert "nothing to do" in found["vain"]["detail"], "the contract's own words"
    assert found["vain"]["next"] == "see: scheduler jobs explain vain"

    world.do("Worker", "order()")
    world.do("Upkeep", "pile(uint256)", 7)
    box.says("check", "work", "upkeep")
    for each in box.json("check", "work", "upkeep"):
        assert (each["condition"], each["simulated"], each["state"]) == (True, "succeeded", "fine")
        assert 0 < each["gas_used"] < each["gas_limit"]
        assert each["account"] == world.us
        assert 0 < each["cost_wei"] < each["balance_wei"]
    world.do("Worker", "pause(bool)", True)
    [each] = box.json("check", "work")
    assert (each["condition"], each["excluded"], each["state"]) == (True, True, "fine")
    assert world.sent() == 0, "nothing is sent"


def test_check_tells_who_cannot_pay_and_what_is_too_dear(box: Box, world: Keepers) -> None:
    world.do("Worker", "order()")
    box.configured(work(world.at["Worker"]), top="[fees]\nmax-gas-price = 1\n")
    [line] = box.says("check", status=1)
    assert "inclusion costs more than fees.max-gas-price = 1 wei per gas now" in line
    world.request("anvil_setBalance", world.us, hex(10**12))
    world.mine()
    [line] = box.says("check", status=1)
    assert line.endswith(f"{world.us} has 0.000001 ether; send ether to {world.us}")


def test_a_job_is_explained_before_and_after_it_was_done(box: Box, world: Keepers) -> None:
    box.configured(work(world.at["Worker"], more="max-cost = 1_000_000_000_000_000_000\n"))
    told = dict(box.json("explain", "work")[0]["told"])
    assert told["when"] == "workable()"
    assert told["not while"] == "paused()"
    assert told["calls"] == f"work() of {world.at['Worker']}"
    assert told["may cost"] == "1 ether"
    assert told["proved by"] == "Worked(address,uint256); without, it was in vain"
    assert told["last"].startswith("never: there is no journal at ")
    lines = box.says("explain", "work")
    held = [line for line in lines if line.startswith("  held back by")]
    assert "start it: supervisorctl start scheduler" in held[0]
    assert "nothing to do: its condition is not true" in held[1]

    world.request("evm_setIntervalMining", 1)
    try:
        with Running(
            box.home, "scheduler", "run", "scheduler", "--config", str(box.config)
        ) as running:
            running.saw("work begins")
            world.wallet.send(world.at["Worker"], call_data("order()", ()))
            running.saw("Successfully work in Block")
            told = dict(box.json("explain", "work")[0]["told"])
            assert "succeeded in block" in told["last"]
            assert "(Worked); see: scheduler journal show " in told["last"]
            assert told["held back by"] == "nothing to do: its condition is not true"
            finished(box.home, "scheduler", "pause", "--config", str(box.config))
            assert "to go on: scheduler resume --all" in "".join(box.says("explain", "work"))
            assert running.stop() == 0
    finally:
        world.request("evm_setIntervalMining", 0)


async def test_what_failed_is_explained_with_the_block_of_its_next_try(
    box: Box, world: Keepers
) -> None:
    """The contract does nothing when it is really called, and its condition stays true."""
    box.configured(work(world.at["Worker"]))
    [data] = Settings.model_validate(toml.loads(box.config.read_text())).jobs
    world.do("Worker", "order()")
    code = world.request("eth_getCode", world.at["Worker"], "latest")
    async with program(world, box.home, [job(data)]) as keeper:
        await keeper.see()
        world.request("anvil_setCode", world.at["Worker"], "0x00")
        world.mine()
        vain_at = world.head
        world.request("anvil_setCode", world.at["Worker"], code)
        await keeper.live(CONFIRMATIONS + 1)
        told = dict((await asyncio.to_thread(box.json, "explain", "work"))[0]["told"])
    assert told["now"].endswith("due: its condition is true")
    assert told["last"].split(": ")[1].startswith(f"no_effect in block {vain_at}, mined, but")
    assert told["next"].startswith(
        f"It failed 1 time: it is sent again from block {vain_at + FIRST_PAUSE} on"
    )


@pytest.mark.parametrize("signer", ["environment", "keystore"])
def test_the_account_that_would_send_is_looked_at_and_its_key_file_not_opened(
    box: Box, world: Keepers, signer: str
) -> None:
    key = PrivateKey(b"\x64" * 32)
    variables, table = {"ACCOUNT_PK_SECRET": key.to_bytes().hex()}, ""
    address = key.public_key.to_address()
    if signer == "keystore":
        files = [box.home / name for name in ("key.json", "password")]
        address = str(make_key_file(*files))
        files[1].write_text("another password\n")
        variables = {}
        table = '[keystore]\nfile = "{}"\npassword-file = "{}"\n'.format(*files)
    box.configured(work(world.at["Worker"]), top=f'signer = "{signer}"\n{table}')
    command = ("scheduler", "jobs", "check", "--config", str(box.config))
    done = finished(box.home, *command, **variables)
    assert done.returncode == 1
    assert done.stdout.endswith(f"{address} has 0 ether; send ether to {address}\n")


def test_without_a_node_what_is_declared_is_told_all_the_same(box: Box, world: Keepers) -> None:
    box.rpc_url = f"http://127.0.0.1:{free_port()}"
    box.configured(work(world.at["Worker"]), top=f'[moc]\naddress = "{NOBODY}"\n')
    for words in (("list",), ("check",), ("explain", "work"), ("explain", "liquidation")):
        [line] = box.says(*words, status=1, errors=True)
        assert "nothing listens there" in line
    rows = [json.loads(line) for line in told_anyway(box, "list", "--json")]
    assert {row["job"]: row["state"] for row in rows}["work"] == "not known"
    assert len(rows) == 8
    assert any("workable()" in line for line in told_anyway(box, "explain", "work"))


def told_anyway(box: Box, *words: str) -> list[str]:
    done = finished(box.home, "scheduler", "jobs", *words, "--config", str(box.config))
    return done.stdout.splitlines()


def test_what_is_no_job_is_told_with_those_that_there_are(box: Box, world: Keepers) -> None:
    box.configured(work(world.at["Worker"]))
    for command in ("check", "explain"):
        line = refusal(box.home, "scheduler", "jobs", command, "wrok", "--config", str(box.config))
        assert line == "scheduler: there is no job 'wrok'; there are work"
