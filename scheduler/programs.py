"""The only place where things are put together: a program's node, journal and families."""

import asyncio
import logging
import math
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from eth_keys.datatypes import PrivateKey

from scheduler.alarm.claiming import drawing
from scheduler.alarm.claims import Claims
from scheduler.alarm.detection import version_at
from scheduler.alarm.family import AlarmClock
from scheduler.alarm.version import Version
from scheduler.bounds import budget, claim_policy, deposits, rule_book
from scheduler.chain.blocksage import BlockSage, Heartbeat
from scheduler.chain.connection import connect
from scheduler.chain.dialect import dialect_of
from scheduler.chain.errors import ChainChanged, FirstBlockMissing, NodeUnavailable, RpcError
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.model import Address, Head, HeadEvent
from scheduler.chain.node import JsonRpcNode
from scheduler.errors import HeldElsewhere, Misconfigured, NotYet
from scheduler.jobs import loading
from scheduler.jobs.declaration import Job
from scheduler.jobs.family import JobFamily, families_of
from scheduler.locks import Held, Lock
from scheduler.moc.discovery import jobs_at
from scheduler.moc.jobs import Task
from scheduler.networks import Network, network_of, networks
from scheduler.plan import Plan
from scheduler.pulse import Pulse
from scheduler.service import Work
from scheduler.transactions.custody import actor
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.flow import Flow
from scheduler.transactions.guard import Guard
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.keystore import open_keystore
from scheduler.transactions.ladder import GETH_PERCENT, RSKJ_PERCENT
from scheduler.transactions.pruning import Keeping
from scheduler.transactions.sender import Desk
from scheduler.transactions.signers import KeySigner, NodeSigner, Signer

ALARM_VERSION = "0.7"

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS

PATIENCE_SECONDS = 10.0
"""For how long a node that is away is waited for where there are others."""

log = logging.getLogger("SCHEDULER")


@dataclass(slots=True)
class Running:
    """A program that has everything it needs."""

    node: JsonRpcNode
    network: Network
    chain: str
    flow: Flow
    families: Sequence[AlarmClock | JobFamily]
    heartbeat: Heartbeat
    journal: Journal
    locks: ExitStack
    patience: float = math.inf
    same_chain: bool = False

    def follow(self) -> AsyncIterator[HeadEvent]:
        return self.node.follow(self.patience)

    async def on(self, event: HeadEvent) -> None:
        if event.rebased or not self.same_chain:
            await self._check_chain()
        self.heartbeat.beat(event.head)
        await self.flow.on(event)

    def waited(self, seconds: float) -> None:
        self.heartbeat.waited(seconds)

    def counts(self) -> Mapping[str, int]:
        calls = Counter[str]()
        for family in self.families:
            calls.update(family.counts())
        return {**calls, "due": self.flow.due, "in_flight": self.flow.in_flight}

    async def _check_chain(self) -> None:
        """Raises ChainChanged unless this is the chain for which the program was put together.

        Following compares with what it saw first, and a development chain may have been reset
        before that: nonces of one chain must not be used on another.
        """
        self.same_chain = False
        try:
            found = await fingerprint(self.node, self.network.development)
        except FirstBlockMissing:
            found = None
        if found != self.chain:
            raise ChainChanged(f"{self.node.endpoint} serves another chain than a moment before")
        self.same_chain = True

    async def close(self) -> None:
        self.flow.close()
        self.journal.close()
        self.locks.close()
        await self.node.close()


class Program:
    """Puts a program together as often as it takes, after a plan that does not change."""

    def __init__(self, plan: Plan) -> None:
        """Raises Misconfigured for what is wrong whatever the node says."""
        self._plan = plan
        try:
            self._connections = [connect(each) for each in (plan.endpoint, *plan.fallbacks)]
        except ValueError as error:
            raise Misconfigured(f"rpc-url: {error}") from error
        self._journal = Path(plan.journal)
        self._key = None if plan.key is None else PrivateKey(bytes.fromhex(plan.key))
        self.pulse = Pulse.beside(self._journal, plan.program)

    async def assemble(self) -> Work:
        """Everything that the program needs, checked.

        Raises NotYet, HeldElsewhere, FirstBlockMissing, JournalUnavailable, NodeUnavailable,
        RpcError for what may pass, Misconfigured for what only the operator can mend.
        """
        _check_directory(self._journal)
        if self._key is None and self._plan.key_file is not None:
            # Opening a key file takes seconds, in which SIGTERM must be heard.
            self._key = await asyncio.to_thread(_key, self._plan)
        node, chain_id, head = await self._node()
        network = self._network(chain_id)
        declared = await self._jobs(node, head)
        versions = await self._versions(node, network, head)
        signer = await self._signer(node)
        account = Account(await fingerprint(node, network.development), signer.address)
        jobs = families_of(node, account.chain, self._own(declared))
        claims = claim_policy(self._plan.claiming, network)
        clocks = [
            AlarmClock(
                node,
                version,
                account.chain,
                account.address,
                network.slot_time,
                Claims(node, account.address, claims, drawing(), network.slot_time),
            )
            for version in versions.values()
        ]
        families: list[AlarmClock | JobFamily] = [*jobs, *clocks]
        with ExitStack() as taken:
            for family in families:
                taken.callback(_lock(account, family).release)
            journal = Journal.open(self._journal)
            locks = taken.pop_all()
        policy = FeePolicy(
            self._plan.max_gas_price,
            self._plan.min_tip,
            RSKJ_PERCENT if network.node == "rskj" else GETH_PERCENT,
        )
        desk = Desk(
            node=node,
            chain_id=chain_id,
            account=account,
            signer=Guard(
                signer,
                node,
                rule_book(self._plan, families_of(node, account.chain, declared)),
                journal,
            ),
            journal=journal,
            policy=policy,
            families=families,
            program=self._plan.program,
            budget=replace(
                budget(self._plan.budget, network.node),
                deposits=deposits(self._plan.claiming, versions),
            ),
            slot_time=network.slot_time,
        )
        heartbeat = Heartbeat(node.sage)
        for contract, version in versions.items():
            log.info("Serving %s, an Alarm Clock contract of %s", contract, version.name)
        return Running(
            node=node,
            network=network,
            chain=account.chain,
            flow=Flow(desk, network.confirmations, self._keeping(network)),
            families=families,
            heartbeat=heartbeat,
            journal=journal,
            locks=locks,
            patience=PATIENCE_SECONDS if len(self._connections) > 1 else math.inf,
        )

    async def _node(self) -> tuple[JsonRpcNode, int, Head]:
        """The first of the nodes that can be worked with, its chain id and latest block.

        Raises NodeUnavailable, NotYet, RpcError as the one says that is the most worth telling.
        """
        failures: list[NodeUnavailable | NotYet | RpcError] = []
        for connection in self._connections:
            node = JsonRpcNode(connection)
            try:
                return node, *await self._ready(node)
            except (NodeUnavailable, NotYet, RpcError) as error:
                failures.append(error)
                await node.close()
        # What a node answers is the operator's to mend, more than that another one is away.
        raise next((each for each in failures if isinstance(each, NotYet)), failures[0])

    async def _ready(self, node: JsonRpcNode) -> tuple[int, Head]:
        """Its chain id and latest block. Raises NodeUnavailable, NotYet, RpcError."""
        identity = await node.identity()
        network = self._network(identity.chain_id)
        node.sage = BlockSage(base=network.block_time)
        node.speak(dialect_of(network.node))
        if await node.syncing():
            raise NotYet("the node is syncing; work begins when it has caught up")
        head = await node.block()
        if head is None:
            raise NotYet("the node has no block yet; work begins when it has one")
        return identity.chain_id, head

    def _keeping(self, network: Network) -> Keeping:
        """For how long outcomes are kept: as configured, and for a week of blocks at the least."""
        return Keeping(self._plan.keep_days * DAY_SECONDS, int(WEEK_SECONDS / network.block_time))

    def _network(self, chain_id: int) -> Network:
        name, wanted = self._plan.network, self._plan.chain_id
        if wanted not in (None, chain_id):
            raise NotYet(
                f"the node serves chain id {chain_id}, but the configuration says {wanted}; start "
                "the right node, or correct chain_id or uri in the configuration"
            )
        if name is None:
            return network_of(chain_id)
        network = networks()[name]
        if chain_id not in network.chain_ids:
            raise NotYet(
                f"the node serves chain id {chain_id}, but the network {name} has "
                f"{' or '.join(map(str, network.chain_ids))}; start the right node, or correct "
                "network or rpc-url in the configuration"
            )
        return network

    async def _jobs(self, node: JsonRpcNode, head: Head) -> list[Job]:
        """Those that are declared, and those of a deployment of Money on Chain.

        A declared one's contract is looked at when the job is due.
        """
        plan, jobs = self._plan, [loading.job(data) for data in self._plan.jobs]
        if plan.moc is not None:
            tasks = {name: Task(**task) for name, task in plan.moc_tasks.items()}
            jobs += await jobs_at(node, plan.moc, tasks, head)
        return jobs

    def _own(self, declared: Sequence[Job]) -> list[Job]:
        """Those that no other program of the box does."""
        return [job for job in declared if job.name not in self._plan.left_to_others]

    async def _versions(
        self, node: JsonRpcNode, network: Network, head: Head
    ) -> dict[Address, Version]:
        """What is served, by contract: schedulers of 1.0 that share a factory are one.

        Where jobs are configured, only configured ones.
        """
        if (self._plan.moc or self._plan.jobs) and not self._plan.contracts:
            return {}
        found = [
            await version_at(node, contract, head)
            for contract in self._plan.contracts or [self._known_contract(network)]
        ]
        return {version.contract: version for version in found}

    def _known_contract(self, network: Network) -> Address:
        known = network.alarm_contract(ALARM_VERSION)
        if known is None:
            raise Misconfigured(
                f"no Alarm Clock contract is known on {network.name}; give its address with "
                '--address, or in the configuration: [alarm] addresses = ["0x…"]'
            )
        return known

    async def _signer(self, node: JsonRpcNode) -> Signer:
        if self._key is not None:
            return KeySigner(self._key)
        wanted = self._plan.account
        accounts = await node.accounts()
        if wanted is None and not accounts:
            raise NotYet(
                "the node has no account to sign with; make one there and unlock it, or use "
                'signer = "keystore"'
            )
        if wanted is not None and wanted not in accounts:
            raise NotYet(
                f"the node does not have the account {wanted}; unlock it there, correct account "
                'in the configuration, or use signer = "keystore"'
            )
        return NodeSigner(node, wanted or accounts[0])


def _key(plan: Plan) -> PrivateKey | None:
    """The key from the plan's key file, opened once; None where the node signs."""
    if plan.key_file is None or plan.password_file is None:
        return None
    key = open_keystore(Path(plan.key_file), Path(plan.password_file))
    address = key.public_key.to_address()
    if plan.account not in (None, address):
        raise Misconfigured(
            f"account = {plan.account}, but the key file is of {address}; correct one of them"
        )
    return key


def _check_directory(journal: Path) -> None:
    """Raises NotYet where the journal cannot be in its directory: a volume may come later.

    Raises Misconfigured where it is itself a directory.
    Never makes the directory: on a mount point it would be another journal, which would not know
    what was sent.
    """
    directory = journal.parent
    if not directory.is_dir():
        raise NotYet(
            f"the journal's directory {directory} is not there; mount its volume, make it, or "
            'name another with journal = "…" in the configuration'
        )
    if journal.is_dir():
        raise Misconfigured(f"journal = {journal} is a directory; name a file in it")
    for path in (directory, journal):
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            raise NotYet(_unwritable(path, directory))


def _unwritable(path: Path, directory: Path) -> str:
    if os.statvfs(directory).f_flag & os.ST_RDONLY:
        return f"the journal's file system at {directory} is mounted read-only; mount it writable"
    return (
        f"{path}, where the journal is, cannot be written by this user; "
        f"run: sudo chown -R $(id -un) {directory}"
    )


def _lock(account: Account, family: AlarmClock | JobFamily) -> Lock:
    try:
        return Lock(actor(family.name, account, family.contract))
    except Held as held:
        raise HeldElsewhere(
            f"{held.holder} already serves {family.contract} with {account.address}; stop it first"
        ) from held
