"""The only place where things are put together: a program's node, journal and families."""

import asyncio
import logging
import os
import time
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
from scheduler.alarm.leftovers import Leftovers
from scheduler.alarm.version import Version
from scheduler.bounds import budget, claim_policy, deposits, rule_book
from scheduler.chain.blocksage import Heartbeat
from scheduler.chain.errors import (
    ChainChanged,
    FirstBlockMissing,
    NodeGone,
    NodeUnavailable,
    RpcError,
)
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.model import Address, Head, HeadEvent
from scheduler.chain.node import JsonRpcNode
from scheduler.errors import HeldElsewhere, Misconfigured, NotYet, Outdated, StandingBy
from scheduler.health import Vitals, together
from scheduler.jobs.declaration import Job
from scheduler.jobs.family import JobFamily, families_of
from scheduler.locks import Held, Hold, KernelLocks, Locks
from scheduler.networks import Network
from scheduler.plan import Plan
from scheduler.pulse import Pulse
from scheduler.reach import Reach, Reached, account_of
from scheduler.roster import LOOK_AGAIN_BLOCKS, Roster, roster_of
from scheduler.service import Work
from scheduler.transactions.clef import Clef
from scheduler.transactions.custody import actor
from scheduler.transactions.desk import Desk
from scheduler.transactions.environment import EXAMPLE
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.flow import Flow
from scheduler.transactions.guard import Guard
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.journal.database import opened
from scheduler.transactions.journal.location import Remote
from scheduler.transactions.keystore import open_keystore
from scheduler.transactions.ladder import GETH_PERCENT, RSKJ_PERCENT
from scheduler.transactions.leases import HeldByBox, Leases
from scheduler.transactions.pruning import Keeping
from scheduler.transactions.signers import KeySigner, NodeSigner, Signer

ALARM_VERSION = "0.7"

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS

FAILING_SECONDS = 60.0
"""For how long a node is worked with, where there are others, whose heads come, but that does not
answer, or refuses, what the work needs."""

log = logging.getLogger("SCHEDULER")
moc_log = logging.getLogger("MOC")


@dataclass(slots=True)
class Running:
    """A program that has everything it needs. At block `looked_at` its contracts were looked at."""

    node: JsonRpcNode
    network: Network
    chain: str
    flow: Flow
    families: Sequence[AlarmClock | JobFamily]
    roster: Roster
    looked_at: int
    heartbeat: Heartbeat
    journal: Journal
    locks: ExitStack
    reach: Reach
    leases: Leases | None = None
    same_chain: bool = False
    failing_since: float | None = None

    def follow(self) -> AsyncIterator[HeadEvent]:
        return self.reach.follow(self.node)

    async def on(self, event: HeadEvent) -> None:
        """See Work. Where there are other nodes, one that answers no more than its heads is left,
        too: it may have lost what it needs, or refuse what it is asked."""
        try:
            await self._on(event)
        except (NodeUnavailable, RpcError) as error:
            now = time.monotonic()
            since = self.failing_since = self.failing_since or now
            if now - since > FAILING_SECONDS and self.reach.has_better():
                self.reach.failed()
                raise NodeGone(f"Node {self.node.endpoint} is of no use: {error}") from error
            raise
        self.failing_since = None

    async def _on(self, event: HeadEvent) -> None:
        self._check_leases()
        if event.rebased or not self.same_chain:
            await self._check_chain()
        self.heartbeat.beat(event.head)
        try:
            await self.flow.on(event)
        finally:
            await self._check_contracts(event.head)

    def waited(self, seconds: float) -> None:
        self._check_leases()
        self.heartbeat.waited(seconds)

    def counts(self) -> Mapping[str, int]:
        calls = Counter[str]()
        for family in self.families:
            calls.update(family.counts())
        return {**calls, "due": self.flow.due, "in_flight": self.flow.in_flight}

    def vitals(self) -> Vitals:
        """Those of the families, and whether there is a chain that moves."""
        still = "no block came for long" if self.heartbeat.is_stuck else None
        chain = Vitals(tuple(filter(None, (self.node.away, still))))
        return together([chain, *(family.vitals() for family in self.families)])

    def _check_leases(self) -> None:
        """Raises LeaseLost."""
        if self.leases is not None:
            self.leases.check_here()

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

    async def _check_contracts(self, head: Head) -> None:
        """Raises Outdated where the jobs' contracts have another code than they were found with."""
        if self.roster.jobs and head.number - self.looked_at >= LOOK_AGAIN_BLOCKS:
            change = await self.roster.change(self.node, head)
            if change is not None:
                raise Outdated(change)
            self.looked_at = head.number

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
        self._reach = Reach(plan)
        self._journal = plan.location()
        self._leases = self._shared()
        self._locks: Locks = self._leases or KernelLocks()
        # What somebody else had when this was last put together: as long as that is so, nothing
        # else is looked at.
        self._awaited: Awaited | None = None
        self._key = None if plan.key is None else PrivateKey(bytes.fromhex(plan.key))
        self.pulse = Pulse.beside(self._journal, plan.program)

    async def assemble(self) -> Work:
        """Everything that the program needs, checked.

        Raises NotYet, HeldElsewhere, FirstBlockMissing, JournalUnavailable, NodeUnavailable,
        RpcError for what may pass, Misconfigured for what only the operator can mend.
        """
        if isinstance(self._journal, Path):
            _check_directory(self._journal)
        self._look_again()
        if self._key is None and self._plan.key_file is not None:
            # Opening a key file takes seconds, in which SIGTERM must be heard.
            self._key = await asyncio.to_thread(_key, self._plan)
        reached = await self._reach.node()
        try:
            return await self._assembled(reached)
        except BaseException:
            await reached.node.close()
            raise

    async def _assembled(self, reached: Reached) -> Running:
        node, network, head = reached.node, reached.network, reached.head
        roster = await roster_of(self._plan, node, head)
        versions = await self._versions(node, network, head)
        signer = await self._signer(node)
        self._check_account(signer.address, network)
        account = Account(await fingerprint(node, network.development), signer.address)
        self.pulse.account = account.address
        jobs = families_of(node, account.chain, self._own(roster), account.address)
        claims = claim_policy(self._plan.claiming, network)
        clocks = [
            AlarmClock(
                node,
                version,
                account.chain,
                account.address,
                network.slot_time,
                Claims(node, account.address, claims, drawing(), network.slot_time),
                Leftovers(node, account.address, drawing() if self._plan.cleanup else None),
            )
            for version in versions.values()
        ]
        families: list[AlarmClock | JobFamily] = [*jobs, *clocks]
        if not families:
            raise NotYet(roster.why_none())
        with ExitStack() as taken:
            # In one order: of two boxes that begin at the same time one gets all.
            for wanted in sorted(Awaited.of(family, account) for family in families):
                taken.callback(self._lock(wanted).release)
            if self._leases is not None:
                taken.callback(asyncio.ensure_future(self._leases.keep()).cancel)
            journal = self._opened()
            locks = taken.pop_all()
        for version in versions.values():
            version.resume(journal.searches, account.chain)
        policy = FeePolicy(
            self._plan.max_gas_price,
            self._plan.min_tip,
            RSKJ_PERCENT if network.node == "rskj" else GETH_PERCENT,
        )
        desk = Desk(
            node=node,
            chain_id=reached.chain_id,
            account=account,
            signer=Guard(
                signer,
                node,
                rule_book(self._plan, roster.jobs),
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
            locks=self._locks,
            counters=self.pulse.counters,
        )
        heartbeat = Heartbeat(node.sage)
        self._tell(roster, versions)
        return Running(
            node=node,
            network=network,
            chain=account.chain,
            flow=Flow(desk, network.confirmations, self._keeping(network)),
            families=families,
            roster=roster,
            looked_at=head.number,
            heartbeat=heartbeat,
            journal=journal,
            locks=locks,
            leases=self._leases,
            reach=self._reach,
        )

    def _shared(self) -> Leases | None:
        """What excludes the programs of other boxes; None where the journal is this box's alone."""
        if isinstance(self._journal, Remote):
            return Leases(self._journal, self._plan.program)
        return None

    def _opened(self) -> Journal:
        """The journal. Raises JournalUnavailable."""
        if self._leases is None:
            return Journal.open(self._journal)
        return Journal(self._leases.fencing(opened(self._journal)), time.time)

    def _look_again(self) -> None:
        """Raises HeldElsewhere as long as what was held is held."""
        if self._awaited is not None:
            try:
                self._locks.look(self._awaited.lock)
            except Held as held:
                raise self._awaited.held(held) from held
            self._awaited = None

    def _lock(self, wanted: "Awaited") -> Hold:
        """Raises HeldElsewhere; NotYet, JournalUnavailable as the journal tells."""
        try:
            return self._locks.take(wanted.lock)
        except Held as held:
            self._awaited = wanted
            raise wanted.held(held) from held

    def _keeping(self, network: Network) -> Keeping:
        """For how long outcomes are kept: as configured, and for a week of blocks at the least."""
        return Keeping(self._plan.keep_days * DAY_SECONDS, int(WEEK_SECONDS / network.block_time))

    def _own(self, roster: Roster) -> list[Job]:
        """Those that can be done and that no other program of the box does."""
        return [job for job in roster.on() if job.name not in self._plan.left_to_others]

    def _tell(self, roster: Roster, versions: Mapping[Address, Version]) -> None:
        if roster.generation is not None:
            moc_log.info(
                "Serving %s, a Money on Chain contract of the generation %s",
                self._plan.moc,
                roster.generation,
            )
        for job, why in roster.off():
            if job.name in self._plan.left_to_others:
                continue
            # Deployments differ in what they have; what the operator named should be there.
            level = logging.INFO if job.name in self._plan.moc_tasks else logging.WARNING
            logging.getLogger(job.name).log(level, "%s is off: %s", job.action.function, why)
        for contract, version in versions.items():
            log.info("Serving %s, an Alarm Clock contract of %s", contract, version.name)

    def _check_account(self, address: Address, network: Network) -> None:
        """Raises Misconfigured where anybody could take what the account is paid."""
        if address == EXAMPLE and not (network.development or self._plan.play):
            raise Misconfigured(
                f"the account {address} is that of a published example: its key is known to "
                "everybody; make another one with: scheduler account new"
            )

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
        account = await account_of(self._plan, node)
        return NodeSigner(node if self._plan.clef is None else Clef(Path(self._plan.clef)), account)


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


@dataclass(frozen=True, order=True)
class Awaited:
    """The lock that serving a contract with an account takes."""

    lock: str
    contract: Address
    account: Address

    @classmethod
    def of(cls, family: AlarmClock | JobFamily, account: Account) -> "Awaited":
        lock = actor(family.name, account, family.contract)
        return cls(lock, family.contract, account.address)

    def held(self, held: Held) -> HeldElsewhere:
        """What to tell of it while somebody has it."""
        kind = StandingBy if isinstance(held, HeldByBox) else HeldElsewhere
        return kind(held.told(f"serves {self.contract} with {self.account}"))
