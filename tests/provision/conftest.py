"""One box for all of a module's tests, which go on from each other, and what they do on it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.devchain.toolchain import cache_directory, geth_path
from tests.provision.machine import Machine

# What a box is made with; .ci/setup installs it.
TOOLS = ("debootstrap", "ip", "losetup", "nft", "nsenter", "unshare")


def pytest_itemcollected(item: pytest.Item) -> None:
    """What needs a box is for root alone, and takes its time."""
    if "bare_box" not in getattr(item, "fixturenames", ()):
        return
    item.add_marker(pytest.mark.timeout(3600))
    if os.geteuid() != 0:
        why = "makes a machine of its own, which needs root: sudo scripts/test tests/provision"
        item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="module")
def bare_box(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A box as a cloud hands it over, with the checkout and a geth in the operator's home.

    A module's MEGABYTES are those of its disk.
    """
    megabytes = getattr(request.module, "MEGABYTES", 2000)
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.fail(f"missing: {', '.join(missing)}; install them with .ci/setup")
    with (
        tempfile.TemporaryDirectory(prefix="box-", dir=cache_directory()) as directory,
        Machine(Path(directory), megabytes) as machine,
    ):
        machine.put(geth_path(), "/home/ubuntu/geth")
        # What the development chain's contracts are made of was fetched for the other tests.
        for pattern in ("alarm-*", "contracts-*"):
            for part in cache_directory().glob(pattern):
                machine.put(part, f"/var/cache/scheduler-kit/{part.name}")
        yield machine
