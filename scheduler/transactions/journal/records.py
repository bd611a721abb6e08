"""What the journal has, as values: for those who look at it, not for those who write it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from scheduler.chain.model import Address, Hash
from scheduler.transactions.intents import Urgency
from scheduler.transactions.journal.orders import Order, order_of
from scheduler.transactions.journal.values import proof_of
from scheduler.transactions.proofs import Proof
from scheduler.transactions.states import (
    AttemptState,
    IntentState,
    OutcomeKind,
    Purpose,
    SlotState,
)

# A row of a query, by the names of its columns in their order.
Columns: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Name:
    """What an intent can be found by."""

    key: str
    kind: str
    contract: Address


@dataclass(frozen=True, slots=True)
class Summary:
    """An intent in a line. `nonce`, `hash` and `block` are those of its mined, else its newest
    attempt, None where there is none; `outcome` is read from that attempt's receipt."""

    name: Name
    family: str
    state: IntentState
    nonce: int | None
    attempts: int
    hash: Hash | None
    block: int | None
    outcome: OutcomeKind | None
    is_final: bool
    changed_at: float


@dataclass(frozen=True, slots=True)
class IntentRecord:
    """An intent as it was journaled; see Intent and Limits for its fields."""

    name: Name
    family: str
    params: dict[str, str | int]
    recipient: Address
    data: bytes
    value: int
    gas: int
    first_block: int
    last_block: int
    urgency: Urgency
    max_cost: int
    worth_sending: tuple[OutcomeKind, ...]
    proof: Proof | None
    state: IntentState
    pardoned: int
    created_at: float


@dataclass(frozen=True, slots=True)
class SlotRecord:
    """A nonce that the intent was given; `consumed_by` is the hash that consumed it, finally."""

    account: Address
    nonce: int
    state: SlotState
    consumed_by: Hash | None
    created_at: float


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """What a mined attempt did; `gas_price` in wei per gas, the other amounts in wei."""

    kind: OutcomeKind
    detail: str
    gas_used: int
    gas_price: int
    sent: int
    earned: int
    returned: int
    is_final: bool
    judged_at: float

    @property
    def cost(self) -> int:
        """Wei paid for gas."""
        return self.gas_used * self.gas_price

    @property
    def balance(self) -> int:
        """By how much it changed the account's, wei."""
        return self.earned - self.sent - self.cost


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A transaction in one of the intent's slots, possibly of another intent (its key says whose).

    `by_node`: the node was asked to sign and send it by itself. `is_found`: it was only seen there.
    `fields` as JSON-RPC takes them.
    """

    account: Address
    nonce: int
    intent: str
    purpose: Purpose
    fields: dict[str, str]
    hash: Hash | None
    by_node: bool
    is_found: bool
    state: AttemptState
    head_number: int
    block_number: int | None
    created_at: float
    outcome: OutcomeRecord | None


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """What the operator ordered; `done_at` is when it was answered, None while it stands."""

    order: Order
    done_at: float | None


@dataclass(frozen=True, slots=True)
class DepositRecord:
    """A deposit that was left with the contract; `settled_at` is None while it is out. Of it so
    much was `returned` by others' transactions, and so much `lost`, for the reason in `detail`."""

    amount: int
    returned: int
    lost: int
    detail: str
    settled_at: float | None


@dataclass(frozen=True, slots=True)
class ReorgRecord:
    """A block that a reorg removed, with one of the intent's attempts and this outcome in it."""

    nonce: int
    block_number: int
    outcome: OutcomeKind
    removed_at: float


@dataclass(frozen=True, slots=True)
class History:
    """All that the journal has of one intent, each part oldest first."""

    intent: IntentRecord
    slots: tuple[SlotRecord, ...]
    attempts: tuple[AttemptRecord, ...]
    orders: tuple[OrderRecord, ...] = ()
    reorgs: tuple[ReorgRecord, ...] = ()
    deposits: tuple[DepositRecord, ...] = ()


def intent_of(row: Columns) -> IntentRecord:
    """From a row of the query `intent`."""
    return IntentRecord(
        name=Name(row["key"], row["kind"], row["contract"]),
        family=row["family"],
        params=json.loads(row["params"]),
        recipient=row["recipient"],
        data=row["data"],
        value=int(row["value"]),
        gas=row["gas"],
        first_block=row["first_block"],
        last_block=row["last_block"],
        urgency=Urgency(row["urgency"]),
        max_cost=int(row["max_cost"]),
        worth_sending=tuple(OutcomeKind(kind) for kind in json.loads(row["worth_sending"])),
        proof=proof_of(row["proof"]),
        state=IntentState(row["state"]),
        pardoned=row["pardoned"],
        created_at=row["created_at"],
    )


def attempt_of(row: Columns) -> AttemptRecord:
    """From a row of the query `attempts`."""
    outcome = None
    if row["kind"] is not None:
        outcome = OutcomeRecord(
            kind=OutcomeKind(row["kind"]),
            detail=row["detail"],
            gas_used=row["gas_used"],
            gas_price=int(row["gas_price"]),
            sent=int(row["sent"]),
            earned=int(row["earned"]),
            returned=int(row["returned"]),
            is_final=bool(row["is_final"]),
            judged_at=row["judged_at"],
        )
    return AttemptRecord(
        account=row["account"],
        nonce=row["nonce"],
        intent=row["intent"],
        purpose=Purpose(row["purpose"]),
        fields=json.loads(row["fields"]),
        hash=row["hash"],
        by_node=bool(row["by_node"]),
        is_found=bool(row["is_found"]),
        state=AttemptState(row["state"]),
        head_number=row["head_number"],
        block_number=row["block_number"],
        created_at=row["created_at"],
        outcome=outcome,
    )


def summary_of(row: Columns) -> Summary:
    """From a row of the query `summaries`."""
    return Summary(
        name=Name(row["key"], row["kind"], row["contract"]),
        family=row["family"],
        state=IntentState(row["state"]),
        nonce=row["nonce"],
        attempts=row["attempts"],
        hash=row["hash"],
        block=row["block"],
        outcome=OutcomeKind(row["outcome"]) if row["outcome"] else None,
        is_final=bool(row["is_final"]),
        changed_at=row["changed_at"],
    )


def slot_of(row: Columns) -> SlotRecord:
    """From a row of the query `slots`."""
    return SlotRecord(
        account=row["account"],
        nonce=row["nonce"],
        state=SlotState(row["state"]),
        consumed_by=row["consumed_by"],
        created_at=row["created_at"],
    )


def ordered_of(row: Columns) -> OrderRecord:
    """From a row of the query `orders`."""
    *order, done_at = row.values()
    return OrderRecord(order_of(order), done_at)


def deposit_of(row: Columns) -> DepositRecord:
    """From a row of the query `deposits`."""
    return DepositRecord(
        amount=int(row["amount"]),
        returned=int(row["returned"] or 0),
        lost=int(row["lost"] or 0),
        detail=row["detail"] or "",
        settled_at=row["settled_at"],
    )


def reorg_of(row: Columns) -> ReorgRecord:
    """From a row of the query `reorgs`."""
    return ReorgRecord(
        nonce=row["nonce"],
        block_number=row["block_number"],
        outcome=OutcomeKind(row["outcome"]),
        removed_at=row["removed_at"],
    )
