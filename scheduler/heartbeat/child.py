"""Keeps the child running that sends the heartbeat, in the program whose heartbeat it is."""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scheduler.heartbeat.settings import NAME, NAMESPACE, REGIONS
from scheduler.notices import Notice

log = logging.getLogger("HEARTBEAT")

USELESS = 2
"""The exit status of a child that is of no use, however often it is started; it has said why."""

FIRST_DELAY, LAST_DELAY = 1.0, 300.0
"""Seconds before a child that ended is started again: doubled each time that it lived for less."""

# A stop takes less than 10 seconds, whatever the child does.
_STOP_SECONDS = 2.0


@contextmanager
def beating(
    settings: Mapping[str, Any] | None, sign: Path, foremost: bool = False
) -> Iterator[None]:
    """Within it the heartbeat is sent, as `settings` say (scheduler.heartbeat.settings.Settings).

    `sign` is the file with this program's sign of life. One that is `foremost` takes the sending
    from others, which have it back when it ends. Where the program ends by an exception the
    child is left behind: it notices, and says so before it ends.
    """
    if settings is None:
        log.info("off: to have it sent set %s and %s", NAME, REGIONS[0])
        yield
        return
    name, region, interval = (settings[key] for key in ("name", "region", "interval"))
    log.info("on: %s %s in %s, every %g s", NAMESPACE, name, region, interval)
    order = {"settings": dict(settings), "sign": str(sign), "foremost": foremost}
    child = _Child((json.dumps(order) + "\n").encode())
    child.start()
    yield
    child.stop()


class _Child:
    """Starts it, and again whenever it ended; in a thread, so that nothing waits for it."""

    def __init__(self, order: bytes) -> None:
        self._order = order
        self._process: subprocess.Popen[bytes] | None = None
        # Held where a process is started, or is said to be wanted no more.
        self._starting = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._keep, daemon=True).start()

    def _keep(self) -> None:
        delay = FIRST_DELAY
        ends = Notice(log)
        while True:
            began = time.monotonic()
            status = self._life()
            if status == USELESS or self._stopped.is_set():
                return
            ends.raised(f"what sends the heartbeat ended ({status}); it is started again")
            if time.monotonic() - began > LAST_DELAY:
                delay = FIRST_DELAY
            if self._stopped.wait(delay):
                return
            delay = min(2 * delay, LAST_DELAY)

    def _life(self) -> int | str:
        """Its exit status, or why there is none."""
        try:
            process = self._started()
        except OSError as error:
            return str(error)
        if process is None:
            return 0
        assert process.stdin is not None
        with process.stdin as pipe:
            # It stays open: its end tells the child that this program has ended.
            with suppress(BrokenPipeError):
                pipe.write(self._order)
                pipe.flush()
            return process.wait()

    def _started(self) -> "subprocess.Popen[bytes] | None":
        with self._starting:
            if self._stopped.is_set():
                return None
            self._process = subprocess.Popen(
                [sys.executable, "-m", "scheduler.heartbeat"],
                stdin=subprocess.PIPE,
                # A Ctrl-C is for the program, which then stops it in order.
                start_new_session=True,
            )
            return self._process

    def stop(self) -> None:
        """Ends it, without last words."""
        with self._starting:
            self._stopped.set()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
