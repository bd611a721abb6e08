"""Other processes that hold locks, for tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Options are for the process list.
HOLDS = """
import sys
from scheduler.locks import Lock
locks = [Lock(name) for name in sys.argv[1:] if not name.startswith("-")]
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(*names: str, program: str | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that holds these locks; `program` is a file with HOLDS in it."""
    code = ["-c", HOLDS] if program is None else [program]
    command = [sys.executable, *code, *names, "--option"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


def stop(process: "subprocess.Popen[bytes]") -> None:
    """The process does nothing any more, and is not gone."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
