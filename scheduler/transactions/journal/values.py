"""What is written to the journal and looked after, as values."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

from scheduler.chain.model import Address, Hash, Receipt, Sent
from scheduler.transactions.encoding import Signed, Transaction
from scheduler.transactions.expectations import Expectations
from scheduler.transactions.intents import Intent, Limits, Told, Urgency
from scheduler.transactions.proofs import Proof
from scheduler.transactions.states import AttemptState, OutcomeKind, Purpose

# A result row; the schema says what is in it (STRICT tables).
Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """The journal's tables for a part of it that has queries of its own.

    `run` is for what is written, within `together`; `read` stands alone and raises
    JournalUnavailable. Both take a query's name, as FILE.NAME, and its values.
    """

    run: Callable[..., list[Row]]
    read: Callable[..., list[Row]]
    together: Callable[..., AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Account:
    """Whose nonces: an address on the chain with this fingerprint."""

    chain: str
    address: Address

    @property
    def columns(self) -> dict[str, object]:
        """As the journal's tables have it."""
        return {"chain": self.chain, "account": self.address}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A slot and its first attempt, to be written for an intent; or one in a slot of another's.

    `signed` is None where the node is to sign and send by itself (eth_sendTransaction).
    `head_number` is the head at which it was decided: what is sent is mined after it. `proof` is
    None for a transfer of nothing to oneself, which needs none. `takes` is the last bid of the slot
    that it takes over from a less urgent intent; None where it gets a new one.
    """

    intent: Intent
    transaction: Transaction
    signed: Signed | None
    head_number: int
    proof: Proof | None = None
    takes: "Attempt | None" = None

    @property
    def told(self) -> Told:
        """For which intent it is."""
        return self.intent.told

    @property
    def limits(self) -> Limits:
        return self.intent.limits

    @property
    def purpose(self) -> Purpose:
        return Purpose.ACT


@dataclass(frozen=True, slots=True)
class Mandate:
    """What may be signed for an intent, as the journal has it; `value` in wei."""

    recipient: Address
    value: int
    data: bytes
    proof: Proof | None

    def is_for(self, transaction: Transaction) -> bool:
        """Whether the transaction does this and nothing else; its nonce and price may be any."""
        sent = transaction.to, transaction.value, transaction.data
        return sent == (self.recipient, self.value, self.data)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as the journal has it, with as much of its intent as is needed to look after it.

    `intent` is whose slot it is in; with the purpose CANCEL it is there to free the slot of it.
    `is_found`: nobody signed it for this journal, it was seen at the node, and is only watched.
    `is_placed`: the intent is in this slot still, and not in another by now.
    """

    id: int
    nonce: int
    intent: Told
    limits: Limits
    purpose: Purpose
    fields: dict[str, str]
    raw: bytes | None
    hash: Hash | None
    state: AttemptState
    head_number: int
    block_number: int | None
    block_hash: Hash | None
    is_found: bool = False
    is_placed: bool = True

    def sent(self, receipt: Receipt) -> int:
        """What left the account with it, wei: nothing where it reverted, or was to itself."""
        to_itself = self.fields["to"] == receipt.sender
        return int(self.fields["value"], 16) if receipt.status and not to_itself else 0

    def is_like(self, sent: Sent) -> bool:
        """Whether `sent`, which has its nonce, does what it does; the price may be another."""
        return (sent.to, sent.value, sent.data) == (
            self.fields["to"],
            int(self.fields["value"], 16),
            bytes.fromhex(self.fields["data"][2:]),
        )


@dataclass(frozen=True, slots=True)
class Replacement:
    """Another transaction for the slot that `replaced` is in; the rest is as in Prepared.

    `order` is the number of the operator's order that it carries out.
    """

    replaced: Attempt
    purpose: Purpose
    transaction: Transaction
    signed: Signed | None
    head_number: int
    order: int | None = None

    @property
    def told(self) -> Told:
        """For which intent it is."""
        return self.replaced.intent

    @property
    def limits(self) -> Limits:
        return self.replaced.limits


def found_fields(sent: Sent, account: Account, nonce: int, chain_id: int) -> dict[str, str]:
    """A transaction that was seen at the node, as eth_sendTransaction would take it."""
    fields = {
        "from": account.address,
        "to": sent.to or "",
        "value": hex(sent.value),
        "gas": hex(sent.gas),
        "nonce": hex(nonce),
        "data": "0x" + sent.data.hex(),
        "chainId": hex(chain_id),
    }
    if sent.tip == sent.cap:
        return {**fields, "gasPrice": hex(sent.cap)}
    return {**fields, "maxFeePerGas": hex(sent.cap), "maxPriorityFeePerGas": hex(sent.tip)}


def mandate_of(recipient: Address, value: str, data: bytes, proof: str | None) -> Mandate:
    """From the columns of the query mandates."""
    return Mandate(recipient, int(value), data, proof_of(proof))


def proof_of(text: str | None) -> Proof | None:
    """From the column; what is no proof, proves nothing."""
    try:
        return None if text is None else Proof.from_text(text)
    except ValueError:
        return None


def attempt_of(row: Row) -> Attempt:
    """The attempt in a row of the query open_attempts."""
    (id_, nonce, purpose, fields, raw, hash_, state, head, block_number, block_hash, is_found,
     is_placed, key, family, contract, kind, params, last_block, urgency, max_cost, min_price,
     worth, expects) = row  # fmt: skip
    return Attempt(
        id=id_,
        nonce=nonce,
        intent=Told(key, family, contract, kind, json.loads(params)),
        limits=Limits(
            last_block,
            Urgency(urgency),
            int(max_cost),
            int(min_price),
            frozenset(OutcomeKind(outcome) for outcome in json.loads(worth)),
            Expectations.from_data(json.loads(expects)),
        ),
        purpose=Purpose(purpose),
        fields=json.loads(fields),
        raw=raw,
        hash=hash_,
        state=AttemptState(state),
        head_number=head,
        block_number=block_number,
        block_hash=block_hash,
        is_found=bool(is_found),
        is_placed=bool(is_placed),
    )
