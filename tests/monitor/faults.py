"""Each way in which a box goes wrong, done to a real one, and which check tells of it."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.commands import schedule_on, until, walk_to
from tests.monitor.box import ETHER, LEAST_BALANCE, SLOT_SECONDS, Box, Relay

_MINUTE = 60.0

# Of a job that no program here has.
INTENT = (
    "INSERT INTO intents SELECT '{key}', 'test', 'work', chain, '0x', '{{}}', '0x', x'', '0', 1,"
    " 0, 1, 'normal', '0', '0', '[]', '[]', NULL, '{state}', 0, 0, 0, 0 FROM accounts"
)


@dataclass(frozen=True)
class Fault:
    """Within `done` the box is wrong in this way; `check` says so.

    `threshold` is how long it may be so before it counts, in seconds; one that is only worth
    knowing is no alert.
    """

    name: str
    check: str
    done: Callable[[Box], AbstractContextManager[None]]
    threshold: float = 0.0
    level: str = "fail"


@contextmanager
def node_stopped(box: Box) -> Iterator[None]:
    box.node.stopped = True
    yield
    box.node.stopped = False


@contextmanager
def head_frozen(box: Box) -> Iterator[None]:
    box.chain.endpoint.request("evm_setIntervalMining", 0)
    yield
    box.chain.endpoint.request("evm_setIntervalMining", 1)


@contextmanager
def still_syncing(box: Box) -> Iterator[None]:
    box.node.syncing = True
    yield
    box.node.syncing = False


@contextmanager
def wrong_chain(box: Box) -> Iterator[None]:
    box.node.other_chain = True
    yield
    box.node.other_chain = False


@contextmanager
def second_differs(box: Box) -> Iterator[None]:
    box.second.other_blocks = True
    yield
    box.second.other_blocks = False


@contextmanager
def account_empty(box: Box) -> Iterator[None]:
    box.chain.endpoint.request("anvil_setBalance", box.address, "0x0")
    yield
    box.chain.endpoint.request("anvil_setBalance", box.address, hex(10 * ETHER))


@contextmanager
def balance_low(box: Box) -> Iterator[None]:
    """Less than the configuration wants, and enough for what is to be sent."""
    box.chain.endpoint.request("anvil_setBalance", box.address, hex(LEAST_BALANCE // 2))
    yield
    box.chain.endpoint.request("anvil_setBalance", box.address, hex(10 * ETHER))


@contextmanager
def nothing_mined(box: Box) -> Iterator[None]:
    """Something was sent, and no block comes."""
    call = schedule_on(box.chain, ahead=20)
    box.chain.endpoint.request("evm_setIntervalMining", 0)
    walk_to(box.chain, call.target_block - 1, box.data, "scheduler")
    until(lambda: _open_slots(box) > 0, 60)
    yield
    box.chain.endpoint.request("evm_setIntervalMining", 1)


@contextmanager
def journal_lost(box: Box) -> Iterator[None]:
    """Taken away while the scheduler was stopped, and what it had sent is not mined."""

    def quarantines() -> int:
        return box.log("scheduler-stdout.log").count("this journal never sent from")

    with nothing_mined(box):
        box.supervisor.control("stop", "scheduler")
        for each in box.data.glob(f"{box.journal.name}*"):
            each.unlink()
        before = quarantines()
        box.supervisor.control("start", "scheduler")
        until(lambda: quarantines() > before, 60)
        yield


@contextmanager
def invariant_broken(box: Box) -> Iterator[None]:
    """A row that no transaction of the program leaves: it succeeded, and nothing did."""
    _written(box, INTENT.format(key="test:2", state="succeeded"))
    yield
    _written(box, "DELETE FROM intents WHERE key = 'test:2'")


@contextmanager
def disk_full(box: Box) -> Iterator[None]:
    """97 % of it are used."""
    filler = box.data / "filler"
    free = _free(box.data)
    filler.write_bytes(bytes(free - 2 * 2**20))
    yield
    filler.unlink()


@contextmanager
def journal_locked(box: Box) -> Iterator[None]:
    hog = sqlite3.connect(box.journal, isolation_level=None, timeout=30)
    hog.execute("BEGIN IMMEDIATE")
    yield
    hog.execute("ROLLBACK")
    hog.close()


@contextmanager
def clock_off(box: Box) -> Iterator[None]:
    box.times.ahead = _MINUTE
    yield
    box.times.ahead = 0.0


@contextmanager
def program_fatal(box: Box) -> Iterator[None]:
    (box.directory / "fails").touch()
    box.supervisor.control("restart", "victim")
    yield
    (box.directory / "fails").unlink()
    box.supervisor.control("start", "victim")


@contextmanager
def key_readable(box: Box) -> Iterator[None]:
    box.key.chmod(0o644)
    yield
    box.key.chmod(0o600)


@contextmanager
def suspended(box: Box) -> Iterator[None]:
    """A row as three failures leave one."""
    _written(box, INTENT.format(key="test:1", state="suspended"))
    yield
    _written(box, "DELETE FROM intents WHERE key = 'test:1'")


@contextmanager
def paused(box: Box) -> Iterator[None]:
    box.command("pause")
    yield
    box.command("resume")


def cloudwatch_away(relay: Relay) -> Callable[[Box], AbstractContextManager[None]]:
    @contextmanager
    def away(_: Box) -> Iterator[None]:
        relay.away = True
        yield
        relay.away = False

    return away


def _written(box: Box, statement: str) -> None:
    with sqlite3.connect(box.journal, timeout=30) as journal:
        journal.execute(statement)
    journal.close()


def _open_slots(box: Box) -> int:
    journal = sqlite3.connect(box.journal, timeout=30)
    [[number]] = journal.execute("SELECT count(*) FROM slots WHERE state = 'open'")
    journal.close()
    return int(number)


def _free(directory: Path) -> int:
    of = os.statvfs(directory)
    return of.f_bavail * of.f_frsize


def together(relay: Relay) -> list[Fault]:
    """Those that a box can have all at once, and each of which another check tells of."""
    return [
        Fault("nothing is mined", "journal.open_slots", nothing_mined, threshold=SLOT_SECONDS),
        Fault("head frozen", "node.head", head_frozen, threshold=60.0),
        Fault("second node differs", "node.second", second_differs),
        Fault("account empty", "account.not_empty", account_empty),
        Fault("invariant broken", "journal.invariants", invariant_broken),
        Fault("disk 97 % full", "disk.space", disk_full),
        Fault("program FATAL", "programs.run", program_fatal),
        Fault("key file readable", "files.private", key_readable),
        Fault("CloudWatch away", "telling.heartbeat", cloudwatch_away(relay)),
    ]


def others() -> list[list[Fault]]:
    """Those that hide something else, in groups that can be at the same time."""
    return [
        [
            Fault("balance low", "account.lasts", balance_low),
            Fault("still syncing", "node.synced", still_syncing),
            Fault("wrong chain", "node.chain", wrong_chain),
            Fault("journal locked", "journal.turns", journal_locked),
            Fault("clock off by a minute", "clock.right", clock_off),
        ],
        [
            Fault("node stopped", "node.answers", node_stopped),
            Fault("intent suspended", "journal.suspended", suspended),
            Fault("paused", "journal.holds", paused, level="warn"),
        ],
        [Fault("journal lost", "journal.quarantine", journal_lost)],
    ]
