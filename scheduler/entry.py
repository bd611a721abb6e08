"""Where the commands begin: signals are heard from the first line on, whatever is loaded then.

The kernel keeps from a container's first process every signal that it does not handle
(pid_namespaces(7)): without this, a stop in its first seconds would be lost.
"""

import os
import signal
from types import FrameType
from typing import NoReturn


def main() -> None:
    """The command `scheduler`."""
    _hear()
    from scheduler import cli

    cli.main()


def eth_alarm() -> None:
    """The command `eth_alarm`."""
    _hear()
    from scheduler import cli

    cli.eth_alarm()


def moc_jobs() -> None:
    """The command `moc_jobs`."""
    _hear()
    from scheduler import cli

    cli.moc_jobs()


def _hear() -> None:
    # SIGINT, Python handles by itself. A command that is no container's ends as every other does.
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, _leave)


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    # At once: an exception may come up where it is caught, or nobody hears it, such as in what a
    # library does while it is loaded. Nothing has begun that had to be ended.
    os._exit(0)
