"""The Ethereum Alarm Clock as a family: follows the calls of one contract, says which are due."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.alarm import abi, discovery
from scheduler.alarm.calendar import Calendar
from scheduler.alarm.calls import Status, Terms, first_turn, is_our_turn
from scheduler.alarm.outcomes import judge_execution
from scheduler.alarm.story import Story
from scheduler.chain.model import Address, Head, HeadEvent, Log
from scheduler.chain.protocol import Chain
from scheduler.errors import NotYet
from scheduler.transactions.intents import (
    Effects,
    Ended,
    Intent,
    Mined,
    Params,
    Progress,
    Recorded,
    Replanned,
    Told,
    Unmined,
    Urgency,
    Verdict,
)
from scheduler.transactions.states import OutcomeKind

NAME = "alarm"
EXECUTE = "execute"

# How far ahead of its target a call is tracked, and how far ahead its loop is entered, in blocks
# (the seed's numbers).
TRACKED_AHEAD = 40
LOOP_AHEAD = 2

TOPICS = (
    abi.CALL_SCHEDULED,
    abi.CALL_EXECUTED,
    abi.CLAIMED,
    abi.CANCELLED,
)

log = logging.getLogger("SCHEDULER")


@dataclass(slots=True)
class Tracked:
    """A call whose target is near or past. `done` once an execution of ours was mined."""

    terms: Terms
    status: Status
    story: Story
    in_loop: bool = False
    done: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it still waits for being executed."""
        return not (self.done or self.status.executed or self.status.cancelled)


class AlarmClock:
    """The calls of one Scheduler contract of v0.7, executed by one account."""

    name = NAME

    def __init__(
        self, chain: Chain, fingerprint: str, contract: Address, executor: Address
    ) -> None:
        """`fingerprint` names the chain in intents; `executor` is the account that executes."""
        self._chain = chain
        self._fingerprint = fingerprint
        self.contract = contract
        self._executor = executor
        self._calendar = Calendar()
        self._tracked: dict[Address, Tracked] = {}
        # What was tracked before a reorg or another walk, to go on with where terms agree.
        self._before: dict[Address, Tracked] = {}
        self._walked_at = 0
        self._current = False

    async def observe(self, event: HeadEvent) -> None:
        """One read of the new blocks' logs, and of the calls that came near; see Family.

        Raises NotYet where the contracts do not answer as those of v0.7 do.
        """
        try:
            await self._observe(event)
        except abi.NotThisContract as error:
            raise NotYet(
                f"what answers at {self.contract} at block {event.head.number} is no Alarm Clock "
                f"scheduler of v0.7 ({error}); check --address and the node's network"
            ) from error

    async def _observe(self, event: HeadEvent) -> None:
        current, self._current = self._current, False
        # A reorg below the block at which the index was walked may have changed all of it.
        deep = any(block.number <= self._walked_at for block in event.removed)
        if event.rebased or deep or not current:
            await self._walk(event.head)
        else:
            await self._follow(event)
        await self._track(event.head)
        await self._enter_loops(event.head)
        self._drop_past(event.head)
        self._current = True

    def due(self, head: Head) -> list[Intent]:
        """An intent for each call that we should execute in the block after `head`."""
        block = head.number + 1
        return [
            self._intent(tracked, head)
            for tracked in self._tracked.values()
            if not tracked.done
            and is_our_turn(tracked.terms, tracked.status, self._executor, block)
        ]

    async def recognises(self, intents: Sequence[Intent], head: Head) -> list[str | None]:
        """The Scheduler itself must know a call as its own: whoever can forge an event, or a
        call's answers, cannot forge that."""
        known = await discovery.known(
            self._chain, self.contract, [intent.to for intent in intents], at=head.hash
        )
        says = f"{self.contract} knows the call (isKnownCall)"
        return [
            says
            if is_known and intent.data == abi.EXECUTE and intent.params["call"] == intent.to
            else None
            for intent, is_known in zip(intents, known, strict=True)
        ]

    def judge(self, kind: str, params: Params, effects: Effects) -> Verdict:
        """From the logs alone: the receipt's status is 1 whatever happened."""
        return judge_execution(str(params["call"]), effects)

    def still_useful(self, kind: str, params: Params, head: Head) -> bool:
        """While the call's window is open for the block after `head`."""
        return head.number + 1 <= int(params["last_block"])

    def retries(self, kind: str, outcome: OutcomeKind) -> bool:
        """Never: what aborts an execution, or fails its target, has used up the call or its gas."""
        return False

    def told(self, intent: Told, progress: Progress) -> None:
        """Says it in the seed's words; a call whose execution was mined is not tried again."""
        call, target = str(intent.params["call"]), int(intent.params["target"])
        # In `_before` where the last observation broke off: receipts are looked at all the same.
        tracked = self._tracked.get(call) or self._before.get(call)
        if tracked is not None and self._key(tracked.terms) != intent.key:
            # A reorg has put another call there since: what became of the old one is not its fate.
            tracked = None
        story = tracked.story if tracked else Story(call, target)
        if tracked and isinstance(progress, Mined | Unmined | Ended | Recorded | Replanned):
            tracked.done = not isinstance(progress, Unmined | Replanned)
        story.progress(progress)

    def counts(self) -> dict[str, int]:
        """How many calls are known, and how many of them are tracked."""
        return {"known": len(self._calendar), "tracked": len(self._tracked)}

    def _key(self, terms: Terms) -> str:
        return ":".join((NAME, EXECUTE, self._fingerprint, self.contract, terms.subject()))

    def _intent(self, tracked: Tracked, head: Head) -> Intent:
        terms = tracked.terms
        gas = terms.execution_gas(head.gas_limit)
        enough = gas > terms.required_gas
        return Intent(
            key=self._key(terms),
            family=NAME,
            kind=EXECUTE,
            chain=self._fingerprint,
            contract=self.contract,
            params={
                "call": terms.call,
                "target": terms.target,
                "last_block": terms.last_block,
            },
            to=terms.call,
            data=abi.EXECUTE,
            gas=gas,
            first_block=first_turn(terms, tracked.status, self._executor),
            last_block=terms.last_block,
            urgency=Urgency.URGENT,
            # Nothing: the call pays for its execution, or it is not executed.
            max_cost=0,
            # A target that fails is executed all the same: the executor is paid for it.
            worth_sending=frozenset({OutcomeKind.SUCCEEDED, OutcomeKind.TARGET_FAILED}),
            expects=abi.execution(terms, self._executor, head.number + 1, enough),
        )

    async def _walk(self, head: Head) -> None:
        """Everything anew, as the contract's index has it at `head`."""
        self._calendar = Calendar()
        for call, target in await discovery.walk(self._chain, self.contract, head):
            self._calendar.add(call, target, since=head.number)
        self._walked_at = head.number
        self._before = {**self._before, **self._tracked}
        self._tracked = {}

    async def _follow(self, event: HeadEvent) -> None:
        """What the blocks of `event` changed, from their logs."""
        if event.removed:
            self._forget_since(event.removed[-1].number)
        logs = await self._chain.logs([block.hash for block in event.added], TOPICS)
        new = [entry for entry in logs if self._announces(entry)]
        calls = [abi.scheduled_call(entry) for entry in new]
        targets = await discovery.targets(self._chain, calls, at=event.head.hash)
        for entry, call, target in zip(new, calls, targets, strict=True):
            self._calendar.add(call, target, since=entry.block_number or event.head.number)
        for entry in logs:
            if entry.address in self._tracked:
                self._apply(self._tracked[entry.address], entry)
        if event.removed:
            # After the logs, which know who did it.
            await self._refresh(list(self._tracked), event.head)

    def _announces(self, entry: Log) -> bool:
        return entry.address == self.contract and entry.topics[0] == abi.CALL_SCHEDULED

    def _forget_since(self, block: int) -> None:
        """A reorg took out `block` and what came after: calls scheduled there may not exist."""
        for call in self._calendar.since(block):
            self._calendar.remove(call)
            if call in self._tracked:
                self._before[call] = self._tracked.pop(call)

    def _apply(self, tracked: Tracked, entry: Log) -> None:
        status = tracked.status
        if entry.topics[0] == abi.CLAIMED:
            status = status.claimed_by(abi.claimed(entry))
        elif entry.topics[0] == abi.CANCELLED:
            status = status.cancelled_now()
        elif entry.topics[0] == abi.CALL_EXECUTED:
            status = status.executed_by(abi.executed(entry)[0])
        self._set_status(tracked, status, entry.block_number)

    async def _refresh(self, calls: Sequence[Address], head: Head) -> None:
        """The status of tracked calls as it is at `head`."""
        found = await discovery.statuses(self._chain, calls, at=head.hash)
        for call, status in zip(calls, found, strict=True):
            self._set_status(self._tracked[call], status, None)

    def _set_status(self, tracked: Tracked, status: Status, block: int | None) -> None:
        """Takes note of a status, and says what is new about it; `block` is where, if known."""
        if status.same_for_us(tracked.status):
            return
        tracked.status = status
        if not tracked.done:
            tracked.story.changed(status, self._executor, block)

    async def _track(self, head: Head) -> None:
        """Reads the calls whose target came within reach, and says so of those to be executed."""
        reach = dict.fromkeys([*self._calendar.through(head.number + TRACKED_AHEAD), *self._before])
        near = [call for call in reach if call in self._calendar and call not in self._tracked]
        found = await discovery.details(self._chain, near, at=head.hash)
        for terms, status in found:
            before = self._before.get(terms.call)
            if before is not None and before.terms == terms:
                self._tracked[terms.call] = self._before.pop(terms.call)
                self._set_status(before, status, None)
        self._part_with_the_rest(head)
        for terms, status in found:
            if terms.call not in self._tracked:
                self._begin(terms, status, head)

    def _part_with_the_rest(self, head: Head) -> None:
        """What was tracked before and is not any more: its window passed, or a reorg removed it."""
        for tracked in self._before.values():
            if tracked.is_open and head.number < tracked.terms.last_block:
                tracked.story.removed()
            elif tracked.is_open and not tracked.story.attempted:
                # What became of an attempt its receipt tells.
                tracked.story.expired()
        self._before = {}

    def _begin(self, terms: Terms, status: Status, head: Head) -> None:
        """Tracks a call, unless it is too late for it: the index is walked from far back."""
        if head.number >= terms.last_block:
            self._calendar.remove(terms.call)
            return
        tracked = Tracked(terms, status, Story(terms.call, terms.target))
        self._tracked[terms.call] = tracked
        if tracked.is_open:
            log.info("Tracking call: %s", terms.call)
            tracked.story.sleeping(terms.target - LOOP_AHEAD)
        if not status.executed:
            # It was cancelled or claimed while it was too far ahead to be looked at.
            tracked.story.changed(status, self._executor, None)

    async def _enter_loops(self, head: Head) -> None:
        """Two blocks ahead of its target a call is read once more: reads may have been missed."""
        entering = [
            call
            for call, tracked in self._tracked.items()
            if not tracked.in_loop and head.number >= tracked.terms.target - LOOP_AHEAD
        ]
        await self._refresh(entering, head)
        for call in entering:
            tracked = self._tracked[call]
            tracked.in_loop = True
            if tracked.is_open:
                tracked.story.entering()

    def _drop_past(self, head: Head) -> None:
        """Forgets the calls that no block after `head` can execute."""
        for call in list(self._calendar.through(head.number)):
            tracked = self._tracked[call]
            if head.number < tracked.terms.last_block:
                continue
            if tracked.is_open:
                tracked.story.expired()
            self._calendar.remove(call)
            del self._tracked[call]
