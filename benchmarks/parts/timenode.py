"""timenode-core 7.0.0 from npm, the client of the contracts of 1.0: installed and run, unchanged.

Its packages are fetched into the user's cache when a benchmark first asks for them, pinned by
version and hash in timenode/package-lock.json. Two of their packages are left out, which no part
that runs here uses: the contracts, which come from a source repository and not from the registry,
and scrypt, which is compiled from source and opens key files.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from eth_keys.datatypes import PrivateKey

from scheduler.devchain.toolchain import installed, installed_node, npm, run

CHAIN_ID = 1002
"""The chain on which it takes the contracts that it is told."""

_HERE = Path(__file__).parent / "timenode"


def _packages() -> Path:
    """The directory with its node_modules. Raises ToolchainError."""
    pins = [_HERE / name for name in ("package.json", "package-lock.json")]

    def install(target: Path) -> None:
        for each in pins:
            shutil.copyfile(each, target / each.name)
        command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        run("timenode", command, {}, cwd=target)

    digest = sha256(b"".join(each.read_bytes() for each in pins)).hexdigest()[:12]
    return installed(f"timenode-{digest}", "installing timenode-core with npm", install)


@contextmanager
def timenode(
    endpoint: str, factory: str, key: PrivateKey, directory: Path
) -> Iterator["subprocess.Popen[str]"]:
    """A running TimeNode that serves the RequestFactory with this key, until the end.

    Its log is `timenode.log` in `directory`.
    """
    node = shutil.which("node") or str(installed_node())
    secret = key.to_bytes().hex()
    command = [node, str(_HERE / "run.js"), endpoint, factory, secret, str(_packages())]
    with (directory / "timenode.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True, cwd=directory)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=10)
