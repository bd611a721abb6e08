"""Whether the programs of a box are alive: what this finds, a new start would mend."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from scheduler.pulse import DIRECTORY, Sign
from scheduler.service import PULSE_SECONDS
from scheduler.transactions.journal import JournalUnavailable
from scheduler.transactions.journal.database import check_turns

STUCK_SECONDS = 6 * PULSE_SECONDS
"""A loop that turns leaves a sign every PULSE_SECONDS, or as soon as its work for a head ends; that
may wait for a node that is slow to answer, for 10 seconds at a time."""


def signs(journal: Path, processes: Path = Path("/proc")) -> Iterator[Sign]:
    """The signs of the programs that run here.

    One that has ended left its sign behind, and several containers may share the journal's volume,
    each with a process of the same number: the process must be that program's.
    """
    for sign in map(Sign.read, sorted((journal.parent / DIRECTORY).glob("*.json"))):
        if sign is not None and is_there(sign.program, sign.pid, processes):
            yield sign


def is_there(program: str, pid: int, processes: Path = Path("/proc")) -> bool:
    """Whether the process with this number is that program."""
    with suppress(OSError):
        words = (processes / str(pid) / "cmdline").read_bytes().split(b"\0")
        # As scheduler.launch starts it.
        return b"scheduler.launch" in words and program.encode() in words
    return False


def faults(journal: Path, found: Sequence[Sign], now: float) -> list[str]:
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
    # One that still waits for its node has not made it.
    if journal.exists():
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
    ages = {sign.program: max(0.0, now - sign.looped_at) for sign in found}
    return True, f"alive: {', '.join(f'{name} ({age:.0f} s ago)' for name, age in ages.items())}"
