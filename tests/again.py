"""Plays the tests, two at a time, and what failed once more with nothing beside it.

Most tests wait for real nodes and processes. One that fails beside others and passes alone is
unsteady: it is named at the end, to be mended, and keeps nobody's change back. No second chance
have those that look for one failure in a thousand, those that go on from each other, and more than
a few at once.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

# Programs are killed and cut off at random there: what fails once has failed.
RANDOM = ("tests/faults/", "tests/boxes/")
# One box, set up by the first test of a file, serves the others.
SERIES = ("tests/provision/",)
FEW = 5

FAILED_ONLY = 1  # pytest's exit code where tests ran and some failed (pytest, "Exit codes")


def may_be_unsteady(failed: Sequence[str]) -> bool:
    """Whether these tests, by their node ids, are to be played again."""
    # pytest-xdist's own failures, such as workers that see different tests, have names of workers.
    return 0 < len(failed) <= FEW and not any(
        each.startswith(RANDOM + SERIES) or "::" not in each for each in failed
    )


def play(arguments: Sequence[str], directory: Path, workers: int = 2) -> int:
    """pytest's exit code: 0, too, where all that failed at first passed alone."""
    pytest = [sys.executable, "-m", "pytest"]
    # What failed in other runs, which pytest's own cache keeps, is not this one's.
    with TemporaryDirectory(prefix="pytest-cache-") as cache:
        kept = ["-o", f"cache_dir={cache}"]
        first = subprocess.run([*pytest, "-n", str(workers), *kept, *arguments], cwd=directory)
        if first.returncode != FAILED_ONLY:
            return first.returncode
        failed = list(json.loads((Path(cache) / "v/cache/lastfailed").read_text()))
    if not may_be_unsteady(failed):
        return FAILED_ONLY
    names = "\n".join(f"   {each}" for each in failed)
    print(f"== once more, with nothing beside them:\n{names}", flush=True)
    again = subprocess.run([*pytest, *failed], cwd=directory)
    if again.returncode == 0:
        print(f"== UNSTEADY, to be mended; they passed alone:\n{names}", flush=True)
    return again.returncode


if __name__ == "__main__":
    sys.exit(play(sys.argv[1:], Path.cwd()))
