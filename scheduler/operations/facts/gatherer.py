"""Reads all facts of a box, each part within a limit of its own, none in the way of another."""

import asyncio
import math
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from scheduler import config
from scheduler.chain.endpoint import Endpoint
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.locks import holder_of
from scheduler.networks import Network, network_of, networks
from scheduler.operations.facts import journal as journals
from scheduler.operations.facts import machine, records, supervisord
from scheduler.operations.facts import programs as listing
from scheduler.operations.facts.model import (
    Account,
    Clock,
    Configured,
    Facts,
    Life,
    Limits,
    Node,
    Process,
    SecondNode,
)
from scheduler.operations.facts.node import NodeWatch, SecondWatch
from scheduler.operations.facts.reading import LIMIT_SECONDS, Sources
from scheduler.operations.keyfiles import address_in
from scheduler.spelling import speak_of
from scheduler.transactions.journal.location import is_there

HEAD_SECONDS, HEAD_BLOCKS = 60.0, 10
"""A head older than that many seconds, and as many block times, has stopped."""

SLOT_SECONDS, SLOT_BLOCKS = 600.0, 20
"""A transaction that is not mined after so long is stuck."""

CLOCK_SECONDS = 15.0
"""How wrong a clock may be: more than a block of proof of stake takes to come (12 s), and less than
any call's window of blocks."""


class Gatherer:
    """Looks at one box, as often as it is asked to; what it remembers makelets it tell more."""

    def __init__(self, settings: config.Settings, config_file: Path | None = None) -> None:
        """`config_file` is where the settings are from, if they are from a file."""
        self._settings = settings
        self._config_file = config_file
        self._nodes = [NodeWatch(each, settings.network) for each in settings.rpc_url]
        self._node = self._nodes[0]
        second = settings.monitor.second_rpc_url
        self._second = None if second is None else SecondWatch(second)
        self._journal = journals.JournalWatch(settings.journal_location())
        self._sources = Sources()
        self._network: Network | None = networks()[settings.network] if settings.network else None
        self._chain: str | None = None

    async def facts(self) -> Facts:
        """What is so now. Never raises for what is wrong with the box."""
        sources, settings = self._sources, self._settings
        sources.unread = {}
        path, journal = settings.journal_file(), settings.journal_location()
        around = asyncio.ensure_future(self._around())
        node, processes, signs, waits = await asyncio.gather(
            sources.ask("node", self._looked(), LIMIT_SECONDS * len(self._nodes)),
            self._processes(),
            sources.call("signs", lambda: listing.lives(path)),
            sources.call("turns", lambda: journals.turns(journal)),
        )
        if node is not None:
            self._network = self._network or network_of(node.chain_id)
            speak_of(node.chain_id)
            if not node.chain_ids or node.chain_id in node.chain_ids:
                self._chain = node.chain or self._chain
        found = None
        if is_there(journal):
            found = await sources.call("journal", lambda: self._journal.look(self._chain, waits))
        programs = listing.programs(
            settings.box.programs,
            processes,
            signs or {},
            None if found is None else found.work,
            () if found is None else found.holders,
        )
        account, second = await asyncio.gather(
            self._account(node, signs or {}, found), self._compared(node)
        )
        return replace(
            await around,
            read_at=time.time(),
            node=node,
            second=second,
            account=account,
            programs=programs,
            journal=None if found is None else found.journal,
            clock=await self._clock(node),
            unread=dict(sources.unread),
        )

    async def _around(self) -> Facts:
        """What needs nothing else."""
        sources, settings = self._sources, self._settings
        path = settings.journal_file()
        disks, memory, files, deliveries, monitor = await asyncio.gather(
            sources.call("disks", lambda: machine.disks(settings)),
            sources.call("memory", machine.memory),
            sources.call("files", lambda: machine.files(settings, self._config_file)),
            sources.call("deliveries", lambda: records.deliveries(path)),
            sources.call("monitor", lambda: records.monitor(path)),
        )
        return Facts(
            read_at=time.time(),
            configured=self._configured(),
            limits=self._limits(),
            disks=disks,
            memory=memory,
            files=files,
            deliveries=deliveries,
            monitor=monitor,
        )

    async def _looked(self) -> Node:
        """The first node that answers, in the order of preference, as programs take it.

        Raises NodeUnavailable or RpcError of the first where none does.
        """
        first: NodeUnavailable | RpcError | None = None
        for watch in self._nodes:
            try:
                found = await watch.look()
            except (NodeUnavailable, RpcError) as error:
                first = first or error
            else:
                self._node = watch
                return found
        assert first is not None
        raise first

    async def close(self) -> None:
        for watch in self._nodes:
            await watch.close()
        if self._second is not None:
            await self._second.close()

    async def _processes(self) -> dict[str, Process] | None:
        socket = self._settings.monitor.supervisor
        if not _is_there(socket) and self._settings.box.node is None:
            # A machine that was not set up as a box: nothing says that there should be one.
            return None
        return await self._sources.call("supervisor", lambda: supervisord.processes(socket))

    async def _clock(self, node: Node | None) -> Clock:
        synchronised = await self._sources.call("synchronised", machine.synchronised)
        server = self._settings.monitor.time_server
        if server is not None:
            offset = await self._sources.call("time_server", partial(machine.ahead_of, server))
            if offset is not None:
                return Clock(synchronised, offset, server)
        by_blocks = self._node.ahead_by_blocks()
        # A development chain has whatever time it was told.
        if by_blocks is None or node is None or node.development or node.sync is not None:
            return Clock(synchronised, None, None)
        return Clock(synchronised, by_blocks, "the blocks that come")

    async def _account(
        self, node: Node | None, signs: dict[str, Life], found: journals.Found | None
    ) -> Account | None:
        if node is None:
            self._sources.unread["account"] = "the node could not be asked"
            return None
        address = await self._sources.ask("account", self._address(signs))
        if address is None:
            self._sources.unread.setdefault("account", "nothing says which one sends")
            return None
        purse = await self._sources.ask(
            "account", self._node.purse(address, node.kind, node.head_hash)
        )
        if purse is None:
            return None
        known = [each for each in found.accounts if each.account == address] if found else []
        per_day = found.money.per_day if found else 0
        return Account(
            address=address,
            balance=purse.balance,
            latest=purse.latest,
            pending=purse.pending,
            next_nonce=max(
                (max(each.next_nonce or 0, each.accounted) for each in known), default=None
            ),
            transfer_cost=purse.transfer_cost,
            per_day=per_day,
            days_left=purse.balance / per_day if per_day else None,
            custodian=holder_of(f"account/{node.chain}/{address}"),
        )

    async def _address(self, signs: dict[str, Life]) -> str | None:
        """Whose transactions are sent: as programs say, as is configured, or as the node has it."""
        settings = self._settings
        if settings.account is not None:
            return settings.account
        for life in sorted(signs.values(), key=lambda each: -each.looped_at):
            if life.account is not None:
                return life.account
        if settings.signer == "keystore" and settings.keystore is not None:
            return address_in(settings.keystore.file)
        return await self._node.first_account() if settings.signer == "node" else None

    async def _compared(self, node: Node | None) -> SecondNode | None:
        if self._second is None or node is None:
            return None
        return await self._sources.ask("second", self._second.compare(node, self._node))

    def _configured(self) -> Configured:
        settings = self._settings
        second = settings.monitor.second_rpc_url
        return Configured(
            network=settings.network,
            endpoint=", ".join(str(Endpoint.parse(each)) for each in settings.rpc_url),
            second_endpoint=None if second is None else str(Endpoint.parse(second)),
            journal=str(settings.journal_location()),
            signer=settings.signer,
            programs=settings.box.programs,
        )

    def _limits(self) -> Limits:
        block_time = self._network.block_time if self._network else 0.0
        monitor = self._settings.monitor
        return Limits(
            head_age=max(HEAD_SECONDS, HEAD_BLOCKS * block_time),
            slot_age=float(
                monitor.slot_age or math.ceil(max(SLOT_SECONDS, SLOT_BLOCKS * block_time))
            ),
            clock_offset=CLOCK_SECONDS,
            gas_days=monitor.gas_days,
            balance=monitor.balance,
        )


def _is_there(path: Path) -> bool:
    return os.path.exists(path)


async def looked_once(settings: config.Settings, config_file: Path | None = None) -> Facts:
    """The facts as a command reads them, which looks once."""
    gatherer = Gatherer(settings, config_file)
    try:
        return await gatherer.facts()
    finally:
        await gatherer.close()
