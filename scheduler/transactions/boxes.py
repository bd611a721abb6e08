"""The boxes that share a journal: the one that a process is on, who holds which lease, and whether
that is in the way of another."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scheduler.locks import Held, Lock

SHADOW = " (shadow)"
"""What a program that only looks on has behind its name: it gives way to one that works."""


class HeldByBox(Held):
    """A program of another box holds the lease."""

    def __init__(self, holder: str) -> None:
        advice = "this box stands by, and takes over when that one is gone"
        super().__init__(holder, is_stopped=False, advice=advice)


@dataclass(frozen=True, slots=True)
class Box:
    """The machine that this process is on: its name, and a `place`, which is what processes have in
    common that a lock of the kernel excludes from each other."""

    name: str
    place: str

    @classmethod
    def here(cls) -> "Box":
        """The boot, and the network namespace, in which abstract names are (unix(7))."""
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return cls(socket.gethostname(), f"{boot}/{os.stat('/proc/self/ns/net').st_ino}")

    def lock(self, name: str) -> Lock | None:
        """The kernel's lock; None where a stopped process has it. Raises Held."""
        try:
            return Lock(name)
        except Held as held:
            if held.is_stopped:
                return None
            raise


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds `name` now: a program of a box; `place` is where its locks of the kernel are."""

    name: str
    box: str
    pid: int
    program: str
    place: str

    @property
    def holder(self) -> str:
        return f"{self.box}, process {self.pid} ({self.program})"

    @property
    def looks_on(self) -> bool:
        return self.program.endswith(SHADOW)


def objection(name: str, standing: Sequence[Lease]) -> str | None:
    """Why `name` is no use beside what others hold, though nobody holds it; None where it is.

    Two boxes whose accounts or chains differ would do the same work twice, since neither's lease
    excludes the other's.
    """
    family, chain, account, contract = _parts(name)
    for lease in standing:
        its_family, its_chain, its_account, its_contract = _parts(lease.name)
        if its_chain != chain:
            return (
                f"{lease.holder} uses this journal on another chain ({its_chain}, here it is "
                f"{chain}): give both boxes nodes of the same network, or each network a database "
                "of its own with journal = in the configuration"
            )
        if (its_family, its_contract) == (family, contract) and its_account != account:
            return (
                f"{lease.holder} serves {contract} with the account {its_account}, but this box "
                f"has {account}: correct account, or the key file, of one of them"
            )
    return None


def _parts(name: str) -> tuple[str, str, str, str]:
    """Family, chain, account and contract in a name (scheduler.transactions.custody); that of the
    account's own has no contract, and is the only one of its family."""
    family, *rest = name.rsplit("/", 3)
    if len(rest) == 2:
        return family, rest[0], rest[1], rest[1]
    chain, account, contract = rest
    return family, chain, account, contract
