"""What gets into the journal before it is sent: intents, their slots and their attempts."""

import json
import sqlite3
from collections.abc import Callable, Sequence

from scheduler.transactions.encoding import Signed, Transaction
from scheduler.transactions.intents import Limits, Told, Urgency
from scheduler.transactions.journal.database import Database
from scheduler.transactions.journal.errors import IntentTaken, NonceTaken
from scheduler.transactions.journal.holds import HeldBack, Holds
from scheduler.transactions.journal.values import Account, Attempt, Prepared, Replacement
from scheduler.transactions.states import AttemptState, IntentState, Purpose, step


class Reservations(Database):
    """Gives out slots, each once; what it wrote may be sent when it returns."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        super().__init__(connection, clock)
        self.holds = Holds(self._rows, clock)

    def reserve(
        self, account: Account, prepared: Sequence[Prepared], program: str = "scheduler"
    ) -> list[Attempt]:
        """Writes intent, slot and attempt of each, all or none; durable when it returns.

        `program` is the name of the one that they are for. Raises HeldBack, NonceTaken or
        IntentTaken, and then has written nothing.
        """
        with self.together():
            hold = self.holds.on(program)
            # What gets the account itself going again is not held back: others may wait for it.
            if hold and any(item.intent.urgency is not Urgency.REPAIR for item in prepared):
                raise HeldBack(hold)
            return [self._reserve(account, item, program) for item in prepared]

    def replace(self, account: Account, replacements: Sequence[Replacement]) -> list[Attempt]:
        """Writes further attempts for open slots, all or none; durable when it returns.

        Leaves out those whose slot has a mined attempt by now.
        """
        with self.together():
            return [
                self._insert_attempt(
                    account,
                    item.replaced.intent,
                    item.replaced.limits,
                    item.purpose,
                    item.transaction,
                    item.signed,
                    item.head_number,
                )
                for item in replacements
                if self._run("slot_is_free", **account.columns, nonce=item.transaction.nonce)
            ]

    def _reserve(self, account: Account, item: Prepared, program: str) -> Attempt:
        intent, transaction = item.intent, item.transaction
        slot = {**account.columns, "nonce": transaction.nonce, "now": self._clock()}
        self._run(
            "insert_intent",
            key=intent.key,
            family=intent.family,
            kind=intent.kind,
            chain=intent.chain,
            contract=intent.contract,
            params=json.dumps(dict(intent.params), sort_keys=True),
            recipient=intent.to,
            data=intent.data,
            value=str(intent.value),
            gas=intent.gas,
            first_block=intent.first_block,
            last_block=intent.last_block,
            urgency=intent.urgency.value,
            max_cost=str(intent.max_cost),
            worth_sending=json.dumps(sorted(kind.value for kind in intent.worth_sending)),
            expects=json.dumps(intent.expects.as_data()),
            now=self._clock(),
        )
        if self._intent_state(intent.key) is not IntentState.PLANNED:
            raise IntentTaken(intent.key)
        if not self._run("insert_slot", **slot, program=program):
            raise NonceTaken(str(transaction.nonce))
        if not self._run("insert_placement", **slot, key=intent.key):
            raise IntentTaken(intent.key)
        self._step_intent(intent.key, IntentState.IN_SLOT)
        return self._insert_attempt(
            account,
            intent.told,
            intent.limits,
            Purpose.ACT,
            transaction,
            item.signed,
            item.head_number,
        )

    def _insert_attempt(
        self,
        account: Account,
        intent: Told,
        limits: Limits,
        purpose: Purpose,
        transaction: Transaction,
        signed: Signed | None,
        head_number: int,
    ) -> Attempt:
        fields = transaction.rpc_fields(account.address)
        raw, hash_ = (signed.raw, signed.hash) if signed else (None, None)
        [(id_,)] = self._run(
            "insert_attempt",
            **account.columns,
            nonce=transaction.nonce,
            key=intent.key,
            purpose=purpose.value,
            fields=json.dumps(fields),
            raw=raw,
            hash=hash_,
            head_number=head_number,
            now=self._clock(),
        )
        return Attempt(
            id=id_,
            nonce=transaction.nonce,
            intent=intent,
            limits=limits,
            purpose=purpose,
            fields=fields,
            raw=raw,
            hash=hash_,
            state=AttemptState.SIGNED,
            head_number=head_number,
            block_number=None,
            block_hash=None,
        )

    def _intent_state(self, key: str) -> IntentState:
        [(state,)] = self._run("intent_state", key=key)
        return IntentState(state)

    def _step_intent(self, key: str, then: IntentState) -> None:
        state = step(self._intent_state(key), then)
        self._run("set_intent_state", key=key, state=state.value)
