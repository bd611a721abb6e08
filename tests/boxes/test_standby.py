"""The database's server is killed, and its standby promoted, as whoever manages them does it: the
programs of two boxes go on with that by themselves, whatever it lacks, and send nothing twice."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGQUIT
from tempfile import TemporaryDirectory

import pytest

from tests.boxes.journals import migrated
from tests.boxes.supervised import Boxes, boxes
from tests.boxes.wire import Wire
from tests.commands import Running, until
from tests.postgres import USER, Server, postgres, standby

SECONDS = 90.0

BEGUN_ANEW = "the database is one that was a standby's, or put back"
UNKNOWN = "the chain had transactions of .* that this journal does not know"
WAITING = "another process keeps it busy|whether the last transaction was written is not known"
ADMITTED = "Nothing unknown of .* is pending: work begins"


@dataclass(frozen=True)
class Scene:
    """Two boxes at work; `primary` streams over the `line` to `spare`."""

    primary: Server
    spare: Server
    line: Wire
    two: Boxes
    programs: tuple[Running, Running]

    def said(self, pattern: str) -> int:
        """In how many lines of either box's program."""
        return sum(len(program.having(pattern)) for program in self.programs)

    @property
    def sent(self) -> int:
        """How many transactions the account has, mined or not."""
        world = self.two.world
        return world.endpoint.number("eth_getTransactionCount", world.us, "pending")

    @property
    def effects(self) -> int:
        return len(self.two.world.effects("Worker", "Worked(address,uint256)"))

    def order(self) -> None:
        """There is work to do, from the next block on."""
        self.two.world.do("Worker", "order()")

    def says(self, pattern: str) -> None:
        """Waits until either says so, while no block comes."""
        until(lambda: self.said(pattern) > 0, SECONDS)

    def mine_until_said(self, pattern: str, times: int = 1) -> None:
        """Block by block."""

        def said() -> bool:
            self.two.world.mine()
            return self.said(pattern) >= times

        until(said, SECONDS)

    def mine_until_done(self, times: int) -> None:
        """Block by block, until there were so many effects, and somebody said so of the last."""
        done = self.said("Successfully work in Block")

        def effected() -> bool:
            self.two.world.mine()
            return self.effects >= times and self.said("Successfully work in Block") > done

        until(effected, SECONDS)

    def catches_up(self) -> None:
        """Waits until the standby has all that was committed so far."""
        [[here]] = self.primary.sql("SELECT pg_current_wal_flush_lsn()")
        reached = f"SELECT pg_last_wal_replay_lsn() >= '{here}'::pg_lsn"
        until(lambda: self.spare.sql(reached) == [["t"]], SECONDS)

    def fail_over(self, signum: int = SIGQUIT) -> None:
        """The primary ends for good (Server.stop), and what the standby has goes on."""
        self.primary.stop(signum)
        self.spare.promote()


@contextmanager
def scene(**settings: str) -> Iterator[Scene]:
    """Box one has done the work once, and the other stands by; the primary has these settings."""
    with ExitStack() as stack:
        primary = stack.enter_context(postgres(**settings))
        # Whatever user the standby's programs are.
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="line-")))
        directory.chmod(0o755)
        socket = f".s.PGSQL.{primary.port}"
        line = stack.enter_context(Wire(directory / socket, primary.socket / socket))
        spare = stack.enter_context(standby(primary, directory))
        database = primary.database()
        migrated(primary, directory, database)
        servers = (primary, spare)
        hosts = ",".join(str(server.socket) for server in servers)
        ports = ",".join(str(server.port) for server in servers)
        # Several servers, as docs/postgresql.md has it; what comes over TCP is as good.
        url = f"postgresql://{USER}@/{database}?host={hosts}&port={ports}"
        two = stack.enter_context(boxes(primary, lambda _: url))
        one = stack.enter_context(two.start(two.one))
        one.saw("Starting block sage", seconds=SECONDS)
        other = stack.enter_context(two.start(two.other))
        other.saw("this box stands by", seconds=SECONDS)
        playing = Scene(primary, spare, line, two, (one, other))
        playing.order()
        playing.mine_until_done(1)
        try:
            yield playing
        except AssertionError as error:
            raise AssertionError(f"{error}: {one.lines} {other.lines}") from error


@pytest.mark.timeout(300)
def test_a_standby_that_lacks_commits_is_found_out_and_nothing_is_sent_twice() -> None:
    with scene() as play:
        play.catches_up()
        play.line.cut()
        play.order()
        until(lambda: play.sent == 2, SECONDS)
        play.fail_over()
        # Without a block, and with nothing to write.
        play.says(BEGUN_ANEW)
        # The transaction of which this database knows nothing is mined before the next is wanted.
        play.two.world.mine()
        assert play.effects == 2
        play.order()
        play.says(UNKNOWN)
        assert play.sent == 2
        play.mine_until_said(ADMITTED, 2)
        play.mine_until_done(3)
        assert play.effects == play.sent == 3


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("synchronous", "signum"), [("*", SIGQUIT), ("", SIGINT)], ids=["synchronous", "planned"]
)
def test_a_standby_that_lacks_nothing_goes_on_at_once(synchronous: str, signum: int) -> None:
    """What has left was at the standby before; a primary that is stopped in order gives it all."""
    with scene(synchronous_standby_names=synchronous) as play:
        play.order()
        until(lambda: play.sent == 2, SECONDS)
        play.fail_over(signum)
        play.mine_until_said(BEGUN_ANEW)
        assert play.effects == 2
        play.order()
        play.mine_until_done(3)
        assert play.said(UNKNOWN) == 0
        assert play.said(ADMITTED) == 1
        assert play.effects == play.sent == 3


@pytest.mark.timeout(300)
def test_what_a_synchronous_standby_cannot_be_given_is_not_sent() -> None:
    """A commit waits for it, and keeps the others from theirs."""
    with scene(synchronous_standby_names="*") as play:
        play.line.cut()
        play.order()
        play.mine_until_said(WAITING)
        assert play.sent == 1
        play.fail_over()
        play.mine_until_done(2)
        assert play.said(UNKNOWN) == 0
        assert play.effects == play.sent == 2
