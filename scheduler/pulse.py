"""The sign of life that a running program leaves for `status` and `doctor --liveness`."""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from scheduler.chain.model import Head

DIRECTORY = "programs"

# A program that gave no sign of life for so long is not at work: it gives one every 10 seconds.
FRESH_SECONDS = 30.0


@dataclass(slots=True)
class Pulse:
    """Writes PROGRAM.json beside the journal, whole or not at all, whenever the loop has turned.

    `head` is the last one that was dealt with (null before the first), `looped_at` when the loop
    last turned (seconds since the epoch), `counts` what the program has in hand, `trouble` why it
    cannot work now, if so.
    """

    path: Path
    program: str
    started_at: float = field(default_factory=time.time)

    @classmethod
    def beside(cls, journal: Path, program: str) -> "Pulse":
        """The pulse of this program of the box that has this journal. Nothing is written yet."""
        return cls(journal.parent / DIRECTORY / f"{program}.json", program)

    def beat(self, head: Head | None, counts: Mapping[str, int], trouble: str | None) -> None:
        """Overwrites the file, in a directory that it makes. May raise OSError."""
        content = {
            "program": self.program,
            "pid": os.getpid(),
            "started_at": self.started_at,
            "looped_at": time.time(),
            "head": None if head is None else _known(head),
            "counts": dict(counts),
            "trouble": trouble,
        }
        self.path.parent.mkdir(exist_ok=True)
        partial = self.path.with_suffix(".new")
        partial.write_text(json.dumps(content) + "\n", encoding="utf-8")
        partial.replace(self.path)


def _known(head: Head) -> dict[str, object]:
    return {name: asdict(head)[name] for name in ("number", "hash", "timestamp")}


def at_work(journal: Path) -> dict[str, int]:
    """The programs beside this journal that gave a sign of life just now, with their pids."""
    found = {}
    for path in sorted((journal.parent / DIRECTORY).glob("*.json")):
        with suppress(OSError, ValueError, KeyError):
            content = json.loads(path.read_text(encoding="utf-8"))
            fresh = time.time() - content["looped_at"] < FRESH_SECONDS
            # One that was killed left a sign behind.
            if fresh and os.path.exists(f"/proc/{content['pid']}"):
                found[str(content["program"])] = int(content["pid"])
    return found
