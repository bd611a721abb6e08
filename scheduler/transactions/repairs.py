"""The account's own nonces as a family: what nobody here asked for must be consumed all the same.

Nonces are mined in their order, so one that is in no slot keeps back all that wait behind it. It
may have been somebody else's transaction that was dropped, or one that a lost journal knew. What
the node shows is adopted into a slot, watched, and outbid only where it keeps work of ours back for
long; what it does not show is closed by a transfer of nothing, in a slot like any other.
"""

import logging
from collections.abc import Sequence

from scheduler.chain.model import Head, HeadEvent, Nonces, Sent
from scheduler.errors import NotYet
from scheduler.notices import Notice
from scheduler.transactions.bidding import TRANSFER_GAS
from scheduler.transactions.care import FOREIGN_PATIENCE, GONE_PATIENCE
from scheduler.transactions.desk import Desk
from scheduler.transactions.encoding import DynamicFee, Fee, LegacyFee, Transaction
from scheduler.transactions.guard import Draft
from scheduler.transactions.intents import (
    Displaced,
    Effects,
    Ended,
    Intent,
    Mined,
    Params,
    Progress,
    Told,
    Urgency,
    Verdict,
)
from scheduler.transactions.journal import Account, IntentTaken, NonceTaken, Prepared
from scheduler.transactions.sender import Sender
from scheduler.transactions.states import OutcomeKind

log = logging.getLogger("SENDER")

NAME = "account"
CONSUME = "consume"

# A last block that never comes: a nonce does not lose its use.
NEVER = 2**53

# No worth bounds what keeps everything else back; the operator's ceiling does, and the balance.
ANY_COST = 10**30


class Repairs:
    """The family that its account's custodian looks after; see Family."""

    name = NAME

    def __init__(self, account: Account) -> None:
        self._account = account
        self.contract = account.address

    async def observe(self, event: HeadEvent) -> None:
        """Nothing on chain makes a nonce due."""

    def due(self, head: Head) -> list[Intent]:
        """None: what is missing is found by comparing nonces, see Upkeep."""
        return []

    async def look_ahead(self, head: Head) -> None:
        """As `observe`."""

    def upcoming(self, head: Head) -> list[Intent]:
        """None, as `due`."""
        return []

    async def recognises(self, intents: Sequence[Intent], head: Head) -> list[str | None]:
        """Transfers of nothing to oneself need no proof."""
        return [None for _ in intents]

    def judge(self, kind: str, params: Params, effects: Effects) -> Verdict:
        """Whatever is mined with it consumes a nonce."""
        return Verdict(OutcomeKind.SUCCEEDED, f"nonce {params['nonce']} is consumed")

    def still_useful(self, kind: str, params: Params, head: Head) -> bool:
        """Until it is consumed."""
        return True

    def forgettable(self, kind: str, params: Params, head: Head) -> bool:
        """A nonce that is consumed for good never comes again."""
        return True

    def retries(self, kind: str, outcome: OutcomeKind) -> bool:
        return False

    def told(self, intent: Told, progress: Progress) -> None:
        if isinstance(progress, Mined | Displaced | Ended):
            log.info("nonce %s of %s is consumed", intent.params["nonce"], self.contract)

    def intent(self, nonce: int) -> Intent:
        """That this nonce be consumed, if need be by a transfer of nothing to oneself."""
        return Intent(
            key=":".join((NAME, CONSUME, self._account.chain, self.contract, str(nonce))),
            family=NAME,
            kind=CONSUME,
            chain=self._account.chain,
            contract=self.contract,
            params={"nonce": nonce},
            to=self.contract,
            data=b"",
            gas=TRANSFER_GAS,
            first_block=0,
            last_block=NEVER,
            urgency=Urgency.REPAIR,
            max_cost=ANY_COST,
        )


class Upkeep:
    """Finds the account's nonces that are in no slot, and gets them into one."""

    def __init__(self, desk: Desk, sender: Sender, repairs: Repairs) -> None:
        self._desk = desk
        self._sender = sender
        self._repairs = repairs
        self._kept = Notice(log)
        # Since which head each nonce is seen to be in no slot.
        self._missing_since: dict[int, int] = {}

    def is_needed(self, head: Head, nonces: Nonces) -> bool:
        """Compares the account's nonces, as read at `head`, with the journal's slots: is any in
        none? Raises JournalUnavailable."""
        # The journal after the node: what is in a slot by now is not missing.
        following = self._desk.journal.next_nonce(self._desk.account)
        there: set[int] = set()
        if nonces.latest < following:
            there = self._desk.journal.nonces_from(self._desk.account, nonces.latest)
        missing = set(range(nonces.latest, max(following, nonces.pending))) - there
        self._missing_since = {
            nonce: self._missing_since.get(nonce, head.number) for nonce in sorted(missing)
        }
        if not missing:
            self._kept.cleared("No nonce is missing any more")
        return bool(missing)

    async def do(self, head: Head, nonces: Nonces) -> None:
        """Adopts or closes what is missing. Only the custodian may do this.

        Raises NodeUnavailable, RpcError, JournalUnavailable.
        """
        if self._sender.gate.lags(head) or await self._desk.node.syncing():
            return
        journal, account, missing = self._desk.journal, self._desk.account, self._missing_since
        following = journal.next_nonce(account)
        shown = await self._desk.node.pooled(account.address, list(missing))
        for nonce, sent in shown.items():
            self._adopt(nonce, sent, head)
        # In quarantine all that is due waits behind them.
        end = following if journal.admitted(account) else max(following, nonces.pending)
        await self._close(
            [
                nonce
                for nonce, since in missing.items()
                if nonce not in shown
                and nonce < end
                and head.number - since
                >= (FOREIGN_PATIENCE if nonce < nonces.pending else GONE_PATIENCE)
            ],
            head,
        )

    def _adopt(self, nonce: int, sent: Sent, head: Head) -> None:
        """Gives a transaction that the journal does not know a slot, to be watched."""
        fee: Fee = LegacyFee(sent.cap) if sent.tip == sent.cap else DynamicFee(sent.cap, sent.tip)
        seen = Transaction(
            self._desk.chain_id, nonce, sent.to or "", sent.value, sent.gas, sent.data, fee
        )
        item = Prepared(self._repairs.intent(nonce), seen, None, head.number)
        try:
            self._desk.journal.adopt_stranger(self._desk.account, item, sent.hash)
        except (NonceTaken, IntentTaken):
            return
        log.warning(
            "%s, which this journal does not know, is pending with nonce %d of %s; it is watched, "
            "and outbid with a transfer of nothing if work waits behind it for %d blocks",
            sent.hash,
            nonce,
            self._desk.account.address,
            FOREIGN_PATIENCE,
        )

    async def _close(self, nonces: Sequence[int], head: Head) -> None:
        """Has these nonces consumed by transfers of nothing."""
        if not nonces:
            return
        try:
            fee = self._desk.market(head, await self._sender.conditions(head))
        except NotYet as too_high:
            self._kept.raised(f"nonce {nonces[0]} is missing, and not closed: {too_high}")
            return
        intents = [self._repairs.intent(nonce) for nonce in nonces]
        transactions = [
            self._desk.transaction(intent, nonce, fee)
            for intent, nonce in zip(intents, nonces, strict=True)
        ]
        signed = await self._desk.signer.sign(
            [
                Draft(intent.told, transaction)
                for intent, transaction in zip(intents, transactions, strict=True)
            ]
        )
        items = [
            Prepared(intent, transaction, signature, head.number)
            for intent, transaction, signature in zip(intents, transactions, signed, strict=True)
        ]
        try:
            attempts = self._desk.journal.reserve(self._desk.account, items, self._desk.program)
        except (NonceTaken, IntentTaken):
            # Somebody was faster; what is still missing is seen with the next head.
            return
        for attempt in attempts:
            log.warning(
                "nonce %d of %s is in no slot, and nothing that is known is pending with it: what "
                "waits behind it would wait for ever, so it is used for a transfer of nothing",
                attempt.nonce,
                self._desk.account.address,
            )
        await self._sender.broadcast(attempts)
