"""A scheduled call as values, and the rules of when whom it lets do what. No I/O.

The rules hold for all versions of the contracts (measured on the real ones at ±1 block); where
versions differ, in the numbers, the terms say so.
"""

from dataclasses import astuple, dataclass, replace
from enum import Enum
from functools import lru_cache
from hashlib import sha256

from scheduler.chain.model import ZERO_ADDRESS, Address, Head

# EIP-7825: no transaction may have a higher gas limit.
TRANSACTION_GAS_CAP = 16_777_216

# What stands for a window's end beyond all blocks and times; the journal's integers have 64 bits.
NEVER = 2**62


class Unit(Enum):
    """In what a call's window is measured: block numbers, or seconds since the epoch."""

    BLOCKS = "blocks"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Moment:
    """A block as windows see it: its number, and its timestamp in seconds since the epoch."""

    block: int
    time: int

    def of(self, unit: Unit) -> int:
        """The moment in this unit."""
        return self.block if unit is Unit.BLOCKS else self.time

    @staticmethod
    def at(head: Head) -> "Moment":
        """That of a block that is there."""
        return Moment(head.number, head.timestamp)

    @staticmethod
    def after(head: Head, slot_time: int, blocks: int = 1) -> "Moment":
        """The earliest that the block so many after `head` can be: each comes `slot_time` seconds
        after its parent."""
        return Moment(head.number + blocks, head.timestamp + blocks * slot_time)


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """How a call can be claimed: in which blocks or seconds, for what, and with which deposit.

    `first` and `last` are the first and the last, by the call's unit, in which it can be claimed.
    Its claimer gets a share of its payment that grows by one of `steps` equal parts for each
    `steps`-th of `growth`, from nothing at `first` on. `deposit`, in wei, must be sent along;
    `comes_back` where a claim that succeeds returns it at once, and otherwise the execution does;
    `at_risk` where one that fails may leave it in the contract.
    """

    first: int
    last: int
    growth: int
    steps: int
    deposit: int
    comes_back: bool
    at_risk: bool

    @property
    def window(self) -> int:
        """How long it can be claimed, in the call's unit."""
        return self.last - self.first + 1

    def share(self, payment: int, at: int) -> int:
        """What a claim in block or second `at` secures of so much payment, in wei."""
        elapsed = max(0, at - self.first)
        if self.growth <= 0:
            return 0
        return payment * min(self.steps, self.steps * elapsed // self.growth) // self.steps


@dataclass(frozen=True, slots=True)
class Terms:
    """What about a call never changes.

    `target` is the first and `last` the last block or second, by `unit`, in which it can be
    executed; in the first `reserved` of them by its claimer alone. `gas` is what its target is to
    have, `price` the least that its executor must pay for gas (wei per gas). `payment` is for the
    executor, `fee` for whom the contracts name besides, `value` for the target, in wei. `data` is
    what the target is called with, as far as it never changes, or a hash of it. `claim` is how the
    call can be claimed.
    """

    call: Address
    unit: Unit
    target: int
    last: int
    reserved: int
    gas: int
    price: int
    payment: int
    fee: int
    value: int
    recipient: Address
    data: bytes
    owner: Address
    claim: ClaimTerms

    def subject(self) -> str:
        """Names the call for good: its address, and a hash of its terms.

        The address alone would not do: after a reorg another call may be created there.
        """
        return _subject(self)


@lru_cache(maxsize=1024)
def _subject(terms: Terms) -> str:
    """Asked for with whatever becomes of a call, and never another."""
    digest = sha256(repr(astuple(terms)).encode()).hexdigest()
    return f"{terms.call}-{digest[:16]}"


@dataclass(frozen=True, slots=True)
class Status:
    """What about a call does change. `executor` is who executed it, where that was seen.

    Only 1.0 needs the rest, since its logs do not tell: `funds`, what the call had before it was
    executed, in wei (None where nobody saw it), and `state`, all that it answers about itself.
    """

    claimer: Address = ZERO_ADDRESS
    cancelled: bool = False
    executed: bool = False
    executor: Address | None = None
    funds: int | None = None
    state: bytes = b""

    def same_for_us(self, other: "Status") -> bool:
        """Whether both lead to the same decisions."""
        ours, others = (
            (status.claimer, status.cancelled, status.executed) for status in (self, other)
        )
        return ours == others

    def claimed_by(self, claimer: Address) -> "Status":
        return replace(self, claimer=claimer)

    def cancelled_now(self) -> "Status":
        return replace(self, cancelled=True)

    def executed_by(self, executor: Address) -> "Status":
        return replace(self, executed=True, executor=executor)


def first_turn(terms: Terms, status: Status, us: Address) -> int:
    """The first block or second in which `us` may execute the call, by the seed's rules.

    Unclaimed or claimed by us: at the target. Claimed by another: once it is free for all.
    """
    if status.claimer in (ZERO_ADDRESS, us):
        return terms.target
    return terms.target + terms.reserved


def is_our_turn(terms: Terms, status: Status, us: Address, now: Moment) -> bool:
    """Whether `us` should execute the call in a block at `now`."""
    if status.cancelled or status.executed:
        return False
    return first_turn(terms, status, us) <= now.of(terms.unit) <= terms.last


def is_over(terms: Terms, now: Moment) -> bool:
    """Whether neither a block at `now` nor a later one can execute the call."""
    return now.of(terms.unit) > terms.last


def last_block(terms: Terms, head: Head, slot_time: int) -> int:
    """The highest number that a block within the call's window can have.

    For a window of seconds: if from `head` on each block came as early as it can.
    """
    return last_block_by(terms.unit, terms.last, head, slot_time)


def last_block_by(unit: Unit, last: int, head: Head, slot_time: int) -> int:
    """The highest number that a block can have that is no later than `last`, by `unit`."""
    if unit is Unit.BLOCKS:
        return last
    following = Moment.after(head, slot_time)
    return following.block + max(0, last - following.time) // slot_time
