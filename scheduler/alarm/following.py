"""Follows the calls of one contract: knows them all, and reads those that are near."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from scheduler.alarm import abi
from scheduler.alarm.calendar import Calendar
from scheduler.alarm.calls import Moment, Status, Terms, Unit, is_over
from scheduler.alarm.leftovers import Leftovers
from scheduler.alarm.story import Story
from scheduler.alarm.tracked import Tracked
from scheduler.alarm.version import Entry, Escrow, Version
from scheduler.chain.model import Address, Head, HeadEvent, Log
from scheduler.chain.protocol import Chain
from scheduler.logs import about

# How far ahead of its target a call is tracked, and how far ahead its loop is entered: in blocks
# the seed's numbers, in seconds what they were then, at 15 s a block.
TRACKED_AHEAD = {Unit.BLOCKS: 40, Unit.SECONDS: 600}
LOOP_AHEAD = {Unit.BLOCKS: 2, Unit.SECONDS: 30}

# How far ahead of its target a call can be claimed, with a block or two to read it in: 255 blocks
# and 10 that are frozen, or an hour and 3 minutes.
CLAIMED_AHEAD = {Unit.BLOCKS: 267, Unit.SECONDS: 3900}

# So many calls are read in one batch: a thousand would leave 10 MB of answers' memory behind.
READ_AT_ONCE = 250

# For so many blocks a call whose window is over is kept in mind: a reorg may open it again.
DROPPED_BLOCKS = 64

log = logging.getLogger("SCHEDULER")


@dataclass(frozen=True, slots=True)
class _Dropped:
    """A call, known since the block `since`, that no block after `at` can execute."""

    tracked: Tracked
    since: int
    at: int


class Following:
    """The calls of the contract of `version`, as they matter to the account `us`.

    `slot_time` is the least time between two blocks' timestamps, in seconds. With `claiming` calls
    are followed from before they can be claimed. Calls whose window is over are given to
    `leftovers`. `key` names in the log what a call's execution is.
    """

    def __init__(
        self,
        chain: Chain,
        version: Version,
        us: Address,
        slot_time: int,
        leftovers: Leftovers,
        key: Callable[[Terms], str],
        claiming: bool,
    ) -> None:
        self._chain = chain
        self._version = version
        self._us = us
        self._slot_time = slot_time
        self._leftovers = leftovers
        self._key = key
        self._reach = CLAIMED_AHEAD if claiming else TRACKED_AHEAD
        self._calendars = {unit: Calendar() for unit in Unit}
        self._tracked: dict[Address, Tracked] = {}
        # What was tracked before a reorg or another walk, to go on with where terms agree.
        self._before: dict[Address, Tracked] = {}
        # What became of one that was dropped last is judged only after that.
        self._dropped: dict[Address, _Dropped] = {}
        self._walked_at = 0
        self._current = False

    async def observe(self, event: HeadEvent) -> None:
        """One read of the new blocks' logs. Calls that are due are read if they were not before;
        those that come near are, too, where blocks were skipped or all is read anew.

        Raises NotThisContract, NodeUnavailable, RpcError; all is read anew then with the next
        event.
        """
        current, self._current = self._current, False
        # A reorg below the block at which the index was walked may have changed all of it.
        deep = any(block.number <= self._walked_at for block in event.removed)
        if event.rebased or deep or not current:
            await self._walk(event.head)
            skipped = True
        else:
            await self._follow(event)
            skipped = len(event.added) > 1
        await self._track(event.head, self._reach if skipped else self._ahead(1))
        await self._enter_loops(event.head, LOOP_AHEAD if skipped else self._ahead(1))
        self._drop_past(event.head)
        self._current = True

    async def look_ahead(self, head: Head) -> None:
        """Reads the calls that come near, which `head` was observed for. Raises as `observe`."""
        if not self._current:
            return
        self._current = False
        await self._track(head, self._reach)
        await self._enter_loops(head, LOOP_AHEAD)
        self._current = True

    def near(self, head: Head, blocks: int) -> list[Tracked]:
        """The calls whose target is reached so many blocks after `head`, if these come as early as
        they can."""
        return self._of(self._within(head, self._ahead(blocks)))

    def known_since(self, latest: int) -> list[Tracked]:
        """The calls that are near and known since the block `latest`, or one before that."""
        return [
            tracked
            for tracked in self._tracked.values()
            if self._calendars[tracked.terms.unit].known_since(tracked.terms.call) <= latest
        ]

    def get(self, call: Address) -> Tracked | None:
        """The call, if it is near, or was not long ago."""
        dropped = self._dropped.get(call)
        # In `_before` where the last observation broke off: receipts are looked at all the same.
        return (
            self._tracked.get(call)
            or self._before.get(call)
            or (dropped.tracked if dropped else None)
            or self._leftovers.get(call)
        )

    def first(self, count: int) -> list[tuple[Unit, int, Address]]:
        """The next so many calls of each kind of time: their targets come first."""
        return [
            (unit, target, call)
            for unit, calendar in self._calendars.items()
            for target, call in calendar.first(count)
        ]

    def counts(self) -> dict[str, int]:
        """How many calls are known, and how many of them are tracked."""
        known = sum(len(calendar) for calendar in self._calendars.values())
        return {"known": known, "tracked": len(self._tracked)}

    def _ahead(self, blocks: int) -> dict[Unit, int]:
        return {Unit.BLOCKS: blocks, Unit.SECONDS: blocks * self._slot_time}

    def _of(self, calls: Sequence[Address]) -> list[Tracked]:
        return [tracked for call in calls if (tracked := self._tracked.get(call)) is not None]

    async def recall(self, calls: Sequence[Address], head: Head) -> None:
        """Follows calls again whose window is over, of which nothing is known any more."""
        unknown = [call for call in calls if self.get(call) is None]
        try:
            found = await self._version.read(unknown, head) if unknown else []
        except abi.NotThisContract:
            # A reorg took one away, and soon what was claimed there, too.
            return
        for terms, status in found:
            tracked = Tracked(terms, status, Story(terms.call, terms.target), announced=True)
            self._leftovers.keep(tracked, head.number, head)

    async def _walk(self, head: Head) -> None:
        """Everything anew, as the contract has it at `head`."""
        found = await self._version.walk(head)
        self._calendars = {unit: Calendar() for unit in Unit}
        self._note(found)
        self._walked_at = head.number
        self._before = {**self._before, **self._tracked}
        self._tracked = {}
        # What is left of ours is read again when it is asked for.
        self._leftovers.clear()

    async def _follow(self, event: HeadEvent) -> None:
        """What the blocks of `event` changed, from their logs."""
        if event.removed:
            self._forget_since(event.removed[-1].number)
        blocks = [block.hash for block in event.added]
        logs = await self._chain.logs(blocks, self._version.topics)
        self._note(await self._version.follow(logs, event.head))
        unclear = set()
        for entry in logs:
            tracked = self._tracked.get(entry.address) or self._leftovers.get(entry.address)
            if tracked is not None and not self._apply(tracked, entry):
                unclear.add(entry.address)
        # After a reorg all, after the logs, which know who did it.
        followed = [*self._tracked, *self._leftovers]
        reread = [call for call in followed if event.removed or call in unclear]
        await self._refresh(reread, event.head)

    def _note(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._calendars[entry.unit].add(entry.call, entry.target, entry.since)

    def _forget_since(self, block: int) -> None:
        """A reorg took out `block` and what came after: calls scheduled there may not exist."""
        for call, dropped in list(self._dropped.items()):
            if dropped.at >= block:
                # Its window is open again.
                terms = self._dropped.pop(call).tracked.terms
                self._calendars[terms.unit].add(call, terms.target, dropped.since)
                self._before[call] = dropped.tracked
        for calendar in self._calendars.values():
            for call in calendar.since(block):
                calendar.remove(call)
                if call in self._tracked:
                    self._before[call] = self._tracked.pop(call)
        self._leftovers.forget_since(block)

    def _apply(self, tracked: Tracked, entry: Log) -> bool:
        """Takes note of a log of the call's; False where that does not tell what it means."""
        status = self._version.noted(tracked.status, entry)
        if status is not None:
            self._set_status(tracked, status, entry.block_number)
        return status is not None

    async def _refresh(self, calls: Sequence[Address], head: Head) -> None:
        """The status of tracked calls as it is at `head`."""
        followed = [self._tracked.get(call) or self._leftovers.get(call) for call in calls]
        tracked = [each for each in followed if each is not None]
        known = {each.terms.call: each.status for each in tracked}
        found = await self._version.reread(known, head)
        for each, status in zip(tracked, found, strict=True):
            self._set_status(each, status, None)

    def _set_status(self, tracked: Tracked, status: Status, block: int | None) -> None:
        """Takes note of a status, and says what is new about it; `block` is where, if known."""
        news = not status.same_for_us(tracked.status)
        if not news and status.executor is None:
            status = replace(status, executor=tracked.status.executor)
        tracked.status = status
        if news and not tracked.done:
            tracked.story.changed(status, self._us, block)

    async def _track(self, head: Head, ahead: Mapping[Unit, int]) -> None:
        """Reads the calls whose target came so near, and says so of those to be executed."""
        reach = dict.fromkeys([*self._within(head, ahead), *self._before])
        near = [call for call in reach if call not in self._tracked and self._lists(call)]
        found = []
        for start in range(0, len(near), READ_AT_ONCE):
            found += await self._version.read(near[start : start + READ_AT_ONCE], head)
        for terms, status in found:
            before = self._before.get(terms.call)
            if before is not None and before.terms == terms:
                self._tracked[terms.call] = self._before.pop(terms.call)
                self._set_status(before, status, None)
        self._part_with_the_rest(head)
        for terms, status in found:
            if terms.call not in self._tracked:
                self._begin(terms, status, head)
        for tracked in self._of(self._within(head, TRACKED_AHEAD)):
            if not tracked.announced:
                self._announce(tracked)

    def _within(self, head: Head, ahead: Mapping[Unit, int]) -> list[Address]:
        """The calls whose target is at most so far ahead of `head`, or passed."""
        now = Moment.at(head)
        return [
            call
            for unit, calendar in self._calendars.items()
            for call in calendar.through(now.of(unit) + ahead[unit])
        ]

    def _lists(self, call: Address) -> bool:
        return any(call in calendar for calendar in self._calendars.values())

    def _part_with_the_rest(self, head: Head) -> None:
        """What was tracked before and is not any more: its window passed, or a reorg removed it."""
        for tracked in self._before.values():
            if tracked.is_open and not is_over(tracked.terms, self._after(head)):
                tracked.story.removed()
            elif tracked.is_open and not tracked.story.attempted:
                # What became of an attempt its receipt tells.
                tracked.story.expired()
        self._before = {}

    def _begin(self, terms: Terms, status: Status, head: Head) -> None:
        """Tracks a call, unless it is too late for it: the index is walked from far back."""
        if is_over(terms, self._after(head)):
            self._calendars[terms.unit].remove(terms.call)
            return
        tracked = Tracked(terms, status, Story(terms.call, terms.target, self._key(terms)))
        self._tracked[terms.call] = tracked
        if terms.target <= Moment.at(head).of(terms.unit) + TRACKED_AHEAD[terms.unit]:
            self._announce(tracked)
        if not status.executed:
            # It was cancelled or claimed while it was too far ahead to be looked at.
            tracked.story.changed(status, self._us, None)

    def _announce(self, tracked: Tracked) -> None:
        """Says, once, that a call's target came near."""
        if tracked.is_open:
            with about(self._key(tracked.terms)):
                log.info("Tracking call: %s", tracked.terms.call)
            tracked.story.sleeping(tracked.terms.target - LOOP_AHEAD[tracked.terms.unit])
        tracked.announced = True

    async def _enter_loops(self, head: Head, ahead: Mapping[Unit, int]) -> None:
        """Shortly before its target a call is read once more: reads may have been missed."""
        entering = [each for each in self._of(self._within(head, ahead)) if not each.in_loop]
        await self._refresh([each.terms.call for each in entering], head)
        for tracked in entering:
            tracked.in_loop = True
            if tracked.is_open:
                tracked.story.entering()

    def _drop_past(self, head: Head) -> None:
        """Forgets the calls that no block after `head` can execute."""
        oldest = head.number - DROPPED_BLOCKS
        self._dropped = {call: each for call, each in self._dropped.items() if each.at > oldest}
        following = self._after(head)
        for tracked in self.near(head, 1):
            if not is_over(tracked.terms, following):
                continue
            if tracked.is_open:
                tracked.story.expired()
            call, calendar = tracked.terms.call, self._calendars[tracked.terms.unit]
            since = calendar.known_since(call)
            calendar.remove(call)
            self._dropped[call] = _Dropped(self._tracked.pop(call), since, head.number)
            if tracked.can_be_cleaned_up and isinstance(self._version, Escrow):
                self._leftovers.keep(tracked, since, head)

    def _after(self, head: Head) -> Moment:
        return Moment.after(head, self._slot_time)
