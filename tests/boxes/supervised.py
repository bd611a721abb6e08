"""The supervised program on two boxes, whose chain a test moves on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests import nodes
from tests.boxes.box import Box, box
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
    """Two boxes with one configuration, but for the ways that are theirs; `journal` says where the
    journal is for a box."""

    def __init__(self, world: Keepers, journal: Callable[[Box], str], one: Box, other: Box) -> None:
        self.world, self.one, self.other = world, one, other
        self._journal = journal

    def start(self, at: Box, account: str | None = None) -> Running:
        """The supervised program."""
        config = at.directory / "config.toml"
        config.write_text(
            JOB.format(
                node=at.node.path,
                account=account or self.world.us,
                journal=self._journal(at),
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


@contextmanager
def boxes(server: Server, journal: Callable[[Box], str]) -> Iterator[Boxes]:
    """Two boxes where nothing runs yet, on an anvil; see Boxes."""
    with ExitStack() as stack:
        node = stack.enter_context(nodes.anvil(chain_id=1337))
        one, other = (
            stack.enter_context(box(name, str(node.ipc), server)) for name in ("one", "other")
        )
        world = Keepers(node)
        stack.callback(world.close)
        yield Boxes(world, journal, one, other)
