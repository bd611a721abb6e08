"""The shell functions of provision/, tested by bats."""

import shutil
import subprocess
from pathlib import Path

import pytest


def test_the_functions_of_provisioning() -> None:
    if shutil.which("bats") is None:
        pytest.fail("missing: bats; install it with .ci/setup")
    command = ["bats", str(Path(__file__).parent / "functions.bats")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
