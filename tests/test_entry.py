"""A command that is a container's first process hears a stop from its first line on."""

import subprocess
import sys

import pytest

FIRST_PROCESS = """
import os, signal, sys, time
from scheduler import entry
os.getpid, own = lambda: 1, os.getpid()
entry._hear()
try:
    os.kill(own, signal.SIGTERM)
    time.sleep(60)
except BaseException:
    # As libraries do that try what there is to be loaded.
    pass
sys.exit("it went on")
"""


@pytest.mark.timeout(120)
def test_a_stop_is_heard_where_every_exception_is_caught() -> None:
    """The stop was lost, and the container was killed ten seconds later."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PROCESS], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
