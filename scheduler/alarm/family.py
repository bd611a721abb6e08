"""The Ethereum Alarm Clock as a family: follows the calls of one contract, says which are due."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from eth_abi.abi import encode

from scheduler.agenda import Appointment
from scheduler.alarm import abi
from scheduler.alarm.calls import Moment, Terms, Unit, is_our_turn
from scheduler.alarm.claims import Claims
from scheduler.alarm.drafts import CLAIM, CLEANUP, EXECUTE, NAME, Drafts, is_for_its_call
from scheduler.alarm.following import Following
from scheduler.alarm.leftovers import Leftovers
from scheduler.alarm.story import Story
from scheduler.alarm.tracked import Tracked
from scheduler.alarm.version import Escrow, Version
from scheduler.chain.model import Address, Call, Head, HeadEvent
from scheduler.chain.protocol import Chain
from scheduler.errors import NotYet
from scheduler.health import Vitals
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
        self._calls = Following(
            chain, version, executor, slot_time, self._leftovers, self._execution_key, claiming
        )
        self.contract = version.contract
        self._executor = executor
        self._slot_time = slot_time

    async def observe(self, event: HeadEvent) -> None:
        """One read of the new blocks' logs, and of what is due and was not read before; see Family.

        Raises NotYet where the contracts do not answer as those of their version do.
        """
        with self._as_of(event.head):
            await self._calls.observe(event)
        if self._claims is not None:
            await self._claims.look(self._settled(event.head), event.head)
        await self._leftovers.look(event.head)

    async def look_ahead(self, head: Head) -> None:
        """One read of the calls that came near. Raises as `observe`."""
        with self._as_of(head):
            await self._calls.look_ahead(head)

    @contextmanager
    def _as_of(self, head: Head) -> Iterator[None]:
        try:
            yield
        except abi.NotThisContract as error:
            raise NotYet(
                f"what answers at {self.contract} at block {head.number} is no Alarm Clock "
                f"contract of {self._version.name} ({error}); check --address and the node's "
                "network"
            ) from error

    def due(self, head: Head) -> list[Intent]:
        """An intent for each call that we should execute or claim in the block after `head`.

        A window of seconds counts as open where the earliest time that this block can have is in
        it: no block is too early then, however soon it comes.
        """
        following = self._after(head)
        executions = [
            self._execution(tracked, head)
            for tracked in _dearest_first(self._calls.near(head, 1))
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
            for tracked in _dearest_first(self._calls.near(head, 2))
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
        return self._calls.known_since(head.number - self._claims.policy.depth)

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
            tracked = self._calls.get(call)
            known = None if tracked is None else (tracked.terms, tracked.status)
            verdict = self._version.judge(call, effects, known)
        return replace(verdict, returned=min(deposit, verdict.earned))

    def still_useful(self, kind: str, params: Params, head: Head) -> bool:
        """While the window is open for the block after `head`; of a claim, while it can be had, of
        a clean-up, until somebody does it.

        To a call that a reorg took away, the deposit would be sent for nothing.
        """
        if kind == CLAIM:
            tracked = self._calls.get(str(params["call"]))
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
        tracked = self._calls.get(call)
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
        await self._calls.recall(
            [
                str(each.params["call"])
                for each in intents
                if now.of(Unit(each.params["unit"])) > int(each.params["ends"])
            ],
            head,
        )
        found = {}
        for each in intents:
            tracked = self._calls.get(str(each.params["call"]))
            if tracked is not None and self._drafts.key(each.kind, tracked.terms) == each.key:
                settlement = escrow.fate(tracked.status, self._executor)
                if settlement is not None:
                    found[each.key] = settlement
        return found

    def counts(self) -> dict[str, int]:
        """How many calls are known, and how many of them are tracked."""
        return self._calls.counts()

    def agenda(self, count: int) -> list[Appointment]:
        """The next so many calls of each kind of time that are not known to be over."""
        found = []
        for unit, target, call in self._calls.first(count):
            tracked = self._calls.get(call)
            if tracked is None:
                found.append(Appointment(EXECUTE, call, unit.value, target))
            elif tracked.is_open:
                key = self._execution_key(tracked.terms)
                found.append(Appointment(EXECUTE, call, unit.value, target, key))
        return found

    def vitals(self) -> Vitals:
        """Nothing is wrong with the clock itself: what becomes of a call is told as its outcome."""
        return Vitals()

    def _execution_key(self, terms: Terms) -> str:
        return self._drafts.key(EXECUTE, terms)

    def _after(self, head: Head, blocks: int = 1) -> Moment:
        return Moment.after(head, self._slot_time, blocks)


def _dearest_first(tracked: Iterable[Tracked]) -> list[Tracked]:
    """By what they pay: where a block, or the node's pool, has no room for all, the rest waits."""
    return sorted(tracked, key=lambda each: each.terms.payment, reverse=True)
