"""What a job is, as data."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from scheduler.chain.model import Address, Hash, Head
from scheduler.jobs import abi
from scheduler.jobs.conditions import All, Answers, Condition, Not, Reading
from scheduler.transactions.intents import Urgency


@dataclass(frozen=True)
class Action:
    """The function that a job calls. An argument may be what a view answers at the time."""

    contract: Address
    signature: str
    arguments: tuple[abi.Argument | Reading, ...] = ()

    def data(self, answers: Answers) -> bytes:
        """The call data, where these are the answers of the views.

        Raises Unreadable where a view did not answer with what the function takes; ValueError
        where the arguments do not fit the signature.
        """
        if not any(self.readings()):
            return self.sample
        return abi.call_data(
            self.signature,
            [
                each.taken(answers, type_) if isinstance(each, Reading) else each
                for each, type_ in zip(self.arguments, abi.types_of(self.signature), strict=True)
            ],
        )

    @cached_property
    def sample(self) -> bytes:
        """Call data with something in the place of what views answer.

        Raises ValueError where the arguments do not fit the signature.
        """
        return abi.call_data(
            self.signature,
            [None if isinstance(each, Reading) else each for each in self.arguments],
        )

    @property
    def selector(self) -> bytes:
        """The first four bytes of its data, whatever the arguments are."""
        return abi.selector(self.signature)

    def readings(self) -> Iterator[Reading]:
        """The views whose answers are arguments."""
        return (each for each in self.arguments if isinstance(each, Reading))

    @property
    def function(self) -> str:
        """The function's name."""
        return self.signature.partition("(")[0]


@dataclass(frozen=True)
class Event:
    """An event of a contract, by its signature such as "LogValue(bytes32)"."""

    contract: Address
    signature: str

    @property
    def topic(self) -> Hash:
        return abi.topic(self.signature)

    @property
    def name(self) -> str:
        return self.signature.partition("(")[0]


@dataclass(frozen=True)
class Every:
    """Once in each period of so many blocks or seconds, counted as clocks do: from block 0, or from
    the epoch on. `length` is positive."""

    length: int
    unit: Literal["blocks", "seconds"]

    def period(self, head: Head) -> int:
        """The number of the period in which the block after `head` is, as far as that tells."""
        return (head.number + 1 if self.unit == "blocks" else head.timestamp) // self.length


ALWAYS: Condition = All(())
"""The condition of a job that has none but that its time has come."""


@dataclass(frozen=True)
class Job:
    """A condition, and the action for when it is true.

    `unless` are the conditions under which it is not done all the same: for as long as they last,
    or no longer than `yields` blocks where that is given. `epoch` is a number of the
    contract that changes with each time that it is done; without one its own successes are counted.
    `every` is how often it is done at most, instead of an epoch; None for whenever it is due.
    `proofs` are the events of which one shows that it was done, or none where its success alone
    does; `proving_gas` is the gas from which on it is shown without any of them: a job's contract
    may say nothing of some of its steps. `gas` is the transaction's limit; with a `gas_margin` it
    is the highest limit, and what the node estimates and so many percent more is the limit.
    `interval`, in seconds, is how often it is said that there is nothing to do; the condition is
    read with every block. `notice` is said, too, when the action is called. `max_cost` in wei; None
    for what gas costs.
    """

    name: str
    action: Action
    condition: Condition
    unless: tuple[Condition, ...] = ()
    yields: int | None = None
    epoch: Reading | None = None
    every: Every | None = None
    proofs: tuple[Event, ...] = ()
    proving_gas: int | None = None
    gas: int = 2_000_000
    gas_margin: int | None = None
    urgency: Urgency = Urgency.NORMAL
    interval: int = 0
    notice: str | None = None
    max_cost: int | None = None

    @cached_property
    def necessary(self) -> Condition:
        """What must be true for it to be done, whenever that is."""
        lasting = self.unless if self.yields is None else ()
        return All((self.condition, *(Not(each) for each in lasting)))

    def readings(self) -> Iterator[Reading]:
        """All that is read of it with every block."""
        for condition in (self.condition, *self.unless):
            yield from condition.readings()
        yield from self.action.readings()
        if self.epoch is not None:
            yield self.epoch
