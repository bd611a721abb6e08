"""What gets into the journal before it is sent: intents, their slots and their attempts."""

import json
from collections.abc import Callable, Sequence
from functools import cache

from scheduler.chain.model import Hash, Sent
from scheduler.transactions.intents import Intent, Urgency
from scheduler.transactions.journal import series
from scheduler.transactions.journal.accounts import Accounts
from scheduler.transactions.journal.database import Database
from scheduler.transactions.journal.deposits import Deposits
from scheduler.transactions.journal.errors import IntentTaken, NonceTaken, SlotClosed, Withheld
from scheduler.transactions.journal.holds import HeldBack, Holds
from scheduler.transactions.journal.orders import Orders, OrderState
from scheduler.transactions.journal.pruning import Prunings
from scheduler.transactions.journal.searches import Searches
from scheduler.transactions.journal.values import (
    Account,
    Attempt,
    Prepared,
    Replacement,
    Row,
    found_fields,
)
from scheduler.transactions.purse import DAY, Allowance, Books, Expense, Promise, Purse, Want
from scheduler.transactions.states import AttemptState, IntentState, OutcomeKind, Purpose, step


class Reservations(Accounts):
    """Gives out slots, each once; what it wrote may be sent when it returns."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        super().__init__(database, clock)
        rows = self.rows
        self.holds = Holds(rows, clock)
        self.orders = Orders(rows, clock)
        self.deposits = Deposits(rows, clock)
        self.prunings = Prunings(rows)
        self.searches = Searches(rows)

    def reserve(
        self,
        account: Account,
        prepared: Sequence[Prepared],
        program: str = "scheduler",
        allowance: Allowance | None = None,
    ) -> list[Attempt]:
        """Writes intent, slot and attempt of each, all or none; durable when it returns.

        `program` is the name of the one that they are for. The worst case of each is promised to
        its slot out of `allowance`; None bounds nothing. Raises Quarantined, HeldBack, NonceTaken,
        IntentTaken, SlotClosed or Withheld, and then has written nothing.
        """
        with self.together(hurried=True):
            # What gets the account itself going again is not kept back: others may wait for it.
            if any(item.intent.urgency is not Urgency.REPAIR for item in prepared):
                self._must_be_admitted(account)
                hold = self.holds.on(program)
                if hold:
                    raise HeldBack(hold)
            self._place(prepared)
            purse = None if allowance is None else self.purse(account, allowance)
            for item in prepared:
                if item.takes is not None:
                    self._take_over(account, item, item.takes, purse)
            new = [item for item in prepared if item.takes is None]
            if purse is not None:
                _promise(new, purse)
            now = self._clock()
            slots = [
                {
                    **account.columns,
                    "nonce": item.transaction.nonce,
                    "program": program,
                    "purse": item.intent.urgency.value,
                    "reserved": str(item.transaction.worst_cost),
                    "now": now,
                }
                for item in new
            ]
            if self._run_each("insert_slot", slots) != len(slots):
                raise NonceTaken(str([slot["nonce"] for slot in slots]))
            self._run_each(
                "insert_placement",
                [
                    {**account.columns, "nonce": item.transaction.nonce, "key": item.intent.key}
                    for item in prepared
                ],
            )
            return self._insert_attempts(account, prepared)

    def replace(
        self,
        account: Account,
        replacements: Sequence[Replacement],
        allowance: Allowance | None = None,
    ) -> tuple[list[Attempt], str | None]:
        """Writes further attempts for open slots, all or none; durable when it returns.

        Leaves out those whose slot has a mined attempt or a later bid by now, and those for whose
        price `allowance` has too little: what lacked is the second of what it returns. An order
        that one of them carries out is done in the same transaction.
        """
        with self.together(hurried=True):
            purse = None if allowance is None else self.purse(account, allowance)
            taken = [item for item in replacements if self._promise_more(account, item, purse)]
            written = self._insert_attempts(account, taken)
            for item, attempt in zip(taken, written, strict=True):
                if item.order is not None:
                    self.orders.answer(item.order, OrderState.DONE, _told(item), attempt)
        return written, None if purse is None else purse.shortage

    def adopt_stranger(self, account: Account, item: Prepared, hash_: Hash) -> None:
        """Gives what somebody else sent, the transaction `hash_`, a slot in which it is watched.

        Raises NonceTaken or IntentTaken, and then has written nothing.
        """
        with self.together():
            [attempt] = self.reserve(account, [item])
            self._run("mark_found", id=attempt.id, hash=hash_)

    def nonces_from(self, account: Account, lowest: int) -> set[int]:
        """The nonces from `lowest` on that are in slots, consumed ones, too."""
        return {nonce for (nonce,) in self._read("nonces_from", **account.columns, lowest=lowest)}

    def adopt(self, account: Account, bid: Attempt, sent: Sent, head_number: int) -> None:
        """Notes that `sent`, which the node has, is another bid for the slot of `bid`."""
        fields = found_fields(sent, account, bid.nonce, int(bid.fields["chainId"], 16))
        with self.together():
            self._run(
                "insert_found",
                **account.columns,
                nonce=bid.nonce,
                key=bid.intent.key,
                fields=json.dumps(fields),
                hash=sent.hash,
                head_number=head_number,
                now=self._clock(),
            )

    def purse(self, account: Account, allowance: Allowance) -> Purse:
        """What of `allowance` is left beside what the journal has promised and spent."""
        now = self._clock()
        head_number = allowance.funds.head_number
        promises = self._read("promises", **account.columns, head_number=head_number)
        expenses: Sequence[Row] = ()
        stakes: Sequence[Row] = ()
        if allowance.budget.looks_back:
            expenses = self._read("expenses", **account.columns, since=now - now % DAY)
        if allowance.budget.deposits is not None:
            stakes = self._read("stakes", **account.columns)
        books = Books(
            tuple(map(_promise_of, promises)),
            tuple(map(_expense_of, expenses)),
            tuple((contract, int(value, 16)) for _, contract, value in stakes),
        )
        return Purse(account.address, allowance, books)

    def _take_over(
        self, account: Account, item: Prepared, takes: Attempt, purse: Purse | None
    ) -> None:
        """Makes room for the intent in the slot of a less urgent one, which stays in it, too.

        Raises SlotClosed where its last bid is another by now, or was mined; Withheld.
        """
        slot = {**account.columns, "nonce": takes.nonce}
        found = self._run("free_slot", **slot, replaced=takes.id)
        if not found:
            raise SlotClosed(takes.nonce)
        [(_, reserved)] = found
        more = max(0, item.transaction.worst_cost - int(reserved))
        want = Want(
            item.intent.urgency,
            item.intent.contract,
            more,
            stake=item.transaction.value,
            taken_over=int(reserved),
        )
        if purse is not None and not purse.takes(want):
            raise Withheld([item.intent.key], purse.shortage or "")
        self._run("set_reserved", **slot, reserved=str(int(reserved) + more))
        self._run("set_purse", **slot, purse=item.intent.urgency.value)

    def _promise_more(self, account: Account, item: Replacement, purse: Purse | None) -> bool:
        """Promises its slot what this bid may cost more than all before: one alone can be mined.

        False where it has a mined attempt or another bid by now, or `purse` has too little.
        """
        slot = {**account.columns, "nonce": item.transaction.nonce}
        for urgency, reserved in self._run("free_slot", **slot, replaced=item.replaced.id):
            more = item.transaction.worst_cost - int(reserved)
            if more <= 0:
                return True
            want = Want(
                # To free a slot is what gets the account going again.
                Urgency.REPAIR if item.purpose is Purpose.CANCEL else Urgency(urgency),
                item.replaced.intent.contract,
                more,
            )
            if purse is None or purse.takes(want):
                self._run("set_reserved", **slot, reserved=str(int(reserved) + more))
                return True
        return False

    def _place(self, prepared: Sequence[Prepared]) -> None:
        """Writes that their intents are in a slot, with all about those that are new.

        Raises IntentTaken for one that is in a slot already, has its outcome, or has no turn.
        """
        keys = [item.intent.key for item in prepared]
        rows = self._run("intent_states", keys=json.dumps(keys))
        states = {key: IntentState(state) for key, state in rows}
        now = self._clock()
        placed: list[dict[str, object]] = []
        for item in prepared:
            intent = item.intent
            before = states.get(intent.key, IntentState.PLANNED)
            if before is not IntentState.PLANNED:
                raise IntentTaken(intent.key)
            states[intent.key] = step(before, IntentState.IN_SLOT)
            state = states[intent.key].value
            proof = None if item.proof is None else item.proof.as_text()
            placed.append({**_columns(intent), "proof": proof, "state": state, "now": now})
        self._run_each("insert_intent", placed)
        for item in prepared:
            series.take_turn(self._run, item.intent)

    def _insert_attempts(
        self, account: Account, items: "Sequence[Prepared | Replacement]"
    ) -> list[Attempt]:
        """Of each slot one."""
        highest = max((item.head_number for item in items), default=0)
        self._run("saw_head", **account.columns, head=highest)
        # Numbered here: who writes is alone, and need not read what he wrote.
        [(newest,)] = self._run("newest_attempt")
        attempts = [
            Attempt(
                id=number,
                nonce=item.transaction.nonce,
                intent=item.told,
                limits=item.limits,
                purpose=item.purpose,
                fields=item.transaction.rpc_fields(account.address),
                raw=None if item.signed is None else item.signed.raw,
                hash=None if item.signed is None else item.signed.hash,
                state=AttemptState.SIGNED,
                head_number=item.head_number,
                block_number=None,
                block_hash=None,
            )
            for number, item in enumerate(items, newest + 1)
        ]
        now = self._clock()
        self._run_each(
            "insert_attempt",
            [
                {
                    **account.columns,
                    "id": attempt.id,
                    "nonce": attempt.nonce,
                    "key": attempt.intent.key,
                    "purpose": attempt.purpose.value,
                    "fields": json.dumps(attempt.fields),
                    "raw": attempt.raw,
                    "hash": attempt.hash,
                    "state": attempt.state.value,
                    "head_number": attempt.head_number,
                    "now": now,
                }
                for attempt in attempts
            ],
        )
        return attempts

    def _intent_state(self, key: str) -> IntentState:
        [(state,)] = self._run("intent_state", key=key)
        return IntentState(state)

    def _step_intent(self, key: str, then: IntentState) -> None:
        state = step(self._intent_state(key), then)
        self._run("set_intent_state", key=key, state=state.value)


def _columns(intent: Intent) -> dict[str, object]:
    """The intent as its table has it, but for its state."""
    return {
        "key": intent.key,
        "family": intent.family,
        "kind": intent.kind,
        "chain": intent.chain,
        "contract": intent.contract,
        "params": json.dumps(dict(sorted(intent.params.items()))),
        "recipient": intent.to,
        "data": intent.data,
        "value": str(intent.value),
        "gas": intent.gas,
        "first_block": intent.first_block,
        "last_block": intent.last_block,
        "urgency": intent.urgency.value,
        "max_cost": str(intent.max_cost),
        "min_price": str(intent.min_price),
        "worth_sending": _worth(intent.worth_sending),
        "expects": json.dumps(intent.expects.as_data()),
    }


@cache
def _worth(kinds: frozenset[OutcomeKind]) -> str:
    """Few sets of them are in use."""
    return json.dumps(sorted(kind.value for kind in kinds))


def _told(item: Replacement) -> str:
    """What a replacement is, to the one who ordered it."""
    what = "a further bid" if item.purpose is Purpose.ACT else "a cancellation"
    nonce, cap = item.transaction.nonce, item.transaction.fee.cap
    return f"{what} for nonce {nonce}, at most {cap} wei per gas"


def _promise(prepared: Sequence[Prepared], purse: Purse) -> None:
    """Raises Withheld for those that are too much."""
    withheld: list[str] = []
    for item in prepared:
        want = Want(
            item.intent.urgency,
            item.intent.contract,
            item.transaction.worst_cost,
            # It moves up by those that are left out before it.
            item.transaction.nonce - len(withheld),
            item.transaction.value,
        )
        if not purse.takes(want):
            withheld.append(item.intent.key)
    if withheld:
        raise Withheld(withheld, purse.shortage or "")


def _promise_of(row: Row) -> Promise:
    """From a row of the query `promises`."""
    nonce, purse, reserved = row
    return Promise(nonce, Urgency(purse), int(reserved))


def _expense_of(row: Row) -> Expense:
    """From a row of the query `expenses`."""
    purse, contract, kind, sent, gas_used, gas_price, earned = row
    return Expense(
        Urgency(purse),
        contract,
        OutcomeKind(kind),
        sent=int(sent),
        fee=gas_used * int(gas_price),
        earned=int(earned),
    )
