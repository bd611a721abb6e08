"""The jobs as the supervised program does them, from its configuration."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import nodes
from tests.commands import Running, finished
from tests.moc.rig import World


@pytest.fixture
def running_chain() -> Iterator[World]:
    """A block every second, as on a box."""
    options = {"gas_limit": 6_800_000, "chain_id": 1337, "hardfork": "cancun"}
    with nodes.anvil(**options) as node:
        world = World(node)
        world.request("evm_setIntervalMining", 1)
        yield world
        world.close()


def configured(tmp_path: Path, world: World, address: str) -> str:
    """A configuration file with this MoC contract."""
    path = tmp_path / "config.toml"
    lines = [f'rpc-url = "{world.node.ws}"', f'journal = "{tmp_path / "journal.db"}"']
    path.write_text("\n".join([*lines, "[moc]", f'address = "{address}"', ""]))
    return str(path)


def test_the_program_does_what_is_due_and_ends_in_peace(
    running_chain: World, tmp_path: Path
) -> None:
    config = configured(tmp_path, running_chain, running_chain.at["MoC"])
    with Running(tmp_path, "scheduler", "run", "scheduler", "--config", config) as program:
        program.saw("a Money on Chain contract of the generation moc_base")
        program.saw("Successfully dailyInratePayment in Block")
        program.saw("Successfully payBitProHoldersInterestPayment in Block")
        program.saw("NO: evalLiquidation!")
        assert program.stop() == 0
    assert program.errors == []
    listed = finished(tmp_path, "scheduler", "journal", "list", "--config", config)
    assert "succeeded" in listed.stdout
    report = finished(tmp_path, "scheduler", "report", "--csv", "--config", config)
    fees = {row["family"]: int(row["fees"]) for row in csv.DictReader(report.stdout.splitlines())}
    assert {"jobs/daily_inrate_payment", "jobs/pay_bitpro_holders"} <= fees.keys()
    assert min(fees.values()) > 0


def test_a_declared_job_is_done_as_well(running_chain: World, tmp_path: Path) -> None:
    at = running_chain.at
    path = tmp_path / "config.toml"
    path.write_text(
        f"""
        rpc-url = "{running_chain.node.ws}"
        journal = "{tmp_path / "journal.db"}"
        [[jobs]]
        name = "payday"
        contract = "{at["MoC"]}"
        call = "dailyInratePayment()"
        when = "isDailyEnabled()"
        epoch = {{ contract = "{at["MoCInrate"]}", view = "lastDailyPayBlock()" }}
        proofs = [{{ contract = "{at["MoCInrate"]}",
                    event = "InrateDailyPay(uint256,uint256,uint256)" }}]
        gas-limit = 500000
        """.replace(",\n                    ", ", ")
    )
    with Running(tmp_path, "scheduler", "run", "scheduler", "--config", str(path)) as program:
        program.saw("payday.* Successfully dailyInratePayment in Block")
        assert program.stop() == 0
    assert program.errors == []


def test_two_programs_do_not_do_the_same_jobs(running_chain: World, tmp_path: Path) -> None:
    config = configured(tmp_path, running_chain, running_chain.at["MoC"])
    command = ("scheduler", "run", "scheduler", "--config", config)
    with Running(tmp_path, *command) as first:
        first.saw("Successfully dailyInratePayment in Block")
        with Running(tmp_path, *command) as second:
            second.saw("Waiting: process .* already serves")
            assert second.stop() == 0
        assert first.stop() == 0


def test_an_address_without_the_contract_is_waited_for(
    running_chain: World, tmp_path: Path
) -> None:
    config = configured(tmp_path, running_chain, "0x" + "12" * 20)
    with Running(tmp_path, "scheduler", "run", "scheduler", "--config", config) as program:
        program.saw("Waiting: what is at 0x1212.* is no MoC contract")
        assert program.stop() == 0
