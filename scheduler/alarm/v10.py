"""1.0 of the contracts ("Chronologic"): requests of a RequestFactory, by block or by timestamp."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from scheduler.alarm import buckets
from scheduler.alarm.abi import CANCEL, CLAIM, EXECUTE, decoded, getter, selector, topic, values
from scheduler.alarm.calls import (
    NEVER,
    TRANSACTION_GAS_CAP,
    ClaimTerms,
    Moment,
    Status,
    Terms,
    Unit,
)
from scheduler.alarm.request_log import REQUEST_CREATED, UNITS, Filed, RequestLog
from scheduler.alarm.version import Action, Entry
from scheduler.chain.model import Address, CallResult, Head, Log
from scheduler.chain.protocol import Chain
from scheduler.transactions.expectations import Expectations, Refund, View
from scheduler.transactions.intents import Effects, Fate, Settlement, Verdict
from scheduler.transactions.journal.searches import Searches
from scheduler.transactions.states import OutcomeKind

EXECUTED = topic("Executed(uint256,uint256,uint256)")
ABORTED = topic("Aborted(uint8)")
CLAIMED = topic("Claimed()")
CANCELLED = topic("Cancelled(uint256,uint256)")

# RequestLib.AbortReason, in its order.
ABORT_REASONS = (
    "WasCancelled",
    "AlreadyCalled",
    "BeforeCallWindow",
    "AfterCallWindow",
    "ReservedForClaimer",
    "InsufficientGas",
    "TooLowGasPrice",
)

# A claim pays this share of the bounty for each part of its window that is over (ClaimLib).
PERCENT = 100

# What a claim takes at most: 107,451 gas, measured.
CLAIM_GAS = 180_000

# What a cancellation takes at most: 80,195 gas where a deposit is paid back, measured.
CLEANUP_GAS = 180_000

# What the gas limit has beyond the least, for rules of gas to come.
SPARE_GAS = 20_000

# What TransactionRequestCore.requestData answers.
_REQUEST_DATA = ("address[6]", "bool[3]", "uint256[15]", "uint8[1]")

# Which of its words are claimData.claimedBy, meta.isCancelled, meta.wasSuccessful and, the first of
# the numbers, claimData.claimDeposit.
_CLAIMED_BY, _IS_CANCELLED, _WAS_SUCCESSFUL, _CLAIM_DEPOSIT = 0, 6, 8, 9

# Who cancels gets this part of the bounty (RequestLib.cancel), and its gas: more than all of it,
# since CANCEL_EXTRA_GAS is 85,000 (70,433 used, 106,361 paid, measured).
_REWARD_PART = 100


@dataclass(frozen=True, slots=True)
class Request:
    """What a request says of itself, by the names of RequestLib; amounts in wei."""

    claimed_by: Address
    owner: Address
    benefactor: Address
    recipient: Address
    cancelled: bool
    called: bool
    fee: int
    bounty: int
    claim_window: int
    freeze: int
    reserved: int
    unit: Unit
    window_size: int
    window_start: int
    call_gas: int
    call_value: int
    gas_price: int
    deposit: int

    @staticmethod
    def read(result: CallResult) -> "Request":
        """From what `requestData` answered. Raises NotThisContract."""
        addresses, flags, numbers, _ = values(_REQUEST_DATA, result)
        return Request(
            claimed_by=addresses[0],
            owner=addresses[2],
            benefactor=addresses[4],
            recipient=addresses[5],
            cancelled=flags[0],
            called=flags[1],
            fee=numbers[1],
            bounty=numbers[3],
            claim_window=numbers[5],
            freeze=numbers[6],
            reserved=numbers[7],
            unit=UNITS[numbers[8]],
            window_size=numbers[9],
            window_start=numbers[10],
            call_gas=numbers[11],
            call_value=numbers[12],
            gas_price=numbers[13],
            deposit=numbers[14],
        )


def least_gas(call_gas: int) -> int:
    """The lowest limit with which a request is executed, measured in the rules since Berlin.

    RequestLib wants callGas + 155,000 left, and spends 2,586 before it checks. The clone that calls
    it keeps a 64th part of what it has back (EIP-150), and takes 23,764 with the transaction.
    """
    wanted = call_gas + 157_586
    return 23_764 + wanted + (wanted - 1) // 63


class V10:
    """The requests of one RequestFactory, of its schedulers and of whoever else uses it."""

    name = "1.0"
    knows = "isKnownRequest"
    topics = (REQUEST_CREATED, EXECUTED, CLAIMED, CANCELLED)

    def __init__(self, chain: Chain, contract: Address) -> None:
        """`contract` is the RequestFactory."""
        self._chain = chain
        self.contract = contract
        self._log = RequestLog(chain, contract)
        # The first block or second of the last bucket that was asked for.
        self._asked: dict[Unit, int] = {}

    def resume(self, searches: Searches, fingerprint: str) -> None:
        self._log.resume(searches, fingerprint)

    async def walk(self, head: Head) -> list[Entry]:
        """Asks the log for the buckets of the windows that are open or come next."""
        now = Moment.at(head)
        wanted = {unit: buckets.around(now, unit) for unit in Unit}
        self._log.forget_but(_numbers(wanted))
        found = await self._log.search(_numbers(wanted), head)
        self._asked = {unit: starts[-1] for unit, starts in wanted.items()}
        return found

    async def follow(self, logs: Sequence[Log], head: Head) -> list[Entry]:
        """Asks for a bucket more where one has come near."""
        made = [Filed.read(log) for log in logs if self._announces(log)]
        new = [filed.entry for filed in made if not filed.is_over(head)]
        now = Moment.at(head)
        wanted = {}
        for unit, last in self._asked.items():
            coming = [start for start in buckets.around(now, unit) if start > last]
            if coming:
                wanted[unit] = range(coming[0], coming[-1] + 1, buckets.SIZE[unit])
        if wanted:
            new += await self._log.search(_numbers(wanted), head)
            self._asked |= {unit: starts[-1] for unit, starts in wanted.items()}
        return new

    async def read(self, calls: Sequence[Address], head: Head) -> list[tuple[Terms, Status]]:
        reads = [
            getter(call, signature)
            for call in calls
            for signature in ("requestData()", "callData()")
        ]
        answers = iter(await self._chain.call(reads, at=head.hash))
        funds = await self._chain.balances(calls, at=head.hash)
        found = []
        for call, balance in zip(calls, funds, strict=True):
            answer = next(answers)
            request, [data] = Request.read(answer), values(["bytes"], next(answers))
            status = _status(request, answer.data, None if request.called else balance)
            found.append((_terms(call, request, data), status))
        return found

    async def reread(self, known: Mapping[Address, Status], head: Head) -> list[Status]:
        calls = list(known)
        reads = [getter(call, "requestData()") for call in calls]
        answers = await self._chain.call(reads, at=head.hash)
        balances = await self._chain.balances(calls, at=head.hash)
        found = []
        for call, answer, balance in zip(calls, answers, balances, strict=True):
            request = Request.read(answer)
            funds = known[call].funds if request.called else balance
            found.append(_status(request, answer.data, funds))
        return found

    def noted(self, status: Status, log: Log) -> Status | None:
        """The logs name neither claimer nor executor, nor whether the target failed."""
        return None

    def execution(
        self, terms: Terms, status: Status, executor: Address, now: Moment, gas_limit: int
    ) -> Action:
        """`requestData` answers the same as it did, or something has happened to it."""
        gas = min(least_gas(terms.gas) + SPARE_GAS, gas_limit, TRANSACTION_GAS_CAP)
        unchanged = View(
            terms.call, selector("requestData()"), status.state, "it is not as it was any more"
        )
        expects = Expectations(
            before=(unchanged,),
            complete=View(
                terms.call,
                unchanged.data,
                (1).to_bytes(32, "big"),
                "its target contract failed",
                word=_WAS_SUCCESSFUL,
            ),
            refund=Refund(terms.call, terms.value + terms.fee)
            if gas >= least_gas(terms.gas)
            else None,
        )
        return Action(EXECUTE, gas, expects)

    def judge(self, call: Address, effects: Effects, known: tuple[Terms, Status] | None) -> Verdict:
        """Executed or Aborted is logged whatever happened; neither says whether the target failed,
        which is read where it was mined, and whether the bounty could be paid: `known` does."""
        if not effects.ok:
            return Verdict(OutcomeKind.REVERTED, effects.error or "the transaction reverted")
        if effects.foreseen:
            if effects.unmet is not None:
                return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
            return Verdict(OutcomeKind.SUCCEEDED, "it can be executed", effects.refund)
        for log in effects.logs:
            if log.address != call:
                continue
            if log.topics[0] == EXECUTED:
                return _executed(log, effects.shortfall, known)
            if log.topics[0] == ABORTED:
                return Verdict(OutcomeKind.NO_EFFECT, f"aborted: {abort_reason(log)}")
        return Verdict(OutcomeKind.NO_EFFECT, "nothing happened")

    def claim(self, terms: Terms, status: Status, claimer: Address) -> Action:
        """As for an execution; `requestData` then begins with the claimer."""
        data = selector("requestData()")
        unchanged = View(terms.call, data, status.state, "it is not as it was any more")
        claimed = View(
            terms.call,
            data,
            bytes.fromhex(claimer[2:]).rjust(32, b"\0"),
            "it would not be claimed",
            word=_CLAIMED_BY,
        )
        return Action(CLAIM, CLAIM_GAS, Expectations(before=(unchanged,), after=(claimed,)))

    def judge_claim(self, call: Address, effects: Effects, deposit: int) -> Verdict:
        """A claim that is not one reverts; the deposit of one that is comes with the execution."""
        if not effects.ok:
            return Verdict(OutcomeKind.REVERTED, effects.error or "the claim reverted")
        if effects.unmet is not None:
            return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
        if effects.foreseen:
            return Verdict(OutcomeKind.SUCCEEDED, "it can be claimed")
        if any(log.address == call and log.topics[0] == CLAIMED for log in effects.logs):
            return Verdict(OutcomeKind.SUCCEEDED, "claimed")
        # Whatever was called, it was no request: that would have reverted.
        return Verdict(
            OutcomeKind.DEPOSIT_LOST, f"it claims nothing, and {deposit} wei went with it"
        )

    def fate(self, status: Status, claimer: Address) -> Settlement | None:
        """Who executes has it (RequestLib.execute), else it goes back when the call is cancelled,
        or when somebody asks for that (refundClaimDeposit)."""
        if status.executed:
            return Settlement(Fate.GONE, f"{status.executor} executed the call")
        if status.cancelled:
            return Settlement(Fate.BACK, "the call was cleaned up")
        if status.claimer == claimer and not self.deposit_in(status):
            return Settlement(Fate.BACK, "the call paid it back")
        return None

    def deposit_in(self, status: Status) -> int:
        return int.from_bytes(status.state[32 * _CLAIM_DEPOSIT : 32 * (_CLAIM_DEPOSIT + 1)], "big")

    def reward(self, terms: Terms) -> int:
        return terms.payment // _REWARD_PART

    def cleanup(self, terms: Terms, status: Status) -> Action:
        """As for an execution. It reverts where the call has not enough for reward and deposit."""
        data = selector("requestData()")
        unchanged = View(terms.call, data, status.state, "it is not as it was any more")
        cancelled = View(
            terms.call,
            data,
            (1).to_bytes(32, "big"),
            "it would not be cancelled",
            word=_IS_CANCELLED,
        )
        kept = self.reward(terms) + self.deposit_in(status)
        expects = Expectations((unchanged,), (cancelled,), Refund(terms.call, kept))
        return Action(CANCEL, CLEANUP_GAS, expects)

    def judge_cleanup(self, call: Address, effects: Effects, reward: int, deposit: int) -> Verdict:
        """Cancelled tells what was paid, but for the deposit."""
        if not effects.ok:
            return Verdict(OutcomeKind.REVERTED, effects.error or "somebody else was first")
        if effects.unmet is not None:
            return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
        if effects.foreseen:
            paid = effects.refund + reward
            return Verdict(OutcomeKind.SUCCEEDED, "it can be cleaned up", paid + deposit)
        for log in effects.logs:
            if log.address == call and log.topics[0] == CANCELLED:
                paid, _ = decoded(["uint256", "uint256"], log.data)
                return Verdict(OutcomeKind.SUCCEEDED, "cleaned up", paid + deposit)
        return Verdict(OutcomeKind.NO_EFFECT, "nothing happened")

    def _announces(self, log: Log) -> bool:
        return log.address == self.contract and log.topics[0] == REQUEST_CREATED


def abort_reason(log: Log) -> str:
    """The reason, from Aborted(uint8), such as TooLowGasPrice."""
    [number] = decoded(["uint8"], log.data)
    return ABORT_REASONS[number] if number < len(ABORT_REASONS) else f"reason {number}"


def _executed(log: Log, shortfall: str | None, known: tuple[Terms, Status] | None) -> Verdict:
    bounty, fee, _ = decoded(["uint256", "uint256", "uint256"], log.data)
    earned = bounty
    if known is not None and known[1].funds is not None:
        # RequestLib logs what it owes. Where the request has less, it pays nothing.
        spent = fee + (known[0].value if shortfall is None else 0)
        earned = bounty if bounty + spent <= known[1].funds else 0
    if shortfall is not None:
        return Verdict(OutcomeKind.TARGET_FAILED, f"executed, but {shortfall}", earned)
    return Verdict(OutcomeKind.SUCCEEDED, "executed", earned)


def _numbers(wanted: Mapping[Unit, range]) -> list[int]:
    return [each for unit, starts in wanted.items() for each in buckets.numbers(unit, starts)]


def _terms(call: Address, request: Request, data: bytes) -> Terms:
    return Terms(
        call=call,
        unit=request.unit,
        target=request.window_start,
        # The window holds its end (RequestScheduleLib.isAfterWindow).
        last=min(request.window_start + request.window_size, NEVER),
        reserved=request.reserved,
        gas=request.call_gas,
        price=request.gas_price,
        payment=request.bounty,
        fee=request.fee,
        value=request.call_value,
        recipient=request.recipient,
        data=sha256(data).digest(),
        owner=request.owner,
        claim=_claim_terms(request),
    )


def _claim_terms(request: Request) -> ClaimTerms:
    """A claim out of its window reverts, and the deposit comes back with the execution."""
    frozen = request.window_start - request.freeze
    return ClaimTerms(
        first=frozen - request.claim_window,
        last=frozen - 1,
        growth=request.claim_window,
        steps=PERCENT,
        deposit=request.deposit,
        comes_back=False,
        at_risk=False,
    )


def _status(request: Request, state: bytes, funds: int | None) -> Status:
    status = Status(
        claimer=request.claimed_by, cancelled=request.cancelled, funds=funds, state=state
    )
    return status.executed_by(request.benefactor) if request.called else status
