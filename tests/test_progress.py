"""How far a long reading is, in the log and on a terminal."""

import fcntl
import io
import logging
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from scheduler.progress import LINE_SECONDS, Progress, onlooker

LOG = logging.getLogger("SCHEDULER")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_log_gets_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    progress = Progress("Reading requests", 0, 1_234_567, LOG, clock=clock)
    progress.reached(1_000)
    assert caplog.messages == []
    clock.now = LINE_SECONDS
    progress.reached(530_863)
    progress.reached(600_000)
    clock.now = 2 * LINE_SECONDS
    progress.reached(1_234_567)
    progress.done()
    assert caplog.messages == [
        "Reading requests: 43 % of blocks 0 … 1,234,567",
        "Reading requests: 100 % of blocks 0 … 1,234,567",
    ]


def test_a_terminal_gets_a_bar_that_is_taken_away(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock, terminal = Clock(), io.StringIO()
    progress = Progress("Reading requests", 100, 199, LOG, terminal, clock)
    clock.now = 1.0
    progress.reached(149)
    progress.done()
    assert terminal.getvalue() == (
        f"\rReading requests: 50 % of blocks 100 … 199 {'█' * 15}{'░' * 15}\r\033[K"
    )
    assert caplog.messages == []


def test_what_is_quick_says_nothing() -> None:
    terminal = io.StringIO()
    progress = Progress("Reading requests", 0, 10, LOG, terminal, Clock())
    progress.reached(10)
    progress.done()
    assert terminal.getvalue() == ""


def test_nobody_looks_on_where_standard_error_is_a_file() -> None:
    assert onlooker() is None


READING = """
import logging
from scheduler.progress import Progress, onlooker
now = iter(range(100))
log = logging.getLogger("SCHEDULER")
progress = Progress("Reading requests", 0, 21_234_567, log, onlooker(), lambda: next(now))
for block in (5_000_000, 21_234_567):
    progress.reached(block)
progress.done()
"""


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_on_a_real_terminal_the_bar_stays_in_its_line_and_is_taken_away(columns: int) -> None:
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        subprocess.run([sys.executable, "-c", READING], stderr=theirs, check=True, timeout=60)
        drawn = os.read(ours, 10_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    before, *lines, after = drawn.split("\r")
    assert (before, after) == ("", "\033[K")
    assert [line[:22] for line in lines] == ["Reading requests: 24 %", "Reading requests: 100 "]
    assert all(len(line) < columns for line in lines)
    assert lines[-1].count("█") == min(30, columns - 50)
