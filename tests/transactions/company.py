"""Several programs on one account: starts them, kills one now and then, says what went wrong."""

import itertools
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from eth_keys.datatypes import PrivateKey

from scheduler.chain.model import Address
from tests.transactions.rig import Bench


@dataclass(frozen=True)
class Company:
    """So many programs with so many intents each, of which `batch` more are due with every head.

    One of them, in turn, gets a SIGKILL every `kill_every` seconds, and is started again at once.
    """

    processes: int = 4
    each: int = 25
    batch: int = 5
    kill_every: float | None = None

    @property
    def effects(self) -> int:
        return self.processes * self.each


@dataclass(frozen=True)
class Played:
    """What came of it: what is `wrong` by the chain and the journal, and what the programs said."""

    wrong: list[str]
    said: list[str]
    killed: int
    seconds: float


def play(
    bench: Bench, directory: Path, who: "PrivateKey | Address", company: Company, limit: float
) -> Played:
    """Lets the programs work from one account until all have ended, `limit` seconds at most.

    Anvil makes a block every second meanwhile, as geth does by itself.
    """
    address = who if isinstance(who, str) else who.public_key.to_address()
    hits, nonce = bench.hits(address), bench.nonce(address)
    journal = directory / "journal.db"
    began = time.monotonic()
    with _blocks(bench), _Programs(bench, journal, directory, who, company) as programs:
        ended = programs.until_ended(began + limit)
        said, killed = programs.said, programs.killed
    wrong = [
        *([] if ended else [f"some had not ended after {limit:g} seconds"]),
        *_unlike("effects", bench.hits(address) - hits, company.effects),
        *_unlike("nonces on the chain", bench.nonce(address) - nonce, company.effects),
        *_wrong_in_journal(journal, nonce, company.effects),
    ]
    return Played(wrong, said, killed, time.monotonic() - began)


@contextmanager
def _blocks(bench: Bench) -> Iterator[None]:
    """A block every second."""
    if not bench.is_anvil:
        yield
        return
    bench.endpoint.request("evm_setIntervalMining", 1)
    try:
        yield
    finally:
        bench.endpoint.request("evm_setIntervalMining", 0)


class _Programs:
    """The processes, each with a log of what it says."""

    def __init__(
        self,
        bench: Bench,
        journal: Path,
        directory: Path,
        who: "PrivateKey | Address",
        company: Company,
    ) -> None:
        secret = who if isinstance(who, str) else who.to_bytes().hex()
        common = [sys.executable, "-m", "tests.transactions.crew", bench.way, str(journal)]
        often = [str(company.each), str(company.batch)]
        self._commands = [
            [*common, secret, bench.counter, f"0x{number:040x}", *often]
            for number in range(company.processes)
        ]
        self._logs = [directory / f"{number}.log" for number in range(company.processes)]
        self._every = company.kill_every
        self.killed = 0

    def __enter__(self) -> "_Programs":
        self._running = [self._started(number) for number in range(len(self._commands))]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.kill()
            process.wait()

    @property
    def said(self) -> list[str]:
        return [line for log in self._logs for line in log.read_text().splitlines()]

    def until_ended(self, deadline: float) -> bool:
        """Whether all ended by themselves, and well."""
        turns = itertools.cycle(range(len(self._running)))
        next_kill = time.monotonic() + (self._every or 0)
        while any(process.poll() is None for process in self._running):
            if time.monotonic() > deadline:
                return False
            if self._every is not None and time.monotonic() > next_kill:
                next_kill += self._every
                self._kill(next(turns))
            time.sleep(0.1)
        return all(process.returncode == 0 for process in self._running)

    def _kill(self, number: int) -> None:
        process = self._running[number]
        if process.poll() is not None:
            return
        process.kill()
        process.wait()
        self.killed += 1
        self._running[number] = self._started(number)

    def _started(self, number: int) -> "subprocess.Popen[bytes]":
        with self._logs[number].open("ab") as log:
            return subprocess.Popen(self._commands[number], stdout=log, stderr=log)


def _wrong_in_journal(journal: Path, first: int, effects: int) -> list[str]:
    with closing(sqlite3.connect(journal)) as file:
        nonces = [nonce for (nonce,) in file.execute("SELECT nonce FROM slots ORDER BY nonce")]
        states = file.execute("SELECT state, count(*) FROM intents GROUP BY state").fetchall()
        [(open_slots,)] = file.execute("SELECT count(*) FROM slots WHERE state = 'open'").fetchall()
    return [
        *_unlike("nonces in the journal", nonces, list(range(first, first + effects))),
        *_unlike("intents", states, [("succeeded", effects)]),
        *_unlike("open slots", open_slots, 0),
    ]


def _unlike(what: str, found: object, expected: object) -> Sequence[str]:
    return [] if found == expected else [f"{what}: {found} instead of {expected}"]
