"""The shell functions of provision/, tested by bats."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


# Dozens of shells, a second each and more beside others.
@pytest.mark.timeout(2400)
def test_the_functions_of_provisioning() -> None:
    if shutil.which("bats") is None:
        pytest.fail("missing: bats; install it with .ci/setup")
    command = ["bats", str(Path(__file__).parent / "functions.bats")]
    environment = os.environ | {"ENVIRONMENT": sys.prefix}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
