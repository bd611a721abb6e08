"""Waiting for what ends by itself, with a limit."""

import time
from pathlib import Path


def ended(pid: int, seconds: float = 20.0) -> bool:
    """Whether the process ends within so many seconds; one that nobody waited for counts."""
    deadline = time.monotonic() + seconds
    stat = Path(f"/proc/{pid}/stat")
    while time.monotonic() < deadline:
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
