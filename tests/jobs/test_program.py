"""Declared jobs as the supervised program does them: what is off, and what changes meanwhile."""

from dataclasses import replace
from pathlib import Path

import pytest

from scheduler import programs, toml
from scheduler.config import Settings
from scheduler.errors import Misconfigured
from scheduler.plans import plan_of
from scheduler.roster import LOOK_AGAIN_BLOCKS
from tests import nodes
from tests.commands import Running, head_of, until
from tests.jobs.rig import Keepers

NOBODY = "0x" + "77" * 20


def declared(name: str, at: str, call: str = "work()", when: str = "workable()") -> str:
    return (
        f'[[jobs]]\nname = "{name}"\ncontract = "{at}"\ncall = "{call}"\nwhen = "{when}"\n'
        "gas-limit = 500_000\n"
    )


def configured(home: Path, world: Keepers, *jobs: str) -> tuple[str, ...]:
    """The command that runs the program with these jobs."""
    path = home / "config.toml"
    path.write_text("\n".join([f'rpc-url = "{world.node.ws}"', *jobs]))
    return ("scheduler", "run", "scheduler", "--config", str(path))


def look_again(home: Path, world: Keepers) -> None:
    """As many blocks as it takes, each seen."""
    for _ in range(LOOK_AGAIN_BLOCKS):
        world.mine()
        until(lambda: head_of(home, "scheduler") >= world.head)


def mine_until(world: Keepers, program: Running, pattern: str) -> None:
    """Block by block, until the program says so."""

    def said() -> bool:
        world.mine()
        return program.having(pattern) != []

    until(said)


def test_a_job_whose_contract_is_not_there_is_off_until_it_is_and_keeps_no_other_back(
    world: Keepers, tmp_path: Path
) -> None:
    worker = world.at["Worker"]
    command = configured(tmp_path, world, declared("early", NOBODY), declared("work", worker))
    with Running(tmp_path, *command) as program:
        program.saw(f"early: WARNING: .* work is off: there is no contract at {NOBODY}")
        world.do("Worker", "order()")
        look_again(tmp_path, world)
        program.saw("work: INFO: .* Successfully work in Block")
        assert program.having("early has another contract") == []
        world.request("anvil_setCode", NOBODY, world.request("eth_getCode", worker, "latest"))
        world.do(NOBODY, "order()")
        look_again(tmp_path, world)
        program.saw(f"early has another contract: {NOBODY} has work.. in its code; starting over")
        mine_until(world, program, "early: INFO: .* Successfully work in Block")
        assert program.stop() == 0
    assert len(program.having("is off")) == 1
    assert program.errors == []


def test_an_implementation_that_lost_the_function_is_noticed_while_running(
    world: Keepers, tmp_path: Path
) -> None:
    proxy = world.proxy_of("Worker")
    others = declared("tick", world.at["Ticker"], "tick()", "ticks()")
    command = configured(tmp_path, world, declared("work", proxy), others)
    ticker = world.at["Ticker"]
    with Running(tmp_path, *command) as program:
        until(lambda: head_of(tmp_path, "scheduler") > 0)
        world.do(proxy, "upgradeTo(address)", ticker)
        look_again(tmp_path, world)
        program.saw(f"work has another contract: {ticker}, behind {proxy}, has no work")
        program.saw(f"work is off: {ticker}, behind {proxy}, has no work")
        world.do(proxy, "upgradeTo(address)", world.at["Worker"])
        look_again(tmp_path, world)
        program.saw("work has another contract: .* has work.. in its code; starting over")
        world.do(proxy, "order()")
        mine_until(world, program, "work: INFO: .* Successfully work in Block")
        assert program.stop() == 0


def test_where_no_job_can_be_done_the_program_waits_and_says_why(
    world: Keepers, tmp_path: Path
) -> None:
    command = configured(tmp_path, world, declared("work", NOBODY))
    with Running(tmp_path, *command) as program:
        program.saw(f"Waiting: work is off: there is no contract at {NOBODY}; correct")
        code = world.request("eth_getCode", world.at["Worker"], "latest")
        world.request("anvil_setCode", NOBODY, code)
        world.mine()
        program.saw("Everything needed is there now")
        assert program.stop() == 0
    assert world.sent() == 0


@pytest.mark.parametrize(("chain_id", "network"), [(1337, "dev"), (1, "mainnet")])
async def test_the_published_account_is_refused_but_for_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain_id: int, network: str
) -> None:
    """The node's account stands in for it: its key is not written down."""
    with nodes.anvil(chain_id=chain_id) as node:
        world = Keepers(node)
        monkeypatch.setattr(programs, "EXAMPLE", world.us)
        job = toml.loads(declared("work", world.at["Worker"]))
        box = {"rpc-url": node.http, "journal": str(tmp_path / "journal.db"), **job}
        plan = plan_of("scheduler", Settings.model_validate(box), patient=False)
        if network == "mainnet":
            with pytest.raises(Misconfigured, match=f"the account {world.us} is that of a publ"):
                await programs.Program(plan).assemble()
            plan = replace(plan, play=True)
        work = await programs.Program(plan).assemble()
        await work.close()
        world.close()
