"""The process that is killed: the real node, journal, signer and flow, hitting a counter; or the
real program, executing scheduled calls.

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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn
from unittest import mock

from eth_keys.datatypes import PrivateKey

from scheduler.chain.connection import connect
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.model import HeadEvent
from scheduler.chain.node import JsonRpcNode
from scheduler.devchain.endpoint import Endpoint
from scheduler.plan import Plan
from scheduler.programs import Program, Running
from scheduler.service import PASSING, serve
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.flow import Flow
from scheduler.transactions.intents import Intent
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.sender import Desk
from scheduler.transactions.signers import KeystoreSigner, NodeSigner, Signer
from tests.faults.boundaries import Crossings, wrap
from tests.transactions.rig import CONFIRMATIONS, ETHER, HIT, Touches

# Heads after which a worker gives up: some times as many as an untouched one needs.
PATIENCE = 40

DONE, GAVE_UP, FAILED = 0, 3, 4


@dataclass(frozen=True)
class Task:
    """What a worker does, as data.

    `wire` is the node's socket (the recorder's), `node` the HTTP endpoint at which the worker lets
    the node mine, with the methods `mining`. The account has a `key`, or its `address` is unlocked
    at the node. `wishes` are keys of intents to hit the counter `contract`, and the first and last
    block of each; without them scheduled calls of the alarm clock `contract` are near. All is done
    with so many `effects`. Where the worker passes `fatal`, it kills itself; at its end it writes
    to `report` what it passed. `synchronous` is the journal's.
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

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Task":
        values = json.loads(text)
        fatal = values.pop("fatal")
        return cls(**values, fatal=fatal and tuple(fatal))


class Miner:
    """Makes the next block when a head was dealt with; `tired` when it made too many."""

    def __init__(self, task: Task) -> None:
        self._endpoint = Endpoint(task.node)
        self._mining = task.mining
        self._left = PATIENCE

    @property
    def tired(self) -> bool:
        return self._left == 0

    def mine(self) -> None:
        self._left -= 1
        for method, parameters in self._mining:
            self._endpoint.request(method, *parameters)

    def close(self) -> None:
        self._endpoint.close()


async def hit(task: Task, miner: Miner) -> bool:
    """Follows the chain until every wish has been fulfilled, finally; False where it gives up."""
    node = JsonRpcNode(connect(task.wire))
    signer: Signer = NodeSigner(node, task.address)
    if task.key is not None:
        signer = KeystoreSigner(PrivateKey(bytes.fromhex(task.key)))
    account = Account(await fingerprint(node, development=True), signer.address)
    journal = Journal.open(Path(task.journal))
    family = Touches(task.contract)
    family.wishes = [_wish(task, account, *wish) for wish in task.wishes]
    desk = Desk(node, 1337, account, signer, journal, FeePolicy(), [family])
    flow = Flow(desk, CONFIRMATIONS)
    done = False
    async for event in node.follow():
        try:
            await flow.on(event)
            done = _finished(journal, task.effects)
        except PASSING as trouble:
            logging.warning("head %d: %s", event.head.number, trouble)
        if done or miner.tired:
            break
        miner.mine()
    journal.close()
    await node.close()
    return done


async def execute(task: Task, miner: Miner) -> bool:
    """Lives as the real program does until every call was executed, finally."""
    plan = Plan(
        program="scheduler",
        endpoint=task.wire,
        network="dev",
        contract=task.contract,
        account=task.address,
        key_file=None,
        password_file=None,
        journal=task.journal,
        max_gas_price=None,
        min_tip=0,
        budget={},
        patient=True,
    )
    program = Program(plan)
    # As from a key file, whose opening takes seconds.
    program._key = PrivateKey(bytes.fromhex(task.key or ""))
    on, done = Running.on, False

    async def on_and_mine(running: Running, event: HeadEvent) -> None:
        nonlocal done
        try:
            await on(running, event)
            done = _finished(running.journal, task.effects)
        finally:
            if done or miner.tired:
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                miner.mine()

    with mock.patch.object(Running, "on", on_and_mine):
        await serve(program.assemble, program.pulse, patient=True)
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
    [(outcomes, slots)] = journal._connection.execute(
        "SELECT (SELECT count(*) FROM outcomes WHERE is_final AND kind = 'succeeded'),"
        " (SELECT count(*) FROM slots WHERE state = 'open')"
    ).fetchall()
    return bool(outcomes >= effects and slots == 0)


def live(task: Task) -> int:
    """A worker's life; its exit status."""
    crossings = Crossings(task.fatal)
    wrap(crossings, task.synchronous)
    logging.basicConfig(stream=sys.stderr, force=True)
    try:
        miner = Miner(task)
        done = asyncio.run(hit(task, miner) if task.wishes else execute(task, miner))
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
