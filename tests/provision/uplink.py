"""The host's device towards everything else, which lets packets through while any box is there.

Boxes come and go beside each other, in several processes: the first switches forwarding on, the
last switches it back. Each restored what it had found, and so cut off those still at work.
"""

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scheduler.devchain.toolchain import cache_directory


def uplink() -> str:
    """The device's name."""
    shown = ["ip", "-4", "route", "show", "default"]
    words = subprocess.run(shown, check=True, capture_output=True, text=True).stdout.split()
    return words[words.index("dev") + 1]


def switch_forwarding(device: str, value: str = "1") -> str:
    """Whether packets that come in at a device go on to others (Linux's ip-sysctl); what it was."""
    setting = Path(f"/proc/sys/net/ipv4/conf/{device}/forwarding")
    before = setting.read_text()
    setting.write_text(value)
    return before


@contextmanager
def forwarding() -> Iterator[None]:
    """Lets packets from the uplink go on to the boxes."""
    directory = cache_directory()
    with open(directory / "forwarding.users", "a") as users:
        with _alone(directory):
            if _only_user(users.fileno()):
                (directory / "forwarding.before").write_text(switch_forwarding(uplink()))
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with _alone(directory):
                if _only_user(users.fileno()):
                    before = (directory / "forwarding.before").read_text()
                    switch_forwarding(uplink(), before)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    with open(directory / "forwarding.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _only_user(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
