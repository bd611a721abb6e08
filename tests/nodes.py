"""Real nodes for tests, each in a temporary directory and gone with the test that asked for it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scheduler.devchain.nodes import Node, start_anvil, start_geth


@contextmanager
def anvil(**options: Any) -> Iterator[Node]:
    """A running anvil; the options are those of `scheduler.devchain.nodes.start_anvil`."""
    with tempfile.TemporaryDirectory(prefix="anvil-", ignore_cleanup_errors=True) as directory:
        node = start_anvil(Path(directory), **options)
        try:
            yield node
        finally:
            node.process.kill()
            node.process.wait()


@contextmanager
def geth(**options: Any) -> Iterator[Node]:
    """A running `geth --dev`; the options are those of `scheduler.devchain.nodes.start_geth`."""
    with tempfile.TemporaryDirectory(prefix="geth-", ignore_cleanup_errors=True) as directory:
        node = start_geth(Path(directory), **options)
        try:
            yield node
        finally:
            node.process.kill()
            node.process.wait()
