"""Whether the programs of a box are alive: what this finds, a new start would mend."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scheduler.pulse import DIRECTORY
from scheduler.service import PULSE_SECONDS
from scheduler.transactions.journal import JournalUnavailable
from scheduler.transactions.journal.database import check_turns

STUCK_SECONDS = 6 * PULSE_SECONDS
"""A loop that turns leaves a sign every PULSE_SECONDS, or as soon as its work for a head ends; that
may wait for a node that is slow to answer, for 10 seconds at a time."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What a running program left beside the journal: when its loop last turned (seconds since the
    epoch), and whether it has dealt with a head."""

    program: str
    pid: int
    looped_at: float
    has_worked: bool


def signs(journal: Path, processes: Path = Path("/proc")) -> Iterator[Sign]:
    """The signs of the programs that run here.

    One that has ended left its sign behind, and several containers may share the journal's volume,
    each with a process of the same number: the process must be that program's.
    """
    for path in sorted((journal.parent / DIRECTORY).glob("*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(path.read_text(encoding="utf-8"))
            sign = Sign(
                str(content["program"]),
                int(content["pid"]),
                float(content["looped_at"]),
                content["head"] is not None,
            )
            words = (processes / str(sign.pid) / "cmdline").read_bytes().split(b"\0")
            # As scheduler.launch starts it.
            if b"scheduler.launch" in words and sign.program.encode() in words:
                yield sign


def faults(journal: Path, found: list[Sign], now: float) -> list[str]:
    """Why a new start is needed: the programs that do not turn, or their database."""
    told = [
        f"{sign.program} (process {sign.pid}) has not turned for {now - sign.looped_at:.0f} s; "
        "start it again"
        for sign in found
        if now - sign.looped_at > STUCK_SECONDS
    ]
    if not found:
        told.append(
            f"no program that runs here has left a sign of life in {journal.parent / DIRECTORY}"
        )
    # One that still waits for its node has not opened it.
    if any(sign.has_worked for sign in found):
        try:
            check_turns(journal)
        except JournalUnavailable as error:
            told.append(str(error))
    return told


def report(journal: Path) -> tuple[bool, str]:
    """Whether all is well, and the line that says so, or what is not."""
    found, now = list(signs(journal)), time.time()
    wrong = faults(journal, found, now)
    if wrong:
        return False, "; ".join(wrong)
    programs = ", ".join(
        f"{sign.program} ({max(0, now - sign.looped_at):.0f} s ago)" for sign in found
    )
    return True, f"alive: {programs}"
