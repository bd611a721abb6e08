"""A process that was bound to its parent ends with it, however the parent ends."""

import os
import signal
import subprocess
import sys

from scheduler import processes
from scheduler.processes import bound_command
from tests.waiting import ended

STARTS_A_BOUND_SLEEPER = """
import subprocess, sys
from scheduler.processes import bound_command
from tests.waiting import ended
child = subprocess.Popen(bound_command(["sleep", "1000"]))
print(child.pid, flush=True)
sys.stdin.read()
"""

BINDS_ITSELF = """
import sys
from scheduler.processes import die_with_parent
die_with_parent()
print("bound", flush=True)
sys.stdin.read()
"""

STARTS_ONE_THAT_BINDS_ITSELF = f"""
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", {BINDS_ITSELF!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_bound_command_runs_under_the_process_id_that_was_started() -> None:
    command = bound_command(["sh", "-c", "echo $$"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output, _ = process.communicate()
    assert int(output) == process.pid
    assert process.returncode == 0


def test_a_bound_command_that_does_not_exist_is_told_in_one_line() -> None:
    done = subprocess.run(bound_command(["no-such-program"]), capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "no-such-program: No such file or directory\n"


def test_a_bound_child_ends_with_a_killed_parent() -> None:
    assert _child_ends_with_killed_parent(STARTS_A_BOUND_SLEEPER)


def test_a_process_that_binds_itself_ends_with_a_killed_parent() -> None:
    assert _child_ends_with_killed_parent(STARTS_ONE_THAT_BINDS_ITSELF)


def test_a_parent_that_was_gone_before_is_noticed() -> None:
    somebody_else = os.getppid()
    command = [sys.executable, processes.__file__, str(somebody_else), "9", "sleep", "1000"]
    assert subprocess.run(command, timeout=60).returncode == -signal.SIGKILL


def _child_ends_with_killed_parent(program: str) -> bool:
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    if ended(pid):
        return True
    os.kill(pid, signal.SIGKILL)
    return False
