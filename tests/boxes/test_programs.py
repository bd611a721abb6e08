"""The supervised program on two boxes, as operators see it: what it says, and who does the work."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import nodes
from tests.boxes.box import Box, box
from tests.boxes.journals import migrated
from tests.commands import BIN, Running, until
from tests.jobs.rig import Keepers
from tests.postgres import Server

JOB = """\
rpc-url = "{node}"
account = "{account}"
journal = "{journal}"
[[jobs]]
name = "work"
contract = "{contract}"
call = "work()"
when = "workable()"
gas-limit = 500_000
"""


class Boxes:
    """Two boxes with one configuration, but for the ways that are theirs."""

    def __init__(self, world: Keepers, database: str, one: Box, other: Box) -> None:
        self.world, self.one, self.other = world, one, other
        self._database = database

    def start(self, at: Box, account: str | None = None) -> Running:
        """The supervised program."""
        config = at.directory / "config.toml"
        config.write_text(
            JOB.format(
                node=at.node.path,
                account=account or self.world.us,
                journal=at.journal(self._database),
                contract=self.world.at["Worker"],
            )
        )
        return self.command(at, "run", "scheduler")

    def command(self, at: Box, *words: str) -> Running:
        config = at.directory / "config.toml"
        scheduler = [str(BIN / "scheduler"), *words, "--config", str(config)]
        return Running(at.directory, *at.command(*scheduler), SCHEDULER_JOURNAL="")

    def drain(self, at: Box) -> list[str]:
        """What `scheduler drain` says there; it must find that all is well."""
        with self.command(at, "drain") as drain:
            assert drain.ended(60) == 0, drain.errors
            return drain.lines

    def mine_until_done(self, program: Running, times: int) -> None:
        """Block by block, until the program has done the job so many times."""

        def done() -> bool:
            self.world.mine()
            return len(program.having("Successfully work in Block")) >= times

        until(done, 60)


@pytest.fixture
def boxes(database_server: Server, tmp_path: Path) -> Iterator[Boxes]:
    with ExitStack() as stack:
        node = stack.enter_context(nodes.anvil(chain_id=1337))
        database = database_server.database()
        migrated(database_server, tmp_path, database)
        one, other = (
            stack.enter_context(box(name, str(node.ipc), database_server))
            for name in ("one", "other")
        )
        world = Keepers(node)
        stack.callback(world.close)
        yield Boxes(world, database, one, other)


@pytest.mark.timeout(600)
def test_the_work_goes_from_box_to_box(boxes: Boxes) -> None:
    with boxes.start(boxes.one) as one:
        one.saw("Everything needed|Starting block sage", seconds=60)
        boxes.world.do("Worker", "order()")
        boxes.mine_until_done(one, 1)
        with boxes.start(boxes.other) as other:
            other.saw(
                rf"one, process {one.pid} \(scheduler\) already serves .*; this box stands by",
                seconds=60,
            )
            taken, stop = boxes.drain(boxes.one)
            assert taken == f"other, process {other.pid} (scheduler) has taken over"
            assert stop == "to stop this box: supervisorctl stop scheduler"
            one.saw("stands by", seconds=60)
            boxes.world.do("Worker", "order()")
            boxes.mine_until_done(other, 1)
            [line] = boxes.drain(boxes.one)
            assert line == (
                f"other, process {other.pid} (scheduler) does the work; this box does none of it, "
                "and may be stopped"
            )
            other.kill()
        boxes.world.do("Worker", "order()")
        boxes.mine_until_done(one, 2)
        assert one.stop() == 0
    assert one.errors == []
    assert len(boxes.world.effects("Worker", "Worked(address,uint256)")) == 3


@pytest.mark.timeout(600)
def test_a_box_with_another_account_says_so_and_sends_nothing(boxes: Boxes) -> None:
    accounts = [str(each).lower() for each in boxes.world.request("eth_accounts")]
    stranger = next(each for each in accounts if each != boxes.world.us)
    with boxes.start(boxes.one) as one:
        one.saw("Starting block sage", seconds=60)
        with boxes.start(boxes.other, stranger) as other:
            other.saw(
                f"one, process {one.pid} .* with the account {boxes.world.us}, but this box has "
                f"{stranger}: correct account",
                seconds=60,
            )
            boxes.world.do("Worker", "order()")
            boxes.mine_until_done(one, 1)
            assert other.having("Successfully") == []
