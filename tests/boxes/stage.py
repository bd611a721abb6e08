"""Two boxes on one chain, one account and one journal, and what came of it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from eth_keys.datatypes import PrivateKey

from scheduler.chain.connection import connect
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.node import JsonRpcNode
from scheduler.transactions.journal import Account, Journal
from tests import nodes
from tests.boxes.box import Box, box
from tests.boxes.crew import Task
from tests.boxes.journals import migrated
from tests.postgres import Server
from tests.transactions.rig import ETHER, Bench

SECONDS = 60.0
"""How long anything that must come is waited for; blocks come every second."""


@dataclass(frozen=True)
class Stage:
    """Boxes `one` and `other`; hits of the bench's counter from the account with `key`."""

    bench: Bench
    server: Server
    database: str
    key: PrivateKey
    one: Box
    other: Box

    @property
    def address(self) -> str:
        return self.key.public_key.to_address()

    def begin(self) -> None:
        """From now on there is a block every second."""
        self.bench.endpoint.request("evm_setIntervalMining", 1)

    @property
    def hits(self) -> int:
        return self.bench.hits(self.address)

    def task(self, at: Box, program: str, contract: int, count: int, **changes: object) -> Task:
        """A program of this box that hits the counter so often for a contract of this number."""
        values = {
            "program": program,
            "node": str(at.node.path),
            "journal": at.journal(self.database),
            "directory": str(at.directory),
            "key": self.key.to_bytes().hex(),
            "counter": self.bench.counter,
            "contract": f"0x{contract:040x}",
            "count": count,
            "batch": 5,
            **changes,
        }
        return Task(**values)  # type: ignore[arg-type]

    def reserved(self, program: str) -> int:
        """How many slots a program of this name was given."""
        return self._count(f"slots WHERE program = '{program}'")

    def holds(self, at: Box) -> int:
        """How many leases the box has now, that of the account's custodian included."""
        return self._count(f"leases WHERE box = '{at.name}' AND ends_at > clock_timestamp()")

    def unjournaled(self, at: Box) -> list[str]:
        """The transactions that left the box, and were not in the journal before."""
        rows = self.server.sql("SELECT hash, created_at FROM attempts", self.database)
        created = {hash_: float(at) for hash_, at in rows}
        return [
            each.hash for each in at.recorder.sent if created.get(each.hash, each.at + 1) > each.at
        ]

    def wrong(self, effects: int) -> list[str]:
        """What is not as it must be when so many effects were wished for, and all are final."""
        sql = self.server.sql
        nonces = [int(n) for (n,) in sql("SELECT nonce FROM slots ORDER BY nonce", self.database)]
        states = sql("SELECT state, count(*) FROM intents GROUP BY state", self.database)
        return [
            *_unlike("effects", self.hits, effects),
            *_unlike("nonces on the chain", self.bench.nonce(self.address), effects),
            *_unlike("nonces in the journal", nonces, list(range(effects))),
            *_unlike("intents", states, [["succeeded", str(effects)]]),
            *_unlike("open slots", self._count("slots WHERE state = 'open'"), 0),
            *_unlike("left unjournaled", self.unjournaled(self.one), []),
            *_unlike("left unjournaled", self.unjournaled(self.other), []),
        ]

    def _count(self, what: str) -> int:
        return int(self.server.sql(f"SELECT count(*) FROM {what}", self.database)[0][0])


@contextmanager
def stage(server: Server) -> Iterator[Stage]:
    """Anvil, and two boxes where nothing runs yet."""
    with ExitStack() as stack:
        bench = Bench(stack.enter_context(nodes.anvil(automine=False)))
        stack.callback(bench.endpoint.close)
        bench.counter  # noqa: B018 - deployed before the programs begin
        key = bench.key(100 * ETHER)
        database = _admitted(bench, server, key)
        one = stack.enter_context(box("one", bench.way, server))
        other = stack.enter_context(box("other", bench.way, server))
        yield Stage(bench, server, database, key, one, other)


def _admitted(bench: Bench, server: Server, key: PrivateKey) -> str:
    """The name of a database with a journal that may send from the account at once."""
    database = server.database()
    journal = Journal.open(migrated(server, Path("/nonexistent"), database))
    journal.admit(Account(_fingerprint(bench), key.public_key.to_address()))
    journal.close()
    return database


def _fingerprint(bench: Bench) -> str:
    async def asked() -> str:
        node = JsonRpcNode(connect(bench.way))
        try:
            return await fingerprint(node, development=True)
        finally:
            await node.close()

    return asyncio.run(asked())


def until(condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> float:
    """Waits for what can only be asked; how many seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, what
        time.sleep(0.1)
    return time.monotonic() - began


def _unlike(what: str, found: object, expected: object) -> list[str]:
    return [] if found == expected else [f"{what}: {found} instead of {expected}"]
