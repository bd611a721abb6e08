"""Ties the life of a process to that of its parent, also where the parent is killed.

Linux sends a process the signal chosen with PR_SET_PDEATHSIG (prctl(2)) when the thread that
started it ends. The request survives exec, so it can be made in a child before the program that
the child is for: that is what running this file as a script does.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Mapping

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int | None = None, signum: int = signal.SIGTERM) -> None:
    """Has the kernel send this process `signum` when its parent ends.

    `parent` is the process id that the parent must have; without it, whoever is the parent when
    this is called. A parent that ended before the kernel was asked would go unnoticed, so this
    process then sends the signal to itself. Does nothing on systems other than Linux.
    """
    if sys.platform != "linux":
        return
    expected = os.getppid() if parent is None else parent
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != expected:
        os.kill(os.getpid(), signum)


def supervised(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether somebody starts this process again: supervisord, or it is a container's first."""
    return by_supervisord(environment) or os.getpid() == 1


def by_supervisord(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether supervisord started this process (its docs, "Subprocess Environment")."""
    return "SUPERVISOR_ENABLED" in environment


def bound_command(command: list[str], signum: int = signal.SIGKILL) -> list[str]:
    """The command line that runs `command` as a child that does not outlive this process.

    The child keeps its process id. A new interpreter asks the kernel rather than a function
    between fork and exec (subprocess's preexec_fn), which is unsafe in a program with threads.
    The thread that starts the child must live as long as the child shall.
    """
    here = os.path.abspath(__file__)
    return [sys.executable, "-I", "-S", here, str(os.getpid()), str(int(signum)), *command]


def _main() -> None:
    parent, signum, *command = sys.argv[1:]
    die_with_parent(int(parent), int(signum))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    _main()
