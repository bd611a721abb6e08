"""The scheduler as its users start it, and what the operating system says of a process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_keys.datatypes import PrivateKey

from scheduler.devchain.accounts import receipt_of
from scheduler.devchain.chain import DevelopmentChain

STARTING_SECONDS = 120.0

SIGN_OF_LIFE = Path("programs/scheduler.json")
"""Where, in its directory, a scheduler says how far it is."""


@dataclass(frozen=True)
class Scheduler:
    """A running scheduler: its process, and the directory with its journal and log."""

    process: "subprocess.Popen[str]"
    directory: Path
    started: float

    @property
    def log(self) -> Path:
        return self.directory / "scheduler.log"

    def pulse(self) -> dict[str, Any]:
        """Its sign of life; empty before the first."""
        try:
            found: dict[str, Any] = json.loads((self.directory / SIGN_OF_LIFE).read_text())
        except OSError:
            return {}
        return found

    def wait_for(self, head: int) -> float:
        """Waits until it has dealt with this block; seconds since its start. Raises RuntimeError
        where it ends, or does not get there."""
        deadline = time.monotonic() + STARTING_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the scheduler has ended: {self.log.read_text()[-500:]}")
            at = self.pulse().get("head")
            if at is not None and at["number"] >= head:
                return time.monotonic() - self.started
            time.sleep(0.01)
        raise RuntimeError(f"the scheduler is not at block {head}: {self.log.read_text()[-500:]}")


@contextmanager
def scheduler(
    endpoint: str,
    contract: str,
    directory: Path,
    key: PrivateKey | None = None,
    claiming: str = "seed",
    more: str = "",
) -> Iterator[Scheduler]:
    """The scheduler as its users start it, over WebSocket, until the end.

    It signs with `key`, or has the node sign; `more` are further sections of its configuration.
    """
    directory.mkdir(exist_ok=True)
    config = directory / "config.toml"
    signer = "node" if key is None else "environment"
    config.write_text(
        f'rpc-url = "{endpoint}"\njournal = "{directory / "journal.db"}"\nsigner = "{signer}"\n'
        f'[alarm]\naddresses = ["{contract}"]\nclaiming = "{claiming}"\n{more}'
    )
    environment = {} if key is None else {"ACCOUNT_PK_SECRET": key.to_bytes().hex()}
    with (directory / "scheduler.log").open("a") as log:
        command = [str(Path(sys.executable).parent / "scheduler"), "run", "scheduler"]
        started = time.monotonic()
        process = subprocess.Popen(
            [*command, "--config", str(config)],
            stdout=log,
            stderr=log,
            text=True,
            env={**os.environ, **environment},
        )
        try:
            yield Scheduler(process, directory, started)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)


def funded_key(chain: DevelopmentChain) -> PrivateKey:
    """A new account's, with 1,000 ether from the node's own.

    For programs side by side: development chains that begin in the same second are one chain, and
    an account on it has one program.
    """
    key = PrivateKey(os.urandom(32))
    gift = {"from": chain.account, "to": key.public_key.to_address(), "value": hex(1_000 * 10**18)}
    sent = chain.endpoint.request("eth_sendTransaction", gift)
    if chain.node.kind == "anvil":
        chain.endpoint.request("anvil_mine", "0x1")
    receipt_of(chain.endpoint, sent)
    return key


def resident_mib(pid: int) -> float:
    """Resident memory of a process in MiB (proc(5), VmRSS)."""
    return _mib(Path(f"/proc/{pid}/status"), ["VmRSS:"])


def own_mib(pid: int) -> float:
    """What no other process shares of it, in MiB (proc(5), smaps_rollup)."""
    return _mib(Path(f"/proc/{pid}/smaps_rollup"), ["Private_Clean:", "Private_Dirty:"])


def peak_mib(pid: int) -> float:
    """The most that was ever resident, in MiB (proc(5), VmHWM)."""
    return _mib(Path(f"/proc/{pid}/status"), ["VmHWM:"])


def _mib(path: Path, names: list[str]) -> float:
    lines = [line.split() for line in path.read_text().splitlines()]
    found = [int(words[1]) for words in lines if words and words[0] in names]
    if len(found) != len(names):
        raise RuntimeError(f"{path} does not tell {names}")
    return sum(found) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, in seconds (proc(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(results: list[dict[str, Any]]) -> str:
    """The results as a row each, under their names."""
    names = list(dict.fromkeys(name for result in results for name in result))
    rows = [names, *([str(result.get(name, "")) for name in names] for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
