"""The process that is killed or misled: the real program, executing scheduled calls; or the same
with a family that hits a counter.

Run as a program it is the workers' nursery: it has imported everything and forks one worker for
each task that it reads, so that a worker costs milliseconds.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn, cast
from unittest import mock

from eth_keys.datatypes import PrivateKey

from scheduler import service
from scheduler.chain import follow, outage
from scheduler.chain.blocksage import Heartbeat
from scheduler.chain.connection import connect
from scheduler.chain.dialect import dialect_of
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.follow import Follower
from scheduler.chain.model import HeadEvent
from scheduler.chain.node import JsonRpcNode
from scheduler.devchain.endpoint import Endpoint
from scheduler.health import Vitals
from scheduler.locks import Lock
from scheduler.networks import network_of
from scheduler.plan import Plan
from scheduler.programs import Program
from scheduler.pulse import Pulse
from scheduler.reach import Reach
from scheduler.roster import Roster
from scheduler.running import Running
from scheduler.service import Work, serve
from scheduler.transactions.custody import actor
from scheduler.transactions.desk import Desk
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.flow import Flow
from scheduler.transactions.guard import Guard
from scheduler.transactions.intents import Intent
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.journal.sqlite.database import SqliteDatabase
from scheduler.transactions.ladder import GETH_PERCENT, RSKJ_PERCENT
from scheduler.transactions.signers import KeySigner, NodeSigner, Signer
from tests.faults.boundaries import Crossings, wrap
from tests.plans import bare_plan
from tests.transactions.rig import ETHER, HIT, Touches, rules_for

DONE, GAVE_UP, FAILED = 0, 3, 4

# Heads after which a worker gives up: some times as many as an untouched one needs.
PATIENCE = 40


@dataclass(frozen=True)
class Hurry:
    """What a worker waits for by the clock, cut short; what it does meanwhile stays the same.

    In seconds: `timeout` for an answer, `quiet` until silence is doubted, `retry` until something
    is tried again. A block comes at the latest `beat` after the last one, and `patience` of them
    before the worker gives up.
    """

    timeout: float = 1.0
    quiet: float = 0.4
    retry: float = 0.1
    beat: float = 0.3
    patience: int = 150

    def begin(self) -> None:
        """From now on, in this process, for ever."""
        mock.patch.object(connect, "__defaults__", (self.timeout, 50)).start()
        mock.patch.object(Follower, "_patience", return_value=self.quiet).start()
        mock.patch.object(follow, "_GRACE", self.quiet / 2).start()
        mock.patch.object(service, "RETRY_SECONDS", self.retry).start()
        mock.patch.object(outage, "LAST_DELAY", self.retry).start()


@dataclass(frozen=True)
class Task:
    """What a worker does, as data.

    `wire` is its way to the node (the proxy's), `node` the HTTP endpoint at which the worker lets
    the node mine, with the methods `mining`. The account has a `key`, or its `address` is unlocked
    at the node. `wishes` are keys of intents to hit the counter `contract`, and the first and last
    block of each; without them scheduled calls of the alarm clock `contract` are near. All is done
    with so many `effects`. Where the worker passes `fatal`, it kills itself; at its end it writes
    to `report` what it passed. `synchronous` is the journal's. `hurry` where the clock matters.
    `happenings` are methods for the node before it mines for the so many-th time.
    """

    wire: str
    journal: str
    report: str
    node: str
    mining: Sequence[tuple[str, list[object]]]
    contract: str
    address: str
    key: str | None
    effects: int
    wishes: Sequence[tuple[str, int, int]] = ()
    fatal: tuple[str, int] | None = None
    synchronous: str = "FULL"
    hurry: Hurry | None = None
    happenings: Sequence[tuple[int, str, list[object]]] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Task":
        values = json.loads(text)
        fatal, hurry = values.pop("fatal"), values.pop("hurry")
        return cls(**values, fatal=fatal and tuple(fatal), hurry=hurry and Hurry(**hurry))


class Miner:
    """Makes the next block when a head was dealt with; `tired` when it made too many."""

    def __init__(self, task: Task) -> None:
        self._endpoint = Endpoint(task.node)
        self._mining = task.mining
        self._happenings = task.happenings
        self._times = 0
        self._left = task.hurry.patience if task.hurry else PATIENCE
        self._mined = time.monotonic()

    @property
    def tired(self) -> bool:
        return self._left <= 0

    def mine(self) -> None:
        self._left -= 1
        self._times += 1
        happens = [
            (method, given) for time, method, given in self._happenings if time == self._times
        ]
        for method, parameters in [*happens, *self._mining]:
            self._endpoint.request(method, *parameters)
        self._mined = time.monotonic()

    async def mine_every(self, seconds: float) -> None:
        """Blocks come even if nobody deals with them."""
        while not self.tired:
            await asyncio.sleep(seconds / 4)
            if time.monotonic() - self._mined > seconds:
                self.mine()
        os.kill(os.getpid(), signal.SIGTERM)

    def close(self) -> None:
        self._endpoint.close()


class Hitting(Touches):
    """The family of a worker that hits the counter."""

    def counts(self) -> Mapping[str, int]:
        return {}

    def vitals(self) -> Vitals:
        return Vitals()


def hitting(task: Task) -> Callable[[], Awaitable[Work]]:
    """Puts together what `Program` would, for a family that hits the counter."""

    async def assemble() -> Work:
        node = JsonRpcNode(connect(task.wire))
        signer: Signer = NodeSigner(node, task.address)
        if task.key is not None:
            signer = KeySigner(PrivateKey(bytes.fromhex(task.key)))
        identity = await node.identity()
        network = network_of(identity.chain_id)
        node.speak(dialect_of(network.node))
        account = Account(await fingerprint(node, network.development), signer.address)
        family = Hitting(task.contract)
        family.wishes = [_wish(task, account, *wish) for wish in task.wishes]
        policy = FeePolicy(bump_percent=RSKJ_PERCENT if network.node == "rskj" else GETH_PERCENT)
        held = ExitStack()
        held.callback(Lock(actor(family.name, account, task.contract)).release)
        journal = Journal.open(Path(task.journal))
        held.callback(journal.close)
        # What the quarantine would prevent is to be seen: the journal alone must be enough.
        nonces = await node.nonces(account.address)
        journal.admit(account, accounted=nonces.pending)
        guard = Guard(signer, node, rules_for(task.contract), journal)
        desk = Desk(node, identity.chain_id, account, guard, journal, policy, [family])
        flow = Flow(desk, network.confirmations)
        heartbeat = Heartbeat(node.sage)
        return Running(
            node=node,
            network=network,
            chain=account.chain,
            flow=flow,
            families=cast(Any, [family]),
            roster=Roster(None, [], []),
            looked_at=0,
            heartbeat=heartbeat,
            held=held,
            reach=Reach(_plan(task)),
        )

    return assemble


def executing(task: Task) -> Callable[[], Awaitable[Work]]:
    """The real program, which executes calls."""
    program = Program(_plan(task))
    if task.key is not None:
        # As from a key file, whose opening takes seconds.
        program._key = PrivateKey(bytes.fromhex(task.key))
    return program.assemble


def _plan(task: Task) -> Plan:
    return bare_plan(
        "scheduler", task.wire, task.journal, contracts=[task.contract], account=task.address
    )


async def work(task: Task, miner: Miner) -> bool:
    """Lives as a program does until every effect is final; False where it gives up."""
    on, done = Running.on, False

    async def on_and_mine(running: Running, event: HeadEvent) -> None:
        nonlocal done
        try:
            await on(running, event)
            done = _finished(running.flow._desk.journal, task.effects)
        finally:
            if done or miner.tired:
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                miner.mine()

    assemble = hitting(task) if task.wishes else executing(task)
    pulse = Pulse.beside(Path(task.journal), "worker")
    clock = asyncio.ensure_future(miner.mine_every(task.hurry.beat)) if task.hurry else None
    with mock.patch.object(Running, "on", on_and_mine):
        await serve(assemble, pulse, patient=True)
    if clock is not None:
        clock.cancel()
        with suppress(asyncio.CancelledError):
            await clock
    return done


def _wish(task: Task, account: Account, key: str, first: int, last: int) -> Intent:
    return Intent(
        key=f"{account.chain}:{account.address}:{key}",
        family=Touches.name,
        kind="hit",
        chain=account.chain,
        contract=task.contract,
        params={"name": key},
        to=task.contract,
        data=HIT,
        gas=100_000,
        first_block=first,
        last_block=last,
        max_cost=ETHER,
    )


def _finished(journal: Journal, effects: int) -> bool:
    """Whether so many effects are final, and nothing in flight is left."""
    [(outcomes, slots)] = (
        cast(SqliteDatabase, journal._database)
        .connection.execute(
            "SELECT (SELECT count(*) FROM outcomes WHERE is_final AND kind = 'succeeded'),"
            " (SELECT count(*) FROM slots WHERE state = 'open')"
        )
        .fetchall()
    )
    return bool(outcomes >= effects and slots == 0)


def live(task: Task) -> int:
    """A worker's life; its exit status."""
    crossings = Crossings(task.fatal)
    wrap(crossings, task.synchronous)
    if task.hurry is not None:
        task.hurry.begin()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, force=True)
    try:
        miner = Miner(task)
        done = asyncio.run(work(task, miner))
        miner.close()
    except Exception:
        traceback.print_exc()
        return FAILED
    Path(task.report).write_text(json.dumps(crossings.passed))
    return DONE if done else GAVE_UP


def nursery() -> None:
    """For each line on standard input, a moment and a task, one worker; its end is a line.

    The moment is in seconds after its birth: then it gets a SIGKILL. A line out is the status, as
    `os.waitstatus_to_exitcode` has it, and how many seconds the worker lived.
    """
    for line in sys.stdin:
        moment, _, task = line.partition(" ")
        born = time.monotonic()
        child = os.fork()
        if child == 0:
            _be(Task.from_json(task))
        if moment != "-":
            time.sleep(float(moment))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        lived = time.monotonic() - born
        print(os.waitstatus_to_exitcode(status), f"{lived:.4f}", flush=True)


def _be(task: Task) -> NoReturn:
    status = FAILED
    try:
        log = os.open(f"{task.report}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(log, stream)
        status = live(task)
        sys.stderr.flush()
    finally:
        os._exit(status)


if __name__ == "__main__":
    nursery()
