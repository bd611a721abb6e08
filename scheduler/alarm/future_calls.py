"""What v0.6 and v0.7 share: a Scheduler that keeps FutureBlockCall contracts in order."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import encode

from scheduler.alarm import index
from scheduler.alarm.abi import (
    CLAIM,
    EXECUTE,
    address,
    decoded,
    getter,
    integer,
    selector,
    topic,
    value,
)
from scheduler.alarm.calls import TRANSACTION_GAS_CAP, ClaimTerms, Moment, Status, Terms, Unit
from scheduler.alarm.version import Action, Entry
from scheduler.chain.model import ZERO_ADDRESS, Address, Call, Hash, Head, Log
from scheduler.chain.protocol import Chain
from scheduler.transactions.expectations import Expectations, Refund, View
from scheduler.transactions.intents import Effects, Verdict
from scheduler.transactions.journal.searches import Searches
from scheduler.transactions.states import OutcomeKind

CALL_SCHEDULED = topic("CallScheduled(address)")
CALL_EXECUTED = topic("CallExecuted(address,uint256,uint256,uint256,bool)")
CLAIMED = topic("Claimed(address,uint256)")
CANCELLED = topic("Cancelled(address)")

# How long the claimer alone may execute, in blocks from the target on (CALL_WINDOW_SIZE).
RESERVED_BLOCKS = 16

# CallLib's windows before the target, in blocks: the claimer's share of the payment grows, is all
# of it, and nobody can claim any more (CLAIM_GROWTH_WINDOW, MAXIMUM_CLAIM_WINDOW,
# BEFORE_CALL_FREEZE_WINDOW).
GROWTH_BLOCKS, MAXIMUM_BLOCKS, FREEZE_BLOCKS = 240, 15, 10

# What a claim takes at most, measured: 112,454 gas of v0.6, 96,605 of v0.7.
CLAIM_GAS = 180_000

# What a transaction with a claim's data takes at most where no code runs: EIP-7623's 40 for each of
# the 4 bytes, on top of 21,000.
NO_CODE_GAS = 21_160

# The largest grace period: it is a uint8.
LONGEST_GRACE = 255

_STATUS = (("claimer()", "address"), ("isCancelled()", "bool"), ("wasCalled()", "bool"))


class FutureCalls(ABC):
    """The calls of one Scheduler; what its version settles is left to the subclasses."""

    knows = "isKnownCall"
    topics: Sequence[Hash] = (CALL_SCHEDULED, CALL_EXECUTED, CLAIMED, CANCELLED)

    def __init__(self, chain: Chain, contract: Address) -> None:
        self._chain = chain
        self.contract = contract

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def aborted_topic(self) -> Hash:
        """First topic of the log of an execution that was refused."""

    @property
    @abstractmethod
    def getters(self) -> Sequence[tuple[str, str]]:
        """Signatures and types of what `terms` is made of."""

    @abstractmethod
    def terms(self, call: Address, values: Sequence[Any]) -> Terms:
        """From what the `getters` answered."""

    @abstractmethod
    def execution_gas(self, terms: Terms) -> int:
        """What an execution takes at most, its target's share included."""

    def resume(self, searches: Searches, fingerprint: str) -> None:  # noqa: B027
        """The contract's index needs no search."""

    async def walk(self, head: Head) -> list[Entry]:
        """Asks the contract's own index, in the order of targets: hundreds of calls in a round
        trip, or one where the node does not run code that is nowhere."""
        found: list[Entry] = []
        question = index.first_call(self.contract, max(0, head.number - LONGEST_GRACE))
        ends = False
        while not ends:
            [answer] = await self._chain.run([index.walk_from(question)], at=head.hash)
            stretch = index.walked(answer)
            calls, ends = stretch.calls, stretch.ends
            if not calls and not ends:
                calls = await self._step(question, head)
                ends = not calls
            for call, target in calls:
                found.append(Entry(call, Unit.BLOCKS, target, since=head.number))
            if calls:
                question = index.call_after(self.contract, calls[-1][0])
        return found

    async def _step(self, question: Call, head: Head) -> Sequence[tuple[Address, int]]:
        """The one call that answers the question, with its target; none where there is none."""
        [answer] = await self._chain.call([question], at=head.hash)
        call = address(answer)
        if call == ZERO_ADDRESS:
            return []
        [target] = await self._chain.call([getter(call, "targetBlock()")], at=head.hash)
        return [(call, integer(target))]

    async def follow(self, logs: Sequence[Log], head: Head) -> list[Entry]:
        new = [log for log in logs if self._announces(log)]
        calls = [scheduled_call(log) for log in new]
        targets = await self._chain.call(
            [getter(call, "targetBlock()") for call in calls], at=head.hash
        )
        return [
            Entry(call, Unit.BLOCKS, integer(target), since=log.block_number or head.number)
            for log, call, target in zip(new, calls, targets, strict=True)
        ]

    async def read(self, calls: Sequence[Address], head: Head) -> list[tuple[Terms, Status]]:
        wanted = (*self.getters, *_STATUS)
        answers = await self._answers(calls, wanted, head)
        split = len(self.getters)
        return [
            (self.terms(call, values[:split]), Status(*values[split:]))
            for call, values in zip(calls, answers, strict=True)
        ]

    async def reread(self, known: Mapping[Address, Status], head: Head) -> list[Status]:
        answers = await self._answers(list(known), _STATUS, head)
        return [Status(*values) for values in answers]

    async def _answers(
        self, calls: Sequence[Address], wanted: Sequence[tuple[str, str]], head: Head
    ) -> list[list[Any]]:
        reads = [getter(call, signature) for call in calls for signature, _ in wanted]
        answers = iter(await self._chain.call(reads, at=head.hash))
        return [[value(type_, next(answers)) for _, type_ in wanted] for _ in calls]

    def noted(self, status: Status, log: Log) -> Status | None:
        if log.topics[0] == CLAIMED:
            return status.claimed_by(claimed(log))
        if log.topics[0] == CANCELLED:
            return status.cancelled_now()
        if log.topics[0] == CALL_EXECUTED:
            return status.executed_by(executed(log)[0])
        return status

    def execution(
        self, terms: Terms, status: Status, executor: Address, now: Moment, gas_limit: int
    ) -> Action:
        """CallLib.checkExecutionAuthorization fails outside the window, and is false while another
        account has the call to itself. What the call pays is what it has, after its target's share;
        one that is aborted for want of gas pays nothing.
        """
        gas = min(self.execution_gas(terms), gas_limit, TRANSACTION_GAS_CAP)
        authorized = "checkExecutionAuthorization(address,uint256)"

        def view(signature: str, expected: bool, otherwise: str, arguments: bytes = b"") -> View:
            data = selector(signature) + arguments
            return View(terms.call, data, encode(["bool"], [expected]), otherwise)

        expects = Expectations(
            before=(
                view("wasCalled()", False, "it is executed already"),
                view("isCancelled()", False, "it is cancelled"),
                view(
                    authorized,
                    True,
                    "it is out of its window, or claimed by another",
                    encode(["address", "uint256"], [executor, now.block]),
                ),
            ),
            after=(view("wasCalled()", True, "it would not be executed"),),
            refund=Refund(terms.call, reserved=terms.value) if gas > terms.gas else None,
        )
        return Action(EXECUTE, gas, expects)

    def judge(self, call: Address, effects: Effects, known: tuple[Terms, Status] | None) -> Verdict:
        """CallExecuted or an abort is logged, or nothing: v0.7 is silent where the call was not in
        its window or executed already. Where no logs can be had beforehand, the call's own views
        decide.
        """
        if not effects.ok:
            return Verdict(OutcomeKind.REVERTED, effects.error or "the transaction reverted")
        if effects.foreseen:
            if effects.unmet is not None:
                return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
            return Verdict(OutcomeKind.SUCCEEDED, "it can be executed", effects.refund)
        for log in effects.logs:
            if log.address != call:
                continue
            if log.topics[0] == CALL_EXECUTED:
                if effects.unmet is not None:
                    return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
                _, payment, success = executed(log)
                if success:
                    return Verdict(OutcomeKind.SUCCEEDED, "executed", payment)
                return Verdict(
                    OutcomeKind.TARGET_FAILED, "executed, but its target contract failed", payment
                )
            if log.topics[0] == self.aborted_topic:
                return Verdict(OutcomeKind.NO_EFFECT, f"aborted: {abort_reason(log)}")
        return Verdict(
            OutcomeKind.NO_EFFECT, "nothing happened: out of its window, or somebody else was first"
        )

    def claim(self, terms: Terms, status: Status, claimer: Address) -> Action:
        """A deposit that is too small, or comes in a wrong state, claims nothing."""

        def claimer_is(account: Address, otherwise: str) -> View:
            return View(
                terms.call, selector("claimer()"), encode(["address"], [account]), otherwise
            )

        cancelled = View(
            terms.call, selector("isCancelled()"), encode(["bool"], [False]), "it is cancelled"
        )
        expects = Expectations(
            before=(claimer_is(ZERO_ADDRESS, "it is claimed already"), cancelled),
            after=(claimer_is(claimer, "it would not be claimed"),),
        )
        return Action(CLAIM, CLAIM_GAS, expects)

    def judge_claim(self, call: Address, effects: Effects, deposit: int) -> Verdict:
        """Claimed is logged, or nothing at all. In the first case the deposit is back already: the
        contract answers false to each claim, and sends it back for that (v0.6 and v0.7)."""
        if not effects.ok:
            return Verdict(OutcomeKind.REVERTED, effects.error or "the transaction reverted")
        if effects.unmet is not None:
            return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
        if effects.foreseen:
            return Verdict(OutcomeKind.SUCCEEDED, "it can be claimed", deposit)
        if any(log.address == call and log.topics[0] == CLAIMED for log in effects.logs):
            return Verdict(OutcomeKind.SUCCEEDED, "claimed", deposit)
        if effects.gas_used <= NO_CODE_GAS:
            return Verdict(
                OutcomeKind.DEPOSIT_LOST, f"no contract is there, and {deposit} wei went with it"
            )
        return self.failed_claim(deposit)

    @abstractmethod
    def failed_claim(self, deposit: int) -> Verdict:
        """What it means that the call did not log a claim."""

    def _announces(self, log: Log) -> bool:
        return log.address == self.contract and log.topics[0] == CALL_SCHEDULED


def claim_terms(target: int, payment: int, last: int, at_risk: bool) -> ClaimTerms:
    """How a call with this target and this payment is claimed, up to block `last`.

    The deposit is at least twice the payment (CallLib.claim).
    """
    return ClaimTerms(
        first=target - FREEZE_BLOCKS - MAXIMUM_BLOCKS - GROWTH_BLOCKS,
        last=last,
        growth=GROWTH_BLOCKS,
        steps=GROWTH_BLOCKS,
        deposit=2 * payment,
        comes_back=True,
        at_risk=at_risk,
    )


def scheduled_call(log: Log) -> Address:
    """The new call's address, from CallScheduled(address)."""
    return str(decoded(["address"], log.data)[0])


def claimed(log: Log) -> Address:
    """The claimer, from Claimed(address, uint256)."""
    return str(decoded(["address", "uint256"], log.data)[0])


def executed(log: Log) -> tuple[Address, int, bool]:
    """Executor, payment in wei (gas refund and donation's rest included), success of the target.

    From CallExecuted(address indexed executor, gasCost, payment, donation, success); `payment` is
    all that the executor was sent (CallLib.execute adds the gas cost to it before it pays).
    """
    _, payment, _, success = decoded(["uint256", "uint256", "uint256", "bool"], log.data)
    return "0x" + log.topics[1][-40:], payment, bool(success)


def abort_reason(log: Log) -> str:
    """The reason, from the log of an abort (address, bytes32), such as NOT_AUTHORIZED."""
    _, reason = decoded(["address", "bytes32"], log.data)
    return str(reason.rstrip(b"\0"), "ascii", errors="replace")
