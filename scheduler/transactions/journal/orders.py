"""What the operator orders for one intent, and what came of it: kept as long as the intent."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from scheduler.transactions.intents import Told
from scheduler.transactions.journal.values import Account, Attempt, Rows
from scheduler.transactions.states import IntentState, step


class What(Enum):
    """BUMP: a next bid now. CANCEL: give it up, freeing its slot. RETRY: plan it again."""

    BUMP = "bump"
    CANCEL = "cancel"
    RETRY = "retry"


class OrderState(Enum):
    """OPEN: nobody has carried it out yet. DONE: it was. REFUSED: it cannot be any more."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Order:
    """`intent` is a key, `at` in seconds since the epoch; `result` says what came of it."""

    id: int
    intent: str
    what: What
    by: str
    at: float
    state: OrderState
    result: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes of an order at once: the state that its intent goes to, none for a refusal."""

    then: IntentState | None
    words: str


def at_once(
    what: What, state: IntentState, open_slot: bool, in_series: bool = False
) -> Answer | None:
    """What comes of an order for an intent in this state without any transaction. Pure.

    None where it takes one. `open_slot`: an attempt of it may be mined, or may be taken back by a
    reorg. What has a mined outcome is never tried again by an order. `in_series`: others have
    numbers that count it as ended, so that it stays so.
    """
    if state is IntentState.IN_SLOT:
        return Answer(None, "it is on its way already") if what is What.RETRY else None
    if open_slot:
        return Answer(None, f"it is in a block already ({state.value}), which is not final yet")
    if what is What.BUMP:
        return Answer(None, f"it is in no slot: it is {state.value}")
    if what is What.CANCEL and state in (IntentState.PLANNED, IntentState.SUSPENDED):
        return Answer(IntentState.ABANDONED, f"it was {state.value} and is given up")
    if what is What.RETRY and state is IntentState.ABANDONED and in_series:
        return Answer(None, "it is one of a series: another follows it while that is wanted")
    if what is What.RETRY and state in (IntentState.SUSPENDED, IntentState.ABANDONED):
        return Answer(IntentState.PLANNED, f"it was {state.value} and is planned again")
    if state is IntentState.PLANNED:
        return Answer(None, "it is planned already: it is sent when it is due")
    return Answer(None, f"it has ended already: it is {state.value}")


class Orders:
    """Takes orders and answers them; each method is one durable transaction."""

    def __init__(self, rows: Rows, clock: Callable[[], float]) -> None:
        self._rows = rows
        self._clock = clock

    def give(self, key: str, what: What, who: str) -> Order:
        """Writes an order for the intent with this key, which the journal must have.

        What takes no transaction is done, or refused, at once. An order that stands already is
        not given twice; one to cancel takes the place of one to bump.
        """
        with self._rows.together():
            standing = [order_of(row) for row in self._rows.run("orders.standing", key=key)]
            for order in standing:
                if order.what is what or order.what is What.CANCEL:
                    return order
                self.answer(order.id, OrderState.REFUSED, f"{who} ordered: {what.value}")
            [(state,)] = self._rows.run("intent_state", key=key)
            open_slot = self._rows.run("orders.has_open_slot", key=key) != []
            [(in_series,)] = self._rows.run("orders.in_series", key=key)
            answer = at_once(what, IntentState(state), open_slot, bool(in_series))
            if answer is not None and answer.then is not None:
                then = step(IntentState(state), answer.then)
                self._rows.run("set_intent_state", key=key, state=then.value)
                if then is IntentState.PLANNED:
                    # Its failures up to now do not suspend it again.
                    self._rows.run("pardon", key=key)
            return self._give(key, what, who, answer)

    def one(self, id_: int) -> Order:
        """The order with this number, as it is now."""
        [row] = self._rows.read("orders.one", id=id_)
        return order_of(row)

    def open(self, account: Account) -> list[tuple[int, Order]]:
        """Those that wait to be carried out on this account, each with its slot's nonce."""
        rows = self._rows.read("orders.open", **account.columns)
        return [(nonce, order_of(row)) for *row, nonce in rows]

    def answer(
        self, id_: int, state: OrderState, result: str, attempt: Attempt | None = None
    ) -> None:
        """Notes what came of an open order, and which attempt it caused."""
        with self._rows.together():
            self._rows.run(
                "orders.answer",
                id=id_,
                state=state.value,
                result=result,
                attempt=attempt and attempt.id,
                now=self._clock(),
            )

    def newest(self) -> int:
        """The number of the last order that was given; 0 before the first."""
        [(number,)] = self._rows.read("orders.newest")
        return int(number)

    def retried_since(self, id_: int, chain: str) -> list[tuple[int, str, Told]]:
        """The intents of this chain planned again by orders after this one: number, by whom."""
        rows = self._rows.read("orders.retried_since", id=id_, chain=chain)
        return [
            (number, who, Told(key, family, contract, kind, json.loads(params)))
            for number, who, key, family, contract, kind, params in rows
        ]

    def cancelled_by(self, account: Account, attempt: Attempt) -> str | None:
        """Who ordered that the attempt's slot be freed of its intent; None where nobody did."""
        rows = self._rows.read(
            "orders.cancelled_by", **account.columns, nonce=attempt.nonce, key=attempt.intent.key
        )
        return str(rows[0][0]) if rows else None

    def _give(self, key: str, what: What, who: str, answer: Answer | None) -> Order:
        now = self._clock()
        state = OrderState.OPEN
        if answer is not None:
            state = OrderState.REFUSED if answer.then is None else OrderState.DONE
        words = answer.words if answer else None
        [(id_,)] = self._rows.run(
            "orders.give",
            key=key,
            what=what.value,
            who=who,
            now=now,
            state=state.value,
            done_at=now if answer else None,
            result=words,
        )
        return Order(id_, key, what, who, now, state, words)


def order_of(row: Sequence[Any]) -> Order:
    """From a row with its id, intent, what, given_by, given_at, state and result."""
    id_, intent, what, by, at, state, result = row
    return Order(id_, intent, What(what), by, at, OrderState(state), result)
