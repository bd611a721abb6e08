"""The only place where things are put together: a program's node, journal and families."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
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
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.model import Address, Head
from scheduler.chain.node import JsonRpcNode
from scheduler.errors import HeldElsewhere, Misconfigured, NotYet, StandingBy
from scheduler.jobs.declaration import Job
from scheduler.jobs.family import JobFamily, families_of
from scheduler.locks import Held, Hold, KernelLocks, Locks
from scheduler.networks import Network
from scheduler.plan import Plan
from scheduler.pulse import Pulse
from scheduler.reach import Reach, Reached, account_of
from scheduler.roster import Roster, roster_of
from scheduler.running import Running
from scheduler.service import Work
from scheduler.transactions.boxes import HeldByBox
from scheduler.transactions.clef import Clef
from scheduler.transactions.custody import actor, check_succession
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
from scheduler.transactions.leases import Leases
from scheduler.transactions.pruning import Keeping
from scheduler.transactions.signers import KeySigner, NodeSigner, Onlooker, Signer

ALARM_VERSION = "0.7"

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS

log = logging.getLogger("SCHEDULER")
moc_log = logging.getLogger("MOC")


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
        self.pulse.mode = "shadow" if plan.shadow else "live"

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
            journal = self._opened(account.chain)
            taken.callback(journal.close)
            if not self._plan.shadow:
                for family in families:
                    check_succession(journal, self._locks, account, family.name, family.contract)
            for version in versions.values():
                version.resume(journal.searches, account.chain)
            for job in jobs:
                job.resume(journal)
            held = taken.pop_all()
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
            shadow=self._plan.shadow,
        )
        heartbeat = Heartbeat(node.sage)
        self._tell(roster, versions)
        running = Running(
            node=node,
            network=network,
            chain=account.chain,
            flow=Flow(desk, network.confirmations, self._keeping(network)),
            families=families,
            roster=roster,
            looked_at=head.number,
            heartbeat=heartbeat,
            held=held,
            leases=self._leases,
            reach=self._reach,
        )
        self.pulse.agenda = running.agenda
        return running

    def _shared(self) -> Leases | None:
        """What excludes the programs of other boxes; None where the journal is this box's alone."""
        if isinstance(self._journal, Remote):
            return Leases(self._journal, self._plan.program, shadow=self._plan.shadow)
        return None

    def _opened(self, chain: str) -> Journal:
        """The journal. Raises JournalUnavailable; NotYet for a database of another chain's.

        A file may have seen many development chains; what boxes share is one chain's.
        """
        if self._leases is None:
            return Journal.open(self._journal)
        journal = Journal(self._leases.fencing(opened(self._journal)), time.time)
        try:
            known = journal.chains()
            if known and chain not in known:
                raise NotYet(
                    f"the journal {self._journal} is another chain's ({', '.join(sorted(known))}), "
                    f"and the node serves {chain}; correct rpc-url, or name this chain's own "
                    "database with journal = in the configuration"
                )
        except BaseException:
            journal.close()
            raise
        return journal

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
        if self._plan.shadow and self._plan.account is not None:
            # Nobody needs to have its key.
            return Onlooker(self._plan.account)
        signer: Signer
        if self._key is not None:
            signer = KeySigner(self._key)
        else:
            account = await account_of(self._plan, node)
            holder = node if self._plan.clef is None else Clef(Path(self._plan.clef))
            signer = NodeSigner(holder, account)
        return Onlooker(signer.address) if self._plan.shadow else signer


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
        return kind(
            f"{held.holder} already serves {self.contract} with {self.account}; {held.advice}"
        )
