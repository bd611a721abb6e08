"""Whether CloudWatch gets a heartbeat, in a file beside the journal for whoever looks."""

import json
import time
from contextlib import suppress
from pathlib import Path

DIRECTORY = "heartbeats"


class Receipts:
    """Notes of one heartbeat when CloudWatch took it last, and why it does not now.

    `taken_at` and `at`, when it was noted, are in seconds since the epoch.
    """

    def __init__(self, directory: Path, name: str) -> None:
        """`directory` is that of the journal."""
        self._path = directory / DIRECTORY / f"{name}.json"
        self._name = name
        self._taken_at: float | None = None

    def taken(self) -> None:
        self._taken_at = time.time()
        self._note(None)

    def refused(self, why: str) -> None:
        self._note(why)

    def _note(self, why: str | None) -> None:
        content = {"name": self._name, "at": time.time(), "taken_at": self._taken_at, "why": why}
        # What cannot be noted is still sent.
        with suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
            partial = self._path.with_suffix(".new")
            partial.write_text(json.dumps(content) + "\n", encoding="utf-8")
            partial.replace(self._path)
