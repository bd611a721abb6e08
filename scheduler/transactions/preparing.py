"""From intents to signed transactions, without a trace: proved, priced, simulated, signed."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from scheduler.chain.model import Conditions, Head
from scheduler.transactions.admission import Admission
from scheduler.transactions.appraisal import Appraisal, appraised
from scheduler.transactions.care import OpenSlot, slots_of
from scheduler.transactions.desk import Desk
from scheduler.transactions.encoding import Fee, Transaction
from scheduler.transactions.fees import at_least, at_most, in_a_crowd, price_at
from scheduler.transactions.guard import Draft
from scheduler.transactions.intents import (
    Intent,
    Progress,
    Refused,
    Told,
    Unsigned,
    Urgency,
    Verdict,
)
from scheduler.transactions.journal import Prepared
from scheduler.transactions.pool import Pool
from scheduler.transactions.proofs import Proof
from scheduler.transactions.proving import Prover
from scheduler.transactions.purse import Allowance, Funds, Purse, Want
from scheduler.transactions.rivals import Rival
from scheduler.transactions.simulation import Aim, Trial
from scheduler.transactions.states import OutcomeKind
from scheduler.transactions.takeover import giving_way, no_less_than, outbidding


class Preparer:
    """Makes transactions of intents; nothing is reserved for them, and nothing of it is kept."""

    def __init__(self, desk: Desk, pool: Pool, tell: Callable[[Told, Progress], None]) -> None:
        """`tell` is for the intents' families: it hears of what is refused, and why."""
        self._desk = desk
        self._tell = tell
        self._pool = pool
        self.admission = Admission(desk.journal, desk.program, tell)
        self._prover = Prover(desk.journal, desk.families)

    async def prepare(
        self,
        intents: Sequence[Intent],
        head: Head,
        conditions: Conditions,
        blocks_ahead: int = 1,
    ) -> list[Prepared]:
        """Those of `intents` that should be sent, simulated on `head` and signed.

        They were let through by `admission`, and are aimed at the block `blocks_ahead` after
        `head`, at which there are these `conditions`. The nonces are the ones that would be given
        out now. Raises NotYet where nothing can be prepared now, NodeUnavailable, RpcError,
        JournalUnavailable, and CannotSimulate where more is asked than to foresee the next block.
        """
        desk = self._desk
        aim = Aim(desk.account.address, head, blocks_ahead, desk.slot_time)
        market = desk.market(head, conditions, blocks_ahead)
        purse = desk.journal.purse(desk.account, allowance(desk, conditions, head))
        # What is urgent has few blocks: no later bid helps where those are full.
        rushed = in_a_crowd(market, conditions.crowded, desk.policy)
        if _worst_cost(intents, rushed) > purse.room(Urgency.URGENT):
            # Better in time where there is room than not at all.
            rushed = market
        priced = self._priced(intents, market, rushed, aim)
        priced, giving_way = self._taking_over(priced, rushed, conditions, aim)
        places = _Places(next_nonce(desk, conditions), giving_way)
        items: list[Prepared] = []
        waiting, least = priced, 0
        # No more is simulated than there is room for, in the order in which it was asked for; what
        # turns out to be not worth sending makes room for twice as many.
        while waiting and (room := places.room(purse)) != 0:
            wave = len(waiting) if room is None else max(room, least)
            now, waiting = waiting[:wave], waiting[wave:]
            found, proofs = await self._tried(now, priced, market, purse, aim)
            items += self._placed(found, proofs, places, purse, head)
            least = 2 * wave
        for trial in waiting[:1]:
            # It says what lacks.
            transaction = desk.transaction(trial.intent, places.nonce, trial.fee)
            purse.takes(_want(trial.intent, transaction, None))
        self.admission.withhold(purse.shortage)
        return await signed(desk, items)

    def _placed(
        self,
        found: Sequence[tuple[Trial, Appraisal]],
        proofs: Mapping[str, Proof],
        places: "_Places",
        purse: Purse,
        head: Head,
    ) -> list[Prepared]:
        """Those that should be sent, as far as there are places and money for them."""
        items = []
        for trial, appraisal in found:
            intent, fee = trial.intent, appraisal.trial.fee
            if not appraisal.is_effective:
                self._desk.counters.refused += 1
                self._tell(intent.told, Refused(appraisal.verdict))
                continue
            # What was cut down to what it pays back does not outbid anything.
            outbids = intent.urgency is Urgency.URGENT and fee == trial.fee
            place = places.giving_way[0] if outbids and places.giving_way else None
            nonce = place.nonce if place else places.nonce
            transaction = self._desk.transaction(intent, nonce, fee)
            want = _want(intent, transaction, place)
            if too_much := purse.too_much_at_stake(want):
                self._tell(intent.told, Unsigned(too_much))
            elif purse.takes(want):
                takes = place.bid if place else None
                proof = proofs.get(intent.key)
                items.append(Prepared(intent, transaction, None, head.number, proof, takes))
                places.take(place)
        return items

    async def _tried(
        self, now: Sequence[Trial], due: Sequence[Trial], market: Fee, purse: Purse, aim: Aim
    ) -> tuple[list[tuple[Trial, Appraisal]], dict[str, Proof]]:
        """Those of `now` that may be signed and could be paid, with what each would do, and the
        proofs of all that is `due`.

        No node simulates what the account could not pay for, even if nothing else were sent. The
        proofs are asked for meanwhile: most intents have one in the end.
        """
        likely = [
            trial
            for trial in now
            if trial.worst_cost <= purse.balance and not self._prover.is_doubted(trial.intent)
        ]
        appraisals, proofs = await asyncio.gather(
            self._appraised(likely, market, aim),
            self._prover.proofs([trial.intent for trial in due], aim.head),
        )
        trials = [
            trial for trial in self._allowed(now, proofs) if purse.could_hold(trial.worst_cost)
        ]
        if trials != likely:
            # Behind others than these they may do something else.
            appraisals = await self._appraised(trials, market, aim)
        return list(zip(trials, appraisals, strict=True)), proofs

    async def _appraised(self, trials: Sequence[Trial], market: Fee, aim: Aim) -> list[Appraisal]:
        enters = price_at(market, aim.base_fee)

        def least(trial: Trial) -> Fee:
            """What certainly enters the block, if there is room, and has its effect there."""
            return at_most(trial.fee, max(enters, trial.intent.min_price))

        return await appraised(self._desk, trials, aim, least)

    def _taking_over(
        self, trials: Sequence[Trial], rushed: Fee, conditions: Conditions, aim: Aim
    ) -> tuple[list[Trial], list[OpenSlot]]:
        """The trials, the urgent ones at a price at which they can take over slots; and these.

        `rushed` is what those of them are priced at that ask for no more.
        """
        head = aim.head
        urgent = [trial for trial in trials if trial.intent.urgency is Urgency.URGENT]
        # Nobody knows yet which slots the blocks before the one aimed at leave out.
        if not urgent or aim.blocks_ahead > 1:
            return list(trials), []
        there = replaceable(self._desk, conditions, head)
        places, price = outbidding(there[: len(urgent)], rushed, self._desk.policy)
        if not places:
            return list(trials), []
        return [
            replace(trial, fee=no_less_than(price, trial.intent.min_price, head.base_fee))
            if trial.intent.urgency is Urgency.URGENT
            else trial
            for trial in trials
        ], places

    def _priced(self, intents: Sequence[Intent], market: Fee, rushed: Fee, aim: Aim) -> list[Trial]:
        """Each at the market's price, the `rushed` one where it is urgent, or at what it asks for,
        where the operator allows that."""
        ceiling = self._desk.policy.max_gas_price
        allowed = []
        for intent in intents:
            if ceiling is None or intent.min_price <= ceiling:
                usual = rushed if intent.urgency is Urgency.URGENT else market
                fee = at_least(usual, intent.min_price, aim.head.base_fee, aim.blocks_ahead)
                allowed.append(Trial(intent, fee, self._rivals(intent, aim)))
            else:
                why = f"it asks for {intent.min_price} wei per gas, above fees.max-gas-price"
                self._tell(intent.told, Refused(Verdict(OutcomeKind.NO_EFFECT, why)))
        return allowed

    def _rivals(self, intent: Intent, aim: Aim) -> tuple[Rival, ...]:
        """Who may be mined before it, as far as the pool was looked at: what is there now is mined
        before the block after next."""
        if not intent.contested or aim.blocks_ahead > 1:
            return ()
        return tuple(self._pool.rivals(intent.to, aim.head))

    def _allowed(self, trials: Sequence[Trial], proofs: Mapping[str, Proof]) -> list[Trial]:
        """Those that may be signed at their price; families are told of the others."""
        drafts = [
            Draft(
                trial.intent.told,
                self._desk.transaction(trial.intent, 0, trial.fee),
                proofs.get(trial.intent.key),
            )
            for trial in trials
        ]
        allowed = []
        for trial, objection in zip(trials, self._desk.signer.objections(drafts), strict=True):
            if objection is None:
                allowed.append(trial)
            else:
                self._tell(trial.intent.told, Unsigned(objection))
        return allowed


@dataclass
class _Places:
    """Where transactions go: urgent ones into the slots that are `giving_way`, the others from
    `nonce` on."""

    nonce: int
    giving_way: list[OpenSlot]

    def room(self, purse: Purse) -> int | None:
        """For how many more there is room; None for as many as there are."""
        free = purse.places(self.nonce)
        return None if free is None else free + len(self.giving_way)

    def take(self, place: OpenSlot | None) -> None:
        """One is taken: this, or the next nonce."""
        if place is None:
            self.nonce += 1
        else:
            self.giving_way = [slot for slot in self.giving_way if slot is not place]


def allowance(desk: Desk, conditions: Conditions, head: Head) -> Allowance:
    """What bounds a reservation at `head`."""
    return Allowance(desk.budget, Funds(conditions.balance, conditions.nonces.latest, head.number))


def next_nonce(desk: Desk, conditions: Conditions) -> int:
    """The first that is free: the node's pool may hold transactions that the journal does not
    know, and none of them is to be replaced."""
    return max(desk.journal.next_nonce(desk.account), conditions.nonces.pending)


def replaceable(desk: Desk, conditions: Conditions, head: Head) -> list[OpenSlot]:
    """The slots that urgent work may take over at `head`.

    Only this program's: what becomes of all in a slot is followed by one.
    """
    own = [
        slot
        for slot in slots_of(desk.journal.open_attempts(desk.account))
        if all(desk.family(each.intent) is not None for each in slot.attempts)
    ]
    return giving_way(own, conditions.nonces.latest, head.number)


async def signed(desk: Desk, items: Sequence[Prepared]) -> list[Prepared]:
    """The same with signatures, each by the proof that it has. Raises as `Guard.sign` does."""
    signatures = await desk.signer.sign(
        [Draft(item.intent.told, item.transaction, item.proof) for item in items]
    )
    return [
        replace(item, signed=signature) for item, signature in zip(items, signatures, strict=True)
    ]


def _worst_cost(intents: Sequence[Intent], fee: Fee) -> int:
    """The most that the urgent ones of these can take from the account at this price, wei."""
    return sum(Trial(each, fee).worst_cost for each in intents if each.urgency is Urgency.URGENT)


def _want(intent: Intent, transaction: Transaction, place: OpenSlot | None) -> Want:
    """What a transaction for the intent asks for, in a new slot or in the one of `place`."""
    urgency, contract, cost = intent.urgency, intent.contract, transaction.worst_cost
    if place is None:
        return Want(urgency, contract, cost, transaction.nonce, stake=intent.value)
    taken_over = place.worst_cost
    more = max(0, cost - taken_over)
    return Want(urgency, contract, more, stake=intent.value, taken_over=taken_over)
