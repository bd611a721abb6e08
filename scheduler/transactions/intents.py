"""What a family asks for (Intent), what came of it (Verdict), and what a family must answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeAlias, runtime_checkable

from scheduler.chain.model import Address, Hash, Head, HeadEvent, Log, Receipt
from scheduler.transactions.expectations import NOTHING_EXPECTED, Expectations
from scheduler.transactions.states import IntentState, OutcomeKind

Params: TypeAlias = Mapping[str, str | int]

NO_LAST_BLOCK = 2**62
"""The last block of what makes sense until its family says otherwise; beyond any chain's height."""

ANY_COST = 2**256 - 1
"""What may cost whatever its gas costs, in wei: more than there is."""


class Urgency(Enum):
    """How long an intent may wait for its block before its price is raised, and who pays for it.

    REPAIR is what gets the account itself going again, such as closing a gap: as urgent as what
    waits behind it, and kept back by no limit but the balance.
    """

    NORMAL = "normal"
    URGENT = "urgent"
    REPAIR = "repair"


class Order(Enum):
    """How the intents of one series follow each other: those of a chain, contract, family and kind.

    ANYHOW: any number at a time. Of the others none is given a slot while another one's transaction
    waits to be mined, and the journal ends the key with a count, so that what ended can be followed
    by another. IN_TURN: how many of the series ended in vain, where the chain itself has a number
    for each that does not. COUNTED: how many ended at all, where it has none.
    """

    ANYHOW = "anyhow"
    IN_TURN = "in_turn"
    COUNTED = "counted"


@dataclass(frozen=True, slots=True)
class Limits:
    """Within what an intent may be sent, and sent again at a higher price.

    `last_block` is the last one in which being mined makes sense. `max_cost` is the most, in wei,
    that it may cost net of what it earns, and at less than `min_price` wei per gas it has no
    effect. `worth_sending` are the simulated outcomes with which it is sent, and `expects` is what
    else is read when it is simulated.
    """

    last_block: int
    urgency: Urgency
    max_cost: int
    min_price: int
    worth_sending: frozenset[OutcomeKind]
    expects: Expectations


@dataclass(frozen=True, slots=True)
class Intent:
    """Something that should happen once on chain.

    `key` is the same however often the intent is computed (family : kind : chain : contract :
    subject : epoch). `kind` and `params` are data that the family can judge by after a restart.
    `value` is in wei, `gas` the transaction's limit. `first_block` and `last_block`, inclusive,
    are the blocks in which being mined makes sense; `order` is how it goes with others of its
    series; at less than `min_price` wei per gas it has no effect; for the rest see Limits.
    `contested` is what only the first transaction to `to` has, whoever sends it: what the pool
    shows of others' is simulated before it.
    """

    key: str
    family: str
    kind: str
    chain: str
    contract: Address
    params: Params
    to: Address
    data: bytes
    gas: int
    first_block: int
    last_block: int
    value: int = 0
    min_price: int = 0
    urgency: Urgency = Urgency.NORMAL
    max_cost: int = 0
    worth_sending: frozenset[OutcomeKind] = field(
        default_factory=lambda: frozenset({OutcomeKind.SUCCEEDED})
    )
    expects: Expectations = NOTHING_EXPECTED
    order: Order = Order.ANYHOW
    contested: bool = False

    @property
    def told(self) -> "Told":
        """What of it a Progress names."""
        return Told(self.key, self.family, self.contract, self.kind, self.params)

    @property
    def limits(self) -> Limits:
        """What of it bounds how it is sent."""
        return Limits(
            self.last_block,
            self.urgency,
            self.max_cost,
            self.min_price,
            self.worth_sending,
            self.expects,
        )


@dataclass(frozen=True, slots=True)
class Effects:
    """What a transaction did, whether it was mined or only simulated. `gas_used` in gas.

    `unmet` is what it means that a view of the intent's did not answer as expected: one behind the
    simulated transaction, or, where it could not be simulated, one before it. In the latter case
    it is `foreseen`: of its logs nothing is known, and `refund` is what could be paid back of its
    gas, in wei. `shortfall`, of one that was mined, is what it did not do, where a view says so
    (Expectations.complete). `preceded` is what rivals' transactions did that were simulated before
    it, in their order.
    """

    ok: bool
    logs: tuple[Log, ...]
    gas_used: int
    error: str | None = None
    unmet: str | None = None
    foreseen: bool = False
    refund: int = 0
    shortfall: str | None = None
    preceded: tuple["Effects", ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a family says of an intent's effects.

    `earned` is what the sender was paid, in wei, and `returned` how much of that is a deposit that
    it had sent along before, or with this. `staked` is a deposit that may come back later.
    """

    kind: OutcomeKind
    detail: str
    earned: int = 0
    returned: int = 0
    staked: int = 0


class Fate(Enum):
    """What became of a deposit. BACK: what of it did not come with a transaction of ours came with
    somebody else's. GONE: that never comes."""

    BACK = "back"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Settlement:
    """A deposit's fate, and why, in words that stay the same for as long as it does."""

    fate: Fate
    detail: str


@runtime_checkable
class Depositor(Protocol):
    """A family whose verdicts say that something is staked."""

    async def fates(self, intents: Sequence["Told"], head: Head) -> Mapping[str, Settlement]:
        """What `head` says became of the deposits of these intents, by key; of those that are at
        stake still, nothing.

        Raises NodeUnavailable, RpcError.
        """
        ...


class Family(Protocol):
    """A kind of work: knows contracts and when something is due, nothing of nonces and prices."""

    @property
    def name(self) -> str:
        """Under which its intents are journaled; with `contract` it says whose an intent is."""
        ...

    @property
    def contract(self) -> Address: ...

    async def observe(self, event: HeadEvent) -> None:
        """Takes note of what the new blocks changed; reads from the node what it needs.

        After an exception the family reads everything anew with the next event.
        """
        ...

    def due(self, head: Head) -> list[Intent]:
        """What should be mined in the block after `head`, whether it was sent already or not."""
        ...

    async def look_ahead(self, head: Head) -> None:
        """Reads from the node what is not due yet but may be soon; after what is due at `head` was
        sent, which does not wait for it. Raises as `observe`."""
        ...

    def upcoming(self, head: Head) -> list[Intent]:
        """What is not due in the block after `head`, but will be in the one after that.

        As far as can be told now, and as `due` will say it then, but for `last_block`.
        """
        ...

    async def recognises(self, intents: Sequence[Intent], head: Head) -> list[str | None]:
        """For each, what the chain says at `head` that makes its recipient and function the
        family's own; None where it says no such thing.

        One batch of reads, whatever the intents' number; nothing is believed that is not read.
        Raises NodeUnavailable, RpcError.
        """
        ...

    def judge(self, kind: str, params: Params, effects: Effects) -> Verdict:
        """What these effects mean for an intent of this kind with these params."""
        ...

    def still_useful(self, kind: str, params: Params, head: Head) -> bool:
        """Whether being mined after `head` could still have the effect."""
        ...

    def forgettable(self, kind: str, params: Params, head: Head) -> bool:
        """Whether it will never want this again under the same key.

        `head` is one below which no reorg reaches. What has its outcome and is forgettable is
        removed from the journal after some time.
        """
        ...

    def retries(self, kind: str, outcome: OutcomeKind) -> bool:
        """Whether an intent of this kind may be tried again after a mined failure of this kind.

        It is sent again only while it is due, and when a simulation says that it is worth it.
        """
        ...

    def told(self, intent: "Told", progress: "Progress") -> None:
        """Takes note of what became of an intent of its own; says it to the operator."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """Which intent a Progress is about: what is needed to judge it after a restart."""

    key: str
    family: str
    contract: Address
    kind: str
    params: Params


@dataclass(frozen=True, slots=True)
class Attempting:
    """It was simulated, is in the journal, and is about to be sent."""

    nonce: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """A node took the transaction. That it is mined, let alone worked, nobody knows yet."""

    hash: Hash


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not sent: the reason says what the simulation or the rules found."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Unsigned:
    """It may not be signed, so it is not sent: no rule or budget allows it, or nothing proves that
    its recipient is the family's. The reason stays the same for as long as that is so."""

    reason: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """The journal has its outcome already, from before a restart: it is not sent again."""

    state: IntentState


@dataclass(frozen=True, slots=True)
class Mined:
    """It is in a block, judged from the receipt's logs; `cost` in wei is gas used times price."""

    receipt: Receipt
    verdict: Verdict

    @property
    def cost(self) -> int:
        return self.receipt.gas_used * self.receipt.gas_price


@dataclass(frozen=True, slots=True)
class Unmined:
    """A reorg removed the block that it was in; the same bytes are pending again."""

    hash: Hash


@dataclass(frozen=True, slots=True)
class Settled:
    """What was mined is final."""

    hash: Hash


@dataclass(frozen=True, slots=True)
class Ended:
    """It will not be mined any more, finally: its slot was consumed by a cancellation."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class GaveWay:
    """Its slot was consumed, finally, by another intent's transaction: one of them was urgent.

    It is planned again, and sent if it is still due.
    """

    hash: Hash


@dataclass(frozen=True, slots=True)
class Displaced:
    """Its slot was consumed, finally, by a transaction that the journal does not know.

    Somebody else sends from the account. It is planned again, and sent if it is still due.
    """

    hash: Hash


@dataclass(frozen=True, slots=True)
class Replanned:
    """The operator wants it after all, although it was suspended or abandoned. `by` is who."""

    by: str


Progress: TypeAlias = (
    Attempting
    | Accepted
    | Refused
    | Unsigned
    | Recorded
    | Mined
    | Unmined
    | Settled
    | Ended
    | Displaced
    | GaveWay
    | Replanned
)
