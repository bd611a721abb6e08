"""A settlement by a real process that is killed between its steps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.devchain.nodes import Node
from tests import nodes
from tests.commands import Running, head_of, until
from tests.moc.conftest import VARIANTS
from tests.moc.rig import World
from tests.moc.test_steps import STEPS, assert_settled_once, settlement_due

SETTLEMENT = "scheduler-settlement"


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """A chain that may be reset at any time, as far as programs know."""
    with nodes.anvil(gas_limit=6_900_000, chain_id=1337, hardfork="cancun", history=100) as node:
        yield node


# One behind a proxy and one on a token; test_steps has all of them, in its own process.
@pytest.mark.parametrize("variant", VARIANTS[1::3])
def test_a_settlement_is_completed_though_its_program_is_killed_after_each_step(
    world: World, tmp_path: Path
) -> None:
    settlement_due(world)
    config = tmp_path / "config.toml"
    config.write_text(
        f'rpc-url = "{world.node.ws}"\njournal = "{tmp_path / "journal.db"}"\n'
        f'[moc]\naddress = "{world.at["MoC"]}"\nsplit = true\n'
        "tasks = { run_settlement = { steps = 1 } }\n"
    )
    command = ("scheduler", "run", SETTLEMENT, "--config", str(config))

    def mine() -> None:
        world.mine()
        until(lambda: head_of(tmp_path, SETTLEMENT) >= world.head)

    for step in range(STEPS):
        with Running(tmp_path, *command) as program:
            while not int(world.request("txpool_status")["pending"], 16):
                mine()
            program.kill()
        # What it sent is mined while nobody looks.
        world.mine()
        assert world.sent() == step + 1
    with Running(tmp_path, *command) as program:
        program.saw("NO: runSettlement!")
        for _ in range(3):
            mine()
        assert program.stop() == 0
    assert_settled_once(world)
