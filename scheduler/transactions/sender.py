"""From intents to transactions at the node, in three steps: prepare, commit, broadcast.

`prepare` reads, proves, simulates and signs, with tentative nonces and no trace; `commit` writes
slots and attempts in one durable transaction; only then may `broadcast` let bytes leave. Preparing
and committing may happen at different heads.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.model import Conditions, Hash, Head
from scheduler.chain.protocol import Node
from scheduler.errors import NotYet
from scheduler.transactions.admission import Admission
from scheduler.transactions.broadcast import Broadcaster
from scheduler.transactions.care import OpenSlot, slots_of
from scheduler.transactions.encoding import Fee, Transaction
from scheduler.transactions.fees import (
    FeePolicy,
    FeeTooHigh,
    at_least,
    first_price,
)
from scheduler.transactions.guard import Draft, Guard
from scheduler.transactions.intents import (
    Attempting,
    Effects,
    Family,
    Intent,
    Progress,
    Refused,
    Told,
    Unsigned,
    Urgency,
    Verdict,
)
from scheduler.transactions.journal import (
    Account,
    Attempt,
    HeldBack,
    IntentTaken,
    Journal,
    NonceTaken,
    Prepared,
    SlotClosed,
    Withheld,
)
from scheduler.transactions.ladder import fee_of, without_echo
from scheduler.transactions.proofs import Proof
from scheduler.transactions.proving import Prover
from scheduler.transactions.purse import (
    NO_BUDGET,
    Allowance,
    Budget,
    Funds,
    Purse,
    Want,
)
from scheduler.transactions.quarantine import SYNCING, Gate
from scheduler.transactions.simulation import Aim, Trial, simulated
from scheduler.transactions.states import OutcomeKind
from scheduler.transactions.takeover import giving_way, no_less_than, outbidding


@dataclass(frozen=True, slots=True)
class Desk:
    """What sending from one account on one chain needs, and who it is done for.

    `program` is the name by which the operator holds it back. `budget` bounds it
    together with all that share its journal and account. `slot_time` is the least time between two
    blocks' timestamps, in seconds.
    """

    node: Node
    chain_id: int
    account: Account
    signer: Guard
    journal: Journal
    policy: FeePolicy
    families: Sequence[Family]
    program: str = "scheduler"
    budget: Budget = NO_BUDGET
    slot_time: int = 1

    def family(self, told: Told) -> Family | None:
        """Whose intent this is; None for one that another program on this account takes care of."""
        for family in self.families:
            if (family.name, family.contract) == (told.family, told.contract):
                return family
        return None


class Sender:
    """Gets intents into slots, once each."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.gate = Gate(desk.node, desk.account, desk.journal)
        self.admission = Admission(desk.journal, desk.program, self._tell)
        # As it was when something was prepared last.
        self._allowance: Allowance | None = None
        # How many nonces were taken then, as the node knew, and not only the journal.
        self._taken = 0
        self._looked: tuple[Hash, Conditions] | None = None
        self._prover = Prover(desk.journal, desk.families)
        self.broadcaster = Broadcaster(
            desk.node, desk.account, desk.signer, desk.journal, self._tell
        )

    async def prepare(
        self, intents: Sequence[Intent], head: Head, blocks_ahead: int = 1
    ) -> list[Prepared]:
        """Those of `intents` that may and should be sent, simulated on `head` and signed.

        They are aimed at the block `blocks_ahead` after `head`. Nothing is reserved: the nonces
        are the ones that would be given out now. Families are told of what is refused.
        Raises NotYet where nothing can be sent now, NodeUnavailable, JournalUnavailable.
        """
        desk = self._desk
        fresh = self.admission.fresh(intents, head.number + blocks_ahead)
        if not fresh:
            return []
        self.gate.check(head)
        conditions = await self.conditions(head)
        if conditions.syncing:
            raise NotYet(SYNCING)
        fee, nonces = self.market(head, conditions), conditions.nonces
        funds = Funds(conditions.balance, nonces.latest, head.number)
        self._allowance, self._taken = Allowance(desk.budget, funds), nonces.pending
        purse = desk.journal.purse(desk.account, self._allowance)
        priced = self._priced(fresh, fee, head)
        priced, places = self._taking_over(priced, fee, nonces.latest, head)
        aim = Aim(desk.account.address, head, blocks_ahead, desk.slot_time)
        trials, verdicts, proofs = await self._tried(priced, purse, aim)
        nonce = self._next_nonce()
        items: list[Prepared] = []
        for trial, verdict in zip(trials, verdicts, strict=True):
            intent = trial.intent
            proof = proofs.get(intent.key)
            if verdict.kind not in intent.worth_sending:
                self._tell(intent.told, Refused(verdict))
                continue
            place = places[0] if places and intent.urgency is Urgency.URGENT else None
            transaction = self.transaction(intent, place.nonce if place else nonce, trial.fee)
            want = _want(intent, transaction, place)
            if too_much := purse.too_much_at_stake(want):
                self._tell(intent.told, Unsigned(too_much))
            elif purse.takes(want):
                takes = place.bid if place else None
                items.append(Prepared(intent, transaction, None, head.number, proof, takes))
                if place:
                    places = places[1:]
                else:
                    nonce += 1
        self.admission.withhold(purse.shortage)
        return await self._signed(items)

    async def _tried(
        self, priced: Sequence[Trial], purse: Purse, aim: Aim
    ) -> tuple[list[Trial], list[Verdict], dict[str, Proof]]:
        """Those that may be signed and could be paid, what each would do, and the proofs.

        No node simulates what the account could not pay for, even if nothing else were sent. The
        proofs are asked for meanwhile: most intents have one in the end.
        """
        likely = [
            trial
            for trial in priced
            if trial.worst_cost <= purse.balance and not self._prover.is_doubted(trial.intent)
        ]
        verdicts, proofs = await asyncio.gather(
            self._verdicts(likely, aim),
            self._prover.proofs([trial.intent for trial in priced], aim.head),
        )
        trials = [
            trial for trial in self._allowed(priced, proofs) if purse.could_hold(trial.worst_cost)
        ]
        if trials != likely:
            # Behind others than these they may do something else.
            verdicts = await self._verdicts(trials, aim)
        return trials, verdicts, proofs

    def _taking_over(
        self, trials: Sequence[Trial], market: Fee, latest: int, head: Head
    ) -> tuple[list[Trial], list[OpenSlot]]:
        """The trials, the urgent ones at a price at which they can take over slots; and these.

        `market` is what they are priced at that ask for no more.
        """
        urgent = [trial for trial in trials if trial.intent.urgency is Urgency.URGENT]
        if not urgent:
            return list(trials), []
        desk = self._desk
        # Only this program's: what becomes of all in a slot is followed by one.
        own = [
            slot
            for slot in slots_of(desk.journal.open_attempts(desk.account))
            if all(desk.family(each.intent) is not None for each in slot.attempts)
        ]
        places, price = outbidding(
            giving_way(own, latest, head.number)[: len(urgent)], market, desk.policy
        )
        if not places:
            return list(trials), []
        return [
            replace(trial, fee=no_less_than(price, trial.intent.min_price, head.base_fee))
            if trial.intent.urgency is Urgency.URGENT
            else trial
            for trial in trials
        ], places

    def _priced(self, intents: Sequence[Intent], fee: Fee, head: Head) -> list[Trial]:
        """Each at the market's `fee`, or at what it asks for, where the operator allows that."""
        ceiling = self._desk.policy.max_gas_price
        allowed = []
        for intent in intents:
            if ceiling is None or intent.min_price <= ceiling:
                allowed.append(Trial(intent, at_least(fee, intent.min_price, head.base_fee)))
            else:
                why = f"it asks for {intent.min_price} wei per gas, above fees.max-gas-price"
                self._tell(intent.told, Refused(Verdict(OutcomeKind.NO_EFFECT, why)))
        return allowed

    async def commit(self, prepared: Sequence[Prepared], head: Head) -> list[Attempt]:
        """Writes the slots and attempts of all in one transaction; they may leave when it returns.

        Leaves out what is not due in the block after `head` (any more), and intents that have
        found a slot meanwhile. Bytes whose nonce another transaction was given meanwhile, or that
        would leave a gap before them, are discarded and signed again. Raises as `prepare` does.
        """
        desk = self._desk
        aimed = head.number + 1
        rest = [
            item for item in prepared if item.intent.first_block <= aimed <= item.intent.last_block
        ]
        while rest:
            rest = await self._numbered(rest, self._next_nonce())
            try:
                attempts = desk.journal.reserve(desk.account, rest, desk.program, self._allowance)
            except HeldBack:
                rest = [item for item in rest if self.admission.not_held([item.intent])]
            except IntentTaken as taken:
                rest = [item for item in rest if item.intent.key != taken.key]
            except Withheld as withheld:
                # Another process was promised what was there.
                rest = [item for item in rest if item.intent.key not in withheld.keys]
                self.admission.withhold(withheld.shortage)
            except SlotClosed as closed:
                rest = [
                    replace(item, takes=None)
                    if item.takes and item.takes.nonce == closed.nonce
                    else item
                    for item in rest
                ]
            except NonceTaken:
                continue
            else:
                for attempt in attempts:
                    self._tell(attempt.intent, Attempting(attempt.nonce))
                return attempts
        return []

    async def broadcast(self, attempts: Sequence[Attempt]) -> bool:
        """Hands committed attempts to the node; see `Broadcaster.broadcast`."""
        return await self.broadcaster.broadcast(attempts)

    async def look(self, head: Head) -> None:
        """Reads the conditions at `head`, for all that asks for them later: it need not wait then.

        Where they cannot be read, whoever asks for them tries again, and is told why not.
        """
        try:
            self._looked = head.hash, await self._read_conditions(head)
        except (NodeUnavailable, RpcError):
            self._looked = None

    async def conditions(self, head: Head) -> Conditions:
        """What sending depends on at `head`. Raises NodeUnavailable, RpcError."""
        if self._looked is not None and self._looked[0] == head.hash:
            return self._looked[1]
        return await self._read_conditions(head)

    async def _read_conditions(self, head: Head) -> Conditions:
        return await self._desk.node.conditions(self._desk.account.address, head)

    def market(self, head: Head, conditions: Conditions) -> Fee:
        """The price with which a transaction built on `head` starts. Raises NotYet where it is
        above the operator's ceiling."""
        raised = [
            (fee_of(bid), fee_of(first))
            for bid, first in self._desk.journal.raised_bids(self._desk.account)
        ]
        try:
            suggested = without_echo(conditions.suggested, raised)
            return first_price(head, suggested, self._desk.policy)
        except FeeTooHigh as error:
            raise NotYet(str(error)) from error

    def transaction(self, intent: Intent, nonce: int, fee: Fee) -> Transaction:
        """What is signed for the intent in this slot, at this price."""
        return Transaction(
            self._desk.chain_id, nonce, intent.to, intent.value, intent.gas, intent.data, fee
        )

    async def verdicts(self, trials: Sequence[Trial], head: Head) -> list[Verdict]:
        """What each intent would do in the block after `head`, at this price, behind the others.

        On the state of `head`, in which none of its own pending attempts are. They are given in
        the order of their nonces, since that is how they would be mined.
        """
        aim = Aim(self._desk.account.address, head, slot_time=self._desk.slot_time)
        return await self._verdicts(trials, aim)

    async def _verdicts(self, trials: Sequence[Trial], aim: Aim) -> list[Verdict]:
        """What the families say of what each would do in the block aimed at."""
        if not trials:
            return []
        effects = await simulated(self._desk.node, trials, aim)
        return [
            self._verdict(trial.intent, effect, trial.price(aim))
            for trial, effect in zip(trials, effects, strict=True)
        ]

    def _verdict(self, intent: Intent, effects: Effects, price: int) -> Verdict:
        family = self._desk.family(intent.told)
        if family is None:
            return _without_family(effects)
        return weighed(family.judge(intent.kind, intent.params, effects), intent, effects, price)

    def _allowed(self, trials: Sequence[Trial], proofs: Mapping[str, Proof]) -> list[Trial]:
        """Those that may be signed at their price; families are told of the others."""
        drafts = [
            Draft(
                trial.intent.told,
                self.transaction(trial.intent, 0, trial.fee),
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

    async def _signed(self, items: Sequence[Prepared]) -> list[Prepared]:
        """The same with signatures, each by the proof that it has."""
        signatures = await self._desk.signer.sign(
            [Draft(item.intent.told, item.transaction, item.proof) for item in items]
        )
        return [
            replace(item, signed=signature)
            for item, signature in zip(items, signatures, strict=True)
        ]

    def _next_nonce(self) -> int:
        """The first that is free: the node's pool may hold transactions that the journal does not
        know, and none of them is to be replaced."""
        return max(self._desk.journal.next_nonce(self._desk.account), self._taken)

    async def _numbered(self, items: Sequence[Prepared], first: int) -> list[Prepared]:
        """The same transactions with the nonces from `first` on, signed again where they differ.

        Those that take over a slot keep its nonce. All come in the order of their nonces.
        """
        taking = [item for item in items if item.takes]
        new = [item for item in items if not item.takes]
        if [item.transaction.nonce for item in new] != list(range(first, first + len(new))):
            new = await self._signed(
                [
                    replace(item, transaction=item.transaction.with_nonce(nonce))
                    for nonce, item in enumerate(new, first)
                ]
            )
        return taking + new

    def _tell(self, told: Told, progress: Progress) -> None:
        family = self._desk.family(told)
        if family is not None:
            family.told(told, progress)


def weighed(verdict: Verdict, intent: Intent, effects: Effects, price: int) -> Verdict:
    """The verdict on simulated effects, or that they would cost more than they are worth.

    `price` in wei per gas.
    """
    cost = effects.gas_used * price - verdict.earned
    if verdict.kind in intent.worth_sending and cost > intent.max_cost:
        return Verdict(
            OutcomeKind.ABANDONED,
            f"it would cost {effects.gas_used * price} wei and pay {verdict.earned} wei",
        )
    return verdict


def _want(intent: Intent, transaction: Transaction, place: OpenSlot | None) -> Want:
    """What a transaction for the intent asks for, in a new slot or in the one of `place`."""
    urgency, contract, cost = intent.urgency, intent.contract, transaction.worst_cost
    if place is None:
        return Want(urgency, contract, cost, transaction.nonce, stake=intent.value)
    taken_over = place.worst_cost
    more = max(0, cost - taken_over)
    return Want(urgency, contract, more, stake=intent.value, taken_over=taken_over)


def _without_family(effects: Effects) -> Verdict:
    """What can be said of an intent whose family does not run here: what it earns cannot."""
    if not effects.ok:
        return Verdict(OutcomeKind.REVERTED, effects.error or "it reverts")
    if effects.unmet is not None:
        return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
    return Verdict(OutcomeKind.SUCCEEDED, "it has its effect, as far as its views tell")
