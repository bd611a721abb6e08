"""Boxes are namespaces of the kernel, which not everybody may make."""

import os
import subprocess

import pytest


@pytest.fixture(scope="session", autouse=True)
def _namespaces() -> None:
    """Skips where they cannot be made: some systems keep users' own from those who are not root."""
    if os.getuid() == 0:
        return
    tried = ["unshare", "--user", "--map-root-user", "--net", "--uts", "true"]
    if subprocess.run(tried, capture_output=True, check=False).returncode != 0:
        pytest.skip("namespaces of one's own are forbidden here; as root: sudo scripts/test")
