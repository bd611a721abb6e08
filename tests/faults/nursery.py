"""The workers' nursery seen from outside: hand in a task, learn how the worker ended."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.faults.worker import Task

ROOT = Path(__file__).parents[2]


class Nursery:
    """A process that forks workers, one after the other; `preload` are libraries for all."""

    def __init__(self, preload: Sequence[Path] = ()) -> None:
        libraries = {"LD_PRELOAD": " ".join(map(str, preload))} if preload else {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker"],
            cwd=ROOT,
            env={**os.environ, **libraries},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, task: Task, moment: float | None = None) -> tuple[int, float]:
        """A worker's exit status (-9 after a SIGKILL) and life in seconds.

        It is killed `moment` seconds after its birth, or lives until it ends by itself.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{'-' if moment is None else moment} {task.to_json()}\n")
        self._process.stdin.flush()
        status, lived = self._process.stdout.readline().split()
        return int(status), float(lived)

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
