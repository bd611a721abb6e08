"""The sign of life that a running program leaves for whoever looks after it: `status`, `doctor
--liveness`, the heartbeat."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from scheduler.chain.model import Address, Head
from scheduler.counters import Counters
from scheduler.health import Health, State, Vitals
from scheduler.transactions.journal.location import Location, directory_of

DIRECTORY = "programs"

NOTHING_WRONG = Vitals()

# A program that gave no sign of life for so long is not at work: it gives one every 10 seconds.
FRESH_SECONDS = 30.0


@dataclass(slots=True)
class Pulse:
    """Writes PROGRAM.json beside the journal, whole or not at all, whenever the loop has turned.

    `head` is the last one that was dealt with (null before the first), `looped_at` when the loop
    last turned (seconds since the epoch), `counts` what the program has in hand, `trouble` why it
    cannot work now, if so. `account` is whose transactions it sends, as soon as that is known.
    `counters` go on while the work is put together anew.
    """

    path: Path
    program: str
    started_at: float = field(default_factory=time.time)
    account: Address | None = None
    health: Health = field(init=False)
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self.health = Health(self.started_at)

    @classmethod
    def beside(cls, journal: Location, program: str) -> "Pulse":
        """The pulse of this program of the box that has this journal. Nothing is written yet."""
        return cls(directory_of(journal) / DIRECTORY / f"{program}.json", program)

    def beat(
        self,
        head: Head | None,
        counts: Mapping[str, int],
        trouble: str | None,
        vitals: Vitals = NOTHING_WRONG,
    ) -> None:
        """Overwrites the file, in a directory that it makes. May raise OSError."""
        now = time.time()
        self.health.take(vitals, trouble, now)
        content = {
            "program": self.program,
            "pid": os.getpid(),
            "account": self.account,
            "started_at": self.started_at,
            "looped_at": now,
            "head": None if head is None else _known(head),
            "counts": dict(counts),
            "trouble": trouble,
            "health": self.health.told(),
            "counters": self.counters.told(),
        }
        self.path.parent.mkdir(exist_ok=True)
        partial = self.path.with_suffix(".new")
        partial.write_text(json.dumps(content) + "\n", encoding="utf-8")
        partial.replace(self.path)


def _known(head: Head) -> dict[str, object]:
    return {name: asdict(head)[name] for name in ("number", "hash", "timestamp")}


@dataclass(frozen=True, slots=True)
class Sign:
    """What a program left; times in seconds since the epoch. For the rest see Pulse and Health."""

    program: str
    pid: int
    account: Address | None
    looped_at: float
    state: State
    exceptions: int
    pokes: int

    def is_fresh(self, now: float) -> bool:
        """Whether it is of just now."""
        return now - self.looped_at < FRESH_SECONDS

    @classmethod
    def read(cls, path: Path) -> "Sign | None":
        """The one in this file; None where there is none, or one that says less."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            health = content["health"]
            return cls(
                program=str(content["program"]),
                pid=int(content["pid"]),
                account=content["account"],
                looped_at=float(content["looped_at"]),
                state=State(health["state"]),
                exceptions=int(health["exceptions"]),
                pokes=int(health["pokes"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


def at_work(journal: Location) -> dict[str, int]:
    """The programs with this journal that gave a sign of life on this box just now; their pids."""
    signs = map(Sign.read, sorted((directory_of(journal) / DIRECTORY).glob("*.json")))
    # One that was killed left a sign behind.
    return {
        sign.program: sign.pid
        for sign in signs
        if sign and sign.is_fresh(time.time()) and os.path.exists(f"/proc/{sign.pid}")
    }
