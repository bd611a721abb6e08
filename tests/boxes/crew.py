"""A program of a box that shares its account and journal with others: hits the Counter.

It is put together and lives as every program does; only its family is a test's. Run as a program
this file is a box's nursery: it has imported everything, and forks a program for each task.
"""

import asyncio
import json
import logging
import os
import select
import signal
import sys
import time
import traceback
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast
from unittest import mock

from eth_keys.datatypes import PrivateKey

from scheduler.chain.blocksage import Heartbeat
from scheduler.chain.connection import connect
from scheduler.chain.dialect import dialect_of
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.model import HeadEvent
from scheduler.chain.node import JsonRpcNode
from scheduler.locks import Held
from scheduler.networks import network_of
from scheduler.processes import die_with_parent
from scheduler.programs import Awaited
from scheduler.pulse import Pulse
from scheduler.reach import Reach
from scheduler.roster import Roster
from scheduler.running import Running
from scheduler.service import Work, serve
from scheduler.transactions.desk import Desk
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.flow import Flow
from scheduler.transactions.guard import Guard
from scheduler.transactions.intents import Intent
from scheduler.transactions.journal import Account, Attempt, Journal
from scheduler.transactions.journal.database import opened
from scheduler.transactions.journal.location import Remote
from scheduler.transactions.leases import TERM_SECONDS, Leases
from scheduler.transactions.sender import Sender
from scheduler.transactions.signers import KeySigner
from tests.faults.worker import Hitting
from tests.plans import bare_plan
from tests.transactions.rig import CONFIRMATIONS, ETHER, HIT, rules_for

BETWEEN, WITHIN = "between commit and send", "within the commit"
"""Where a program stops itself."""


@dataclass(frozen=True)
class Task:
    """What a program does: with every head it wants to hit the `counter` `batch` more times for
    `contract`, until it did so `count` times. `program` is its name, `directory` where it leaves
    its sign of life. It stops itself once, `stop` says where, after `after` hits."""

    program: str
    node: str
    journal: str
    directory: str
    key: str
    counter: str
    contract: str
    count: int
    batch: int
    term: float = TERM_SECONDS
    stop: str | None = None
    after: int = 0


class Member:
    """Puts the program together as often as it takes."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._where = Remote(task.journal, Path(task.directory))
        self._leases = Leases(self._where, task.program, term=task.term)
        self._key = PrivateKey(bytes.fromhex(task.key))

    async def assemble(self) -> Work:
        """What scheduler.programs does with a plan."""
        node = JsonRpcNode(connect(self._task.node))
        try:
            return await self._assembled(node)
        except BaseException:
            await node.close()
            raise

    async def _assembled(self, node: JsonRpcNode) -> Work:
        task, signer = self._task, KeySigner(self._key)
        identity = await node.identity()
        network = network_of(identity.chain_id)
        node.speak(dialect_of(network.node))
        account = Account(await fingerprint(node, network.development), signer.address)
        family = Hitting(task.contract)
        wanted = Awaited.of(cast(Any, family), account)
        with ExitStack() as taken:
            try:
                taken.callback(self._leases.take(wanted.lock).release)
            except Held as held:
                raise wanted.held(held) from held
            taken.callback(asyncio.ensure_future(self._leases.keep()).cancel)
            journal = Journal(self._leases.fencing(opened(self._where)), time.time)
            taken.callback(journal.close)
            kept = taken.pop_all()
        logging.info("has the lease")
        wishes = [_wish(task, account, number) for number in range(task.count)]
        known = len(journal.intent_states([wish.key for wish in wishes]))
        desk = Desk(
            node,
            identity.chain_id,
            account,
            Guard(signer, node, rules_for(task.counter), journal),
            journal,
            FeePolicy(),
            [family],
            program=task.program,
            locks=self._leases,
        )
        return Turns(
            node=node,
            network=network,
            chain=account.chain,
            flow=Flow(desk, CONFIRMATIONS),
            families=cast(Any, [family]),
            roster=Roster(None, [], []),
            looked_at=0,
            heartbeat=Heartbeat(node.sage),
            held=kept,
            # Which node is followed, and that there may be another box.
            reach=Reach(bare_plan(task.program, task.node, task.journal, directory=task.directory)),
            leases=self._leases,
            journal=journal,
            wishes=wishes,
            wanted=known,
            batch=task.batch,
        )


@dataclass(slots=True, kw_only=True)
class Turns(Running):
    """A program that ends itself when all that it wishes for is final."""

    journal: Journal
    wishes: list[Intent]
    wanted: int
    batch: int

    async def on(self, event: HeadEvent) -> None:
        self.wanted = min(self.wanted + self.batch, len(self.wishes))
        cast(Hitting, self.families[0]).wishes = self.wishes[: self.wanted]
        await Running.on(self, event)
        states = self.journal.intent_states([wish.key for wish in self.wishes])
        if len(states) == len(self.wishes) and self.flow.in_flight == 0:
            os.kill(os.getpid(), signal.SIGTERM)


def _wish(task: Task, account: Account, number: int) -> Intent:
    return Intent(
        key=f"{task.contract}:{number}",
        family=Hitting.name,
        kind="hit",
        chain=account.chain,
        contract=task.contract,
        params={"name": str(number)},
        to=task.counter,
        data=HIT,
        gas=100_000,
        first_block=0,
        last_block=2**31,
        max_cost=ETHER,
    )


def _stop_where_told(task: Task) -> None:
    """This very process stops itself once, when it has reserved enough; a test lets it go on."""
    reserved = 0

    def stop(attempts: list[Attempt]) -> list[Attempt]:
        nonlocal reserved
        before, reserved = reserved, reserved + len(attempts)
        if before < task.after <= reserved:
            os.kill(os.getpid(), signal.SIGSTOP)
        return attempts

    commit, insert = Sender.commit, Journal._insert_attempts

    async def committed(sender: Sender, *arguments: Any) -> list[Attempt]:
        return stop(await commit(sender, *arguments))

    def inserted(journal: Journal, *arguments: Any) -> list[Attempt]:
        return stop(insert(journal, *arguments))

    if task.stop == BETWEEN:
        mock.patch.object(Sender, "commit", committed).start()
    elif task.stop == WITHIN:
        mock.patch.object(Journal, "_insert_attempts", inserted).start()


def live(task: Task) -> None:
    """A program's life."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s"
    )
    _stop_where_told(task)
    pulse = Pulse.beside(Path(task.directory) / "journal", task.program)
    asyncio.run(serve(Member(task).assemble, pulse, patient=True))


def nursery() -> None:
    """For each line on standard input, a log's path and a task, one program.

    A line out says `started PID`, or `ended PID STATUS`, as `os.waitstatus_to_exitcode` has it.
    """
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], 0.05)
        if readable:
            line = sys.stdin.readline()
            if not line:
                return
            log, task = json.loads(line)
            child = os.fork()
            if child == 0:
                _be(Task(**task), log)
            print("started", child, flush=True)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                print("ended", ended[0], os.waitstatus_to_exitcode(ended[1]), flush=True)


def _be(task: Task, log: str) -> NoReturn:
    status = 1
    try:
        die_with_parent(signum=signal.SIGKILL)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(file, stream)
        live(task)
        sys.stderr.flush()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    nursery()
