"""The Ethereum Alarm Clock as a family: follows the calls of one contract, says which are due."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from eth_abi.abi import encode

from scheduler.agenda import Appointment
from scheduler.alarm import abi
from scheduler.alarm.calendar import Calendar
from scheduler.alarm.calls import (
    Moment,
    Status,
    Terms,
    Unit,
    is_our_turn,
    is_over,
)
from scheduler.alarm.claims import Claims
from scheduler.alarm.drafts import CLAIM, CLEANUP, EXECUTE, NAME, Drafts, is_for_its_call
from scheduler.alarm.leftovers import Leftovers
from scheduler.alarm.story import Story
from scheduler.alarm.tracked import Tracked
from scheduler.alarm.version import Entry, Escrow, Version
from scheduler.chain.model import Address, Call, Head, HeadEvent, Log
from scheduler.chain.protocol import Chain
from scheduler.errors import NotYet
from scheduler.health import Vitals
from scheduler.logs import about
from scheduler.transactions.intents import (
    Effects,
    Ended,
    Intent,
    Mined,
    Params,
    Progress,
    Recorded,
    Replanned,
    Settlement,
    Told,
    Unmined,
    Verdict,
)
from scheduler.transactions.states import OutcomeKind

# How far ahead of its target a call is tracked, and how far ahead its loop is entered: in blocks
# the seed's numbers, in seconds what they were then, at 15 s a block.
TRACKED_AHEAD = {Unit.BLOCKS: 40, Unit.SECONDS: 600}
LOOP_AHEAD = {Unit.BLOCKS: 2, Unit.SECONDS: 30}

# How far ahead of its target a call can be claimed, with a block or two to read it in: 255 blocks
# and 10 that are frozen, or an hour and 3 minutes.
CLAIMED_AHEAD = {Unit.BLOCKS: 267, Unit.SECONDS: 3900}

# So many calls are read in one batch: a thousand would leave 10 MB of answers' memory behind.
READ_AT_ONCE = 250

log = logging.getLogger("SCHEDULER")


class AlarmClock:
    """The calls of one contract of the alarm clock, executed by one account."""

    name = NAME

    def __init__(
        self,
        chain: Chain,
        version: Version,
        fingerprint: str,
        executor: Address,
        slot_time: int = 1,
        claims: Claims | None = None,
        leftovers: Leftovers | None = None,
    ) -> None:
        """`fingerprint` names the chain in intents; `executor` is the account that executes.

        `slot_time` is the least time between two blocks' timestamps, in seconds; without `claims`
        nothing is claimed, without `leftovers` nothing is cleaned up.
        """
        self._chain = chain
        self._version = version
        self._drafts = Drafts(version, fingerprint, executor, slot_time)
        self._claims = claims
        self._leftovers = leftovers or Leftovers(chain, executor)
        claiming = claims is not None and claims.is_on
        self._reach = CLAIMED_AHEAD if claiming else TRACKED_AHEAD
        self.contract = version.contract
        self._executor = executor
        self._slot_time = slot_time
        self._calendars = {unit: Calendar() for unit in Unit}
        self._tracked: dict[Address, Tracked] = {}
        # What was tracked before a reorg or another walk, to go on with where terms agree.
        self._before: dict[Address, Tracked] = {}
        # What the last observation dropped: what became of it is judged only after that.
        self._dropped: dict[Address, Tracked] = {}
        self._walked_at = 0
        self._current = False

    async def observe(self, event: HeadEvent) -> None:
        """One read of the new blocks' logs, and of the calls that came near; see Family.

        Raises NotYet where the contracts do not answer as those of their version do.
        """
        try:
            await self._observe(event)
        except abi.NotThisContract as error:
            raise NotYet(
                f"what answers at {self.contract} at block {event.head.number} is no Alarm Clock "
                f"contract of {self._version.name} ({error}); check --address and the node's "
                "network"
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
        if self._claims is not None:
            await self._claims.look(self._settled(event.head), event.head)
        await self._leftovers.look(event.head)
        self._current = True

    def due(self, head: Head) -> list[Intent]:
        """An intent for each call that we should execute or claim in the block after `head`.

        A window of seconds counts as open where the earliest time that this block can have is in
        it: no block is too early then, however soon it comes.
        """
        following = self._after(head)
        executions = [
            self._execution(tracked, head)
            for tracked in _dearest_first(self._tracked.values())
            if self._is_our_turn(tracked, following)
        ]
        return executions + self._claims_due(head) + self._cleanups_due(head)

    def upcoming(self, head: Head) -> list[Intent]:
        """The executions whose turn begins after the next block, if that comes as early as it can.

        Whether a call is claimed is decided anew with each block.
        """
        following, aim = self._after(head), self._after(head, 2)
        return [
            self._execution(tracked, head, blocks_ahead=2)
            for tracked in _dearest_first(self._tracked.values())
            if self._is_our_turn(tracked, aim) and not self._is_our_turn(tracked, following)
        ]

    def _execution(self, tracked: Tracked, head: Head, blocks_ahead: int = 1) -> Intent:
        """To execute it in the block so many after `head`: made once, however often asked for."""
        terms, status, aim = tracked.terms, tracked.status, self._after(head, blocks_ahead)
        given = status, aim.block, aim.of(terms.unit), head.gas_limit
        if tracked.execution is None or tracked.execution[0] != given:
            intent = self._drafts.execution(terms, status, head, blocks_ahead)
            tracked.execution = given, intent
        return tracked.execution[1]

    def _is_our_turn(self, tracked: Tracked, moment: Moment) -> bool:
        terms, status = tracked.terms, tracked.status
        return not tracked.done and is_our_turn(terms, status, self._executor, moment)

    def _settled(self, head: Head) -> list[Tracked]:
        """The calls that no reorg will take away: what is sent to such a call alone is safe."""
        if self._claims is None:
            return []
        latest = head.number - self._claims.policy.depth
        return [
            tracked
            for tracked in self._tracked.values()
            if self._calendars[tracked.terms.unit].known_since(tracked.terms.call) <= latest
        ]

    def _claims_due(self, head: Head) -> list[Intent]:
        if self._claims is None:
            return []
        return [
            self._drafts.claim(
                claim.tracked.terms,
                claim.tracked.status,
                head,
                self._claims.policy,
                claim.most_for_gas,
            )
            for claim in self._claims.due
        ]

    def _cleanups_due(self, head: Head) -> list[Intent]:
        escrow = self._version
        if not isinstance(escrow, Escrow):
            return []
        return [
            self._drafts.cleanup(escrow, tracked.terms, tracked.status, head)
            for tracked in self._leftovers.due
        ]

    async def recognises(self, intents: Sequence[Intent], head: Head) -> list[str | None]:
        """The contract itself must know a call as its own: whoever can forge an event, or a
        call's answers, cannot forge that."""
        view = abi.selector(f"{self._version.knows}(address)")
        asked = [Call(self.contract, view + encode(["address"], [i.to])) for i in intents]
        answers = await self._chain.call(asked, at=head.hash)
        says = f"{self.contract} knows the call ({self._version.knows})"
        return [
            says if abi.says_yes(answer) and is_for_its_call(intent) else None
            for intent, answer in zip(intents, answers, strict=True)
        ]

    def judge(self, kind: str, params: Params, effects: Effects) -> Verdict:
        """From the logs, and what is known about the call where they do not tell all."""
        call, deposit = str(params["call"]), int(params.get("deposit", 0))
        if kind == CLAIM:
            verdict = self._version.judge_claim(call, effects, deposit)
            staked = deposit if verdict.kind is OutcomeKind.SUCCEEDED else 0
            verdict = replace(verdict, staked=staked - min(staked, verdict.earned))
        elif kind == CLEANUP and isinstance(self._version, Escrow):
            reward = int(params["reward"])
            verdict = self._version.judge_cleanup(call, effects, reward, deposit)
        else:
            tracked = self._known(call)
            known = None if tracked is None else (tracked.terms, tracked.status)
            verdict = self._version.judge(call, effects, known)
        return replace(verdict, returned=min(deposit, verdict.earned))

    def still_useful(self, kind: str, params: Params, head: Head) -> bool:
        """While the window is open for the block after `head`; of a claim, while it can be had, of
        a clean-up, until somebody does it.

        To a call that a reorg took away, the deposit would be sent for nothing.
        """
        if kind == CLAIM:
            tracked = self._known(str(params["call"]))
            if tracked is None or not tracked.is_claimable:
                return False
        if kind == CLEANUP:
            left = self._leftovers.get(str(params["call"]))
            # Of one that is not followed any more nobody knows that it was cleaned up.
            if left is not None and not left.can_be_cleaned_up:
                return False
        return self._is_within(params, head)

    def forgettable(self, kind: str, params: Params, head: Head) -> bool:
        """When the window had ended by `head`: nothing executes or claims the call any more."""
        return not self._is_within(params, head)

    def _is_within(self, params: Params, head: Head) -> bool:
        return self._after(head).of(Unit(params["unit"])) <= int(params["last"])

    def retries(self, kind: str, outcome: OutcomeKind) -> bool:
        """Never: what aborts an execution, or fails its target, has used up the call or its gas."""
        return False

    def told(self, intent: Told, progress: Progress) -> None:
        """Says it in the seed's words; a call whose execution was mined is not tried again."""
        call, target = str(intent.params["call"]), int(intent.params["target"])
        tracked = self._known(call)
        if tracked is not None and self._drafts.key(intent.kind, tracked.terms) != intent.key:
            # A reorg has put another call there since: what became of the old one is not its fate.
            tracked = None
        story = tracked.story if tracked else Story(call, target)
        if tracked and isinstance(progress, Mined | Unmined | Ended | Recorded | Replanned):
            over = not isinstance(progress, Unmined | Replanned)
            if intent.kind == CLAIM:
                tracked.claim_done = over
            elif intent.kind == CLEANUP:
                tracked.cleanup_done = over
            else:
                tracked.done = over
        story.progress(progress, intent.kind)

    async def fates(self, intents: Sequence[Told], head: Head) -> Mapping[str, Settlement]:
        """As the calls' states tell, which are read once where they are not known; see Depositor.

        A call is known from shortly before its claim window until some time after its own.
        """
        escrow = self._version
        if not isinstance(escrow, Escrow):
            return {}
        now = Moment.at(head)
        await self._recall(
            [
                str(each.params["call"])
                for each in intents
                if now.of(Unit(each.params["unit"])) > int(each.params["ends"])
            ],
            head,
        )
        found = {}
        for each in intents:
            tracked = self._known(str(each.params["call"]))
            if tracked is not None and self._drafts.key(each.kind, tracked.terms) == each.key:
                settlement = escrow.fate(tracked.status, self._executor)
                if settlement is not None:
                    found[each.key] = settlement
        return found

    async def _recall(self, calls: Sequence[Address], head: Head) -> None:
        """Follows calls again whose window is over, of which nothing is known any more."""
        unknown = [call for call in calls if self._known(call) is None]
        try:
            found = await self._version.read(unknown, head) if unknown else []
        except abi.NotThisContract:
            # A reorg took one away, and soon what was claimed there, too.
            return
        for terms, status in found:
            tracked = Tracked(terms, status, Story(terms.call, terms.target), announced=True)
            self._leftovers.keep(tracked, head.number, head)

    def counts(self) -> dict[str, int]:
        """How many calls are known, and how many of them are tracked."""
        known = sum(len(calendar) for calendar in self._calendars.values())
        return {"known": known, "tracked": len(self._tracked)}

    def agenda(self, count: int) -> list[Appointment]:
        """The next so many calls of each kind of time that are not known to be over."""
        found = []
        for unit, calendar in self._calendars.items():
            for target, call in calendar.first(count):
                tracked = self._tracked.get(call)
                if tracked is None:
                    found.append(Appointment(EXECUTE, call, unit.value, target))
                elif tracked.is_open:
                    key = self._drafts.key(EXECUTE, tracked.terms)
                    found.append(Appointment(EXECUTE, call, unit.value, target, key))
        return found

    def vitals(self) -> Vitals:
        """Nothing is wrong with the clock itself: what becomes of a call is told as its outcome."""
        return Vitals()

    def _known(self, call: Address) -> Tracked | None:
        # In `_before` where the last observation broke off: receipts are looked at all the same.
        return (
            self._tracked.get(call)
            or self._before.get(call)
            or self._dropped.get(call)
            or self._leftovers.get(call)
        )

    def _after(self, head: Head, blocks: int = 1) -> Moment:
        return Moment.after(head, self._slot_time, blocks)

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
            tracked.story.changed(status, self._executor, block)

    async def _track(self, head: Head) -> None:
        """Reads the calls whose target came within reach, and says so of those to be executed."""
        reach = dict.fromkeys([*self._within(head, self._reach), *self._before])
        near = [call for call in reach if self._lists(call) and call not in self._tracked]
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
        for call in self._within(head, TRACKED_AHEAD):
            self._announce(self._tracked[call])

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
        story = Story(terms.call, terms.target, self._drafts.key(EXECUTE, terms))
        tracked = Tracked(terms, status, story)
        self._tracked[terms.call] = tracked
        if terms.target <= Moment.at(head).of(terms.unit) + TRACKED_AHEAD[terms.unit]:
            self._announce(tracked)
        if not status.executed:
            # It was cancelled or claimed while it was too far ahead to be looked at.
            tracked.story.changed(status, self._executor, None)

    def _announce(self, tracked: Tracked) -> None:
        """Says, once, that a call's target came near."""
        if tracked.is_open and not tracked.announced:
            with about(self._drafts.key(EXECUTE, tracked.terms)):
                log.info("Tracking call: %s", tracked.terms.call)
            tracked.story.sleeping(tracked.terms.target - LOOP_AHEAD[tracked.terms.unit])
        tracked.announced = True

    async def _enter_loops(self, head: Head) -> None:
        """Shortly before its target a call is read once more: reads may have been missed."""
        entering = [
            call for call in self._within(head, LOOP_AHEAD) if not self._tracked[call].in_loop
        ]
        await self._refresh(entering, head)
        for call in entering:
            tracked = self._tracked[call]
            tracked.in_loop = True
            if tracked.is_open:
                tracked.story.entering()

    def _drop_past(self, head: Head) -> None:
        """Forgets the calls that no block after `head` can execute."""
        self._dropped = {}
        for call in self._within(head, TRACKED_AHEAD):
            tracked = self._tracked[call]
            if not is_over(tracked.terms, self._after(head)):
                continue
            if tracked.is_open:
                tracked.story.expired()
            since = self._calendars[tracked.terms.unit].known_since(call)
            self._calendars[tracked.terms.unit].remove(call)
            self._dropped[call] = self._tracked.pop(call)
            if tracked.can_be_cleaned_up and isinstance(self._version, Escrow):
                self._leftovers.keep(tracked, since, head)


def _dearest_first(tracked: Iterable[Tracked]) -> list[Tracked]:
    """By what they pay: where a block, or the node's pool, has no room for all, the rest waits."""
    return sorted(tracked, key=lambda each: each.terms.payment, reverse=True)
