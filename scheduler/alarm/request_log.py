"""The requests in a RequestFactory's log: searched in chunks, after a restart from a note on."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

from scheduler.alarm import buckets
from scheduler.alarm.abi import decoded, topic
from scheduler.alarm.calls import Moment, Unit
from scheduler.alarm.version import Entry
from scheduler.chain.model import Address, Head, Log
from scheduler.chain.protocol import Chain
from scheduler.progress import Progress, onlooker
from scheduler.transactions.journal.searches import Search, Searches

REQUEST_CREATED = topic("RequestCreated(address,address,int256,uint256[12])")

# RequestScheduleLib.TemporalUnit.
UNITS = {1: Unit.BLOCKS, 2: Unit.SECONDS}

# A search is noted so many blocks behind the head: after a deeper reorg it is done again.
DEPTH = 64

NOTE_SECONDS = 5.0

log = logging.getLogger("SCHEDULER")


@dataclass(frozen=True, slots=True)
class Filed:
    """A request as the log has it; `last` is the last block or second of its window."""

    entry: Entry
    last: int

    @staticmethod
    def read(log: Log) -> "Filed":
        """From RequestCreated, of a block. Raises NotThisContract."""
        request, numbers = decoded(["address", "uint256[12]"], log.data)
        unit, size, start = UNITS[numbers[5]], numbers[6], numbers[7]
        # The window holds its end (RequestScheduleLib.isAfterWindow).
        return Filed(Entry(request, unit, start, since=log.block_number or 0), start + size)

    @staticmethod
    def noted(fields: Sequence[Any]) -> "Filed":
        """From what `note` wrote."""
        call, unit, target, last, since = fields
        return Filed(Entry(call, Unit(unit), target, since), last)

    @property
    def note(self) -> list[Any]:
        """As JSON data."""
        entry = self.entry
        return [entry.call, entry.unit.value, entry.target, self.last, entry.since]

    def is_over(self, head: Head) -> bool:
        return Moment.at(head).of(self.entry.unit) > self.last


Found: TypeAlias = dict[int, dict[Address, Filed]]
"""Requests by bucket and address."""


class RequestLog:
    """The log of the RequestFactory at `contract`."""

    def __init__(self, chain: Chain, contract: Address) -> None:
        self._chain = chain
        self._contract = contract
        self._searches: Searches | None = None
        self._fingerprint = ""

    def resume(self, searches: Searches, fingerprint: str) -> None:
        """From now on searches are noted there, and go on where one of this chain ended."""
        self._searches = searches
        self._fingerprint = fingerprint

    async def search(self, wanted: Collection[int], head: Head) -> list[Entry]:
        """The requests of these buckets, whenever they were made, that are not over at `head`.

        Raises NodeUnavailable, RpcError, JournalUnavailable, NotThisContract.
        """
        noted = await self._noted(wanted, head)
        found: Found = {bucket: {} for bucket in wanted}
        for bucket, search in noted.items():
            for fields in search.found:
                _add(Filed.noted(fields), bucket, found, head)
        if noted:
            behind = min(search.number for search in noted.values())
            await self._read(list(noted), behind + 1, head, found)
        new = [bucket for bucket in wanted if bucket not in noted]
        if new:
            await self._read(new, 0, head, found)
        return [filed.entry for requests in found.values() for filed in requests.values()]

    def forget_but(self, wanted: Collection[int]) -> None:
        """What is noted of other buckets will not be asked for again."""
        if self._searches is not None:
            self._searches.keep(self._fingerprint, self._contract, [str(each) for each in wanted])

    async def _noted(self, wanted: Collection[int], head: Head) -> dict[int, Search]:
        """The searches that ended at a block that is still on the chain."""
        if self._searches is None:
            return {}
        searches = {
            int(subject): search
            for subject, search in self._searches.of(self._fingerprint, self._contract).items()
            if int(subject) in wanted and search.number <= head.number
        }
        there = {}
        for number in {search.number for search in searches.values()}:
            block = await self._chain.block(number)
            there[number] = None if block is None else block.hash
        return {
            bucket: search
            for bucket, search in searches.items()
            if there[search.number] == search.block
        }

    async def _read(self, some: Collection[int], first: int, head: Head, found: Found) -> None:
        """Adds to `found` the requests of these buckets that were made from block `first` on."""
        topics = [[REQUEST_CREATED], None, [buckets.topic(bucket) for bucket in some]]
        history = self._chain.history(self._contract, topics, first, head.number)
        progress = Progress("Reading requests", first, head.number, log, onlooker())
        clock = asyncio.get_running_loop().time
        noted_at = clock()
        try:
            async with aclosing(history) as chunks:
                async for chunk in chunks:
                    for each in chunk.logs:
                        _add(Filed.read(each), buckets.of_topic(each.topics[2]), found, head)
                    progress.reached(chunk.last)
                    if clock() - noted_at > NOTE_SECONDS:
                        await self._note(some, chunk.last, head, found)
                        noted_at = clock()
                    del chunk  # before the next one is read
        finally:
            progress.done()
        await self._note(some, head.number, head, found)

    async def _note(self, some: Collection[int], last: int, head: Head, found: Found) -> None:
        """Notes that the log was searched for these buckets up to block `last`."""
        number = min(last, head.number - DEPTH)
        if self._searches is None or number < 0:
            return
        block = await self._chain.block(number)
        if block is None:
            return
        searches = {}
        for bucket in some:
            filed = found[bucket].values()
            notes = [each.note for each in filed if each.entry.since <= number]
            searches[str(bucket)] = Search(number, block.hash, notes)
        self._searches.note(self._fingerprint, self._contract, searches)


def _add(filed: Filed, bucket: int, found: Found, head: Head) -> None:
    if bucket in found and not filed.is_over(head):
        found[bucket][filed.entry.call] = filed
