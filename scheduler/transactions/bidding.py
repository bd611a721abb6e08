"""Further bids for slots that are not consumed: their price, their worth, and the journal's row."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from scheduler.chain.model import Head
from scheduler.errors import NotYet
from scheduler.logs import about
from scheduler.notices import Notice
from scheduler.transactions.answers import Answer
from scheduler.transactions.appraisal import Appraisal, appraised
from scheduler.transactions.care import OpenSlot, Step
from scheduler.transactions.desk import Desk
from scheduler.transactions.encoding import Fee, Transaction
from scheduler.transactions.fees import price_at
from scheduler.transactions.guard import Draft
from scheduler.transactions.instructions import Ordered
from scheduler.transactions.intents import Intent
from scheduler.transactions.journal import Attempt, Replacement
from scheduler.transactions.ladder import RISE, fee_of, higher, next_bid, outbid, too_far
from scheduler.transactions.purse import Allowance, Funds
from scheduler.transactions.sender import Sender
from scheduler.transactions.simulation import Aim, Trial
from scheduler.transactions.states import OutcomeKind, Purpose
from scheduler.transactions.takeover import no_less_than

log = logging.getLogger("SENDER")

# What a transfer without data takes (Yellow Paper, appendix G).
TRANSFER_GAS = 21_000

FREE = "Nothing waits for a lower price any more"
AFFORDED = "There is enough to raise prices again"


class Bidder:
    """Writes higher bids, and cancellations, into the journal, unless their price is too high."""

    def __init__(self, desk: Desk, sender: Sender) -> None:
        self._desk = desk
        self._sender = sender
        self._stuck = Notice(log)
        self._short = Notice(log)
        # What was said already, by nonce.
        self._objections: dict[int, str] = {}

    def forget_all_but(self, nonces: Collection[int]) -> None:
        """Only the slots with these nonces wait for anything."""
        self._objections = {n: said for n, said in self._objections.items() if n in nonces}
        if not nonces:
            self._nothing_waits()

    async def replaced(
        self,
        wanted: Sequence[tuple[OpenSlot, Step]],
        head: Head,
        latest: int,
        ordered: Ordered,
        theirs: Collection[int],
    ) -> list[Attempt]:
        """Further bids for these slots, in the journal; none where ceiling or budget forbid it.

        The slots with the nonces `theirs` are those of other programs that run: what would have no
        effect any more is left to them.

        Raises NodeUnavailable, RpcError, JournalUnavailable, NotYet.
        """
        if not wanted:
            self._nothing_waits()
            return []
        try:
            conditions = await self._sender.conditions(head)
            market, balance = self._desk.market(head, conditions), conditions.balance
        except NotYet as too_high:
            self._stuck.raised(str(too_high))
            for slot, _ in wanted:
                ordered.refused(slot.nonce, str(too_high))
            return []
        last = {slot.nonce: await self._to_outbid(slot, head) for slot, _ in wanted}
        bids = {
            slot.nonce: self._bid(slot, step, last[slot.nonce], market, head)
            for slot, step in wanted
        }
        self._tell_stuck([slot.nonce for slot, _ in wanted if bids[slot.nonce] is None])
        for slot, _ in wanted:
            if bids[slot.nonce] is None:
                ordered.refused(slot.nonce, "the next bid would be above fees.max-gas-price")
        bidding = [
            (slot, step, bid) for slot, step in wanted if (bid := bids[slot.nonce]) is not None
        ]
        transactions = self._allowed(
            await self._transactions(bidding, last, market, head, balance, ordered, theirs), ordered
        )
        signed = await self._desk.signer.sign([_draft(*each) for each in transactions])
        attempts, shortage = self._desk.journal.replace(
            self._desk.account,
            [
                Replacement(
                    slot.bid,
                    purpose,
                    transaction,
                    signature,
                    head.number,
                    ordered.number(slot.nonce),
                )
                for (slot, purpose, transaction), signature in zip(
                    transactions, signed, strict=True
                )
            ],
            Allowance(self._desk.budget, Funds(balance, latest, head.number)),
        )
        if shortage is not None:
            self._short.raised(f"A price is not raised: {shortage}")
            written = {attempt.nonce for attempt in attempts}
            for slot, *_ in transactions:
                if slot.nonce not in written:
                    ordered.refused(slot.nonce, shortage)
        else:
            self._short.cleared(AFFORDED)
        for attempt in attempts:
            what = "raising its price" if attempt.purpose is Purpose.ACT else "cancelling it"
            with about(attempt.intent.key):
                log.info(
                    "nonce %d was not mined: %s, to %d wei per gas",
                    attempt.nonce,
                    what,
                    fee_of(attempt.fields).cap,
                )
        return attempts

    def _bid(self, slot: OpenSlot, step: Step, last: Fee, market: Fee, head: Head) -> Fee | None:
        """What to bid for the slot after `last`; None where that would be too much."""
        # A cancellation has its effect at any price.
        acts = step is Step.BUMP and not slot.cancelling
        floor = slot.bid.limits.min_price if acts else 0
        policy, first = self._desk.policy, higher(fee_of(slot.began_with.fields), floor, floor)
        today = no_less_than(market, floor, head.base_fee)
        bid = next_bid(last, today, policy.bump_percent, policy.max_gas_price)
        if bid is not None and policy.max_gas_price is None and too_far(bid, first, market):
            return None
        return bid

    async def _to_outbid(self, slot: OpenSlot, head: Head) -> Fee:
        """Our last bid; or what the node really has in the slot, where that was not enough."""
        last = fee_of(slot.bid.fields)
        if self._sender.broadcaster.refusal(slot.bid) is not Answer.REPLACEMENT_UNDERPRICED:
            return last
        account = self._desk.account.address
        rival = await self._desk.node.sent_by(account, slot.nonce, since=head.number)
        return last if rival is None else higher(last, rival.cap, rival.tip)

    async def _transactions(
        self,
        bids: Sequence[tuple[OpenSlot, Step, Fee]],
        last: Mapping[int, Fee],
        market: Fee,
        head: Head,
        balance: int,
        ordered: Ordered,
        theirs: Collection[int],
    ) -> list[tuple[OpenSlot, Purpose, Transaction]]:
        """What is signed for these slots, lowest nonce first: what they were for, if that is still
        worth a higher price than the `last`, or a cancellation.

        All that act are simulated together, in the order of their nonces: none can be mined before
        those below it, so each sees what they will have done. What `balance`, in wei, is too little
        for is not: that would fail whatever it does. The journal then says what lacks.
        """
        acting = {
            slot.nonce: Trial(intent_of(slot.bid), bid)
            for slot, step, bid in bids
            if step is Step.BUMP
            and not slot.cancelling
            # What it earns is not known here, so no more than what everybody pays.
            and (self._desk.family(slot.bid.intent) is not None or bid.cap <= market.cap)
        }
        found = await self._appraised(_payable(acting, balance), last, market, head)
        transactions = []
        for slot, step, bid in bids:
            purpose = Purpose.ACT
            if step is Step.CANCEL or slot.cancelling:
                purpose = Purpose.CANCEL
            elif slot.nonce not in acting:
                ordered.refused(slot.nonce, "only its own program, which is gone, may bid more")
                continue
            elif appraisal := found.get(slot.nonce):
                verdict, bid = appraisal.verdict, appraisal.trial.fee
                if verdict.kind is OutcomeKind.ABANDONED:
                    # Not worth a higher price; at the old one it may still be mined.
                    ordered.refused(slot.nonce, f"it is not worth a higher price: {verdict.detail}")
                    continue
                if not appraisal.is_effective:
                    if slot.nonce in theirs:
                        # Its program may know better, and has its own say with this head.
                        continue
                    purpose = Purpose.CANCEL
            transactions.append((slot, purpose, self._transaction(slot.bid, purpose, bid)))
        return transactions

    async def _appraised(
        self, trials: Mapping[int, Trial], last: Mapping[int, Fee], market: Fee, head: Head
    ) -> dict[int, Appraisal]:
        """What each of these would do, by nonce; one that would cost too much, at a lower bid."""
        desk = self._desk
        aim = Aim(desk.account.address, head, slot_time=desk.slot_time)
        enters = price_at(market, aim.base_fee)
        nonces = {trial.intent.key: nonce for nonce, trial in trials.items()}

        def least(trial: Trial) -> Fee | None:
            """What outbids the last one, and certainly enters the next block."""
            before, percent = last[nonces[trial.intent.key]], desk.policy.bump_percent
            floor = trial.intent.min_price
            enough = max(outbid(before, percent).cap, enters, floor)
            today = no_less_than(market, floor, head.base_fee)
            return next_bid(before, today, percent, ceiling=enough)

        found = await appraised(desk, list(trials.values()), aim, least)
        return dict(zip(trials, found, strict=True))

    def _allowed(
        self, transactions: Sequence[tuple[OpenSlot, Purpose, Transaction]], ordered: Ordered
    ) -> list[tuple[OpenSlot, Purpose, Transaction]]:
        """Those that may be signed; why the others may not is said once."""
        objections = self._desk.signer.objections([_draft(*each) for each in transactions])
        allowed = []
        for each, objection in zip(transactions, objections, strict=True):
            slot, *_ = each
            if objection is None:
                allowed.append(each)
                continue
            ordered.refused(slot.nonce, objection)
            if self._objections.get(slot.nonce) != objection:
                self._objections[slot.nonce] = objection
                with about(slot.bid.intent.key):
                    log.warning(
                        "nonce %d: no further price is signed for it: %s", slot.nonce, objection
                    )
        return allowed

    def _transaction(self, bid: Attempt, purpose: Purpose, fee: Fee) -> Transaction:
        """The same again at another price, or a transfer of nothing to the account itself."""
        same = self._desk.transaction(intent_of(bid), bid.nonce, fee)
        if purpose is Purpose.ACT:
            return same
        return replace(same, to=self._desk.account.address, value=0, gas=TRANSFER_GAS, data=b"")

    def _nothing_waits(self) -> None:
        self._stuck.cleared(FREE)
        self._short.cleared(AFFORDED)

    def _tell_stuck(self, nonces: Sequence[int]) -> None:
        ceiling = self._desk.policy.max_gas_price
        if not nonces:
            self._stuck.cleared(FREE)
        elif ceiling is None:
            self._stuck.raised(
                f"nonce {nonces[0]} is not mined, though it offers {RISE} times what it began "
                "with: that is not for its price; see whether blocks come and have room, or say "
                "with fees.max-gas-price how far its price may rise"
            )
        else:
            self._stuck.raised(
                f"nonce {nonces[0]} is not mined, and its price may not rise above "
                f"fees.max-gas-price = {ceiling} wei per gas; "
                "it waits for the price to fall, or raise that ceiling"
            )


def _draft(slot: OpenSlot, purpose: Purpose, transaction: Transaction) -> Draft:
    """It needs no proof of its own: it is the same as before, or a transfer of nothing."""
    return Draft(slot.bid.intent, transaction)


def _payable(acting: Mapping[int, Trial], balance: int) -> dict[int, Trial]:
    """Those that can be paid, by nonce, though all below them cost the most that they can."""
    found = {}
    for nonce, trial in acting.items():
        if trial.worst_cost <= balance:
            balance -= trial.worst_cost
            found[nonce] = trial
    return found


def intent_of(attempt: Attempt) -> Intent:
    """The intent of an attempt, as far as the journal keeps it; for simulating it again."""
    told, limits, fields = attempt.intent, attempt.limits, attempt.fields
    return Intent(
        key=told.key,
        family=told.family,
        kind=told.kind,
        chain="",
        contract=told.contract,
        params=told.params,
        to=fields["to"],
        data=bytes.fromhex(fields["data"][2:]),
        gas=int(fields["gas"], 16),
        first_block=0,
        last_block=limits.last_block,
        value=int(fields["value"], 16),
        urgency=limits.urgency,
        max_cost=limits.max_cost,
        min_price=limits.min_price,
        worth_sending=limits.worth_sending,
        expects=limits.expects,
    )
