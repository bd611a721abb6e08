"""What a job is, as data."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from scheduler.chain.model import Address, Hash
from scheduler.jobs import abi
from scheduler.jobs.conditions import All, Condition, Not, Reading
from scheduler.transactions.intents import Urgency


@dataclass(frozen=True)
class Action:
    """The function that a job calls."""

    contract: Address
    signature: str
    arguments: tuple[abi.Argument, ...] = ()

    @cached_property
    def data(self) -> bytes:
        """The call data. Raises ValueError where the arguments do not fit the signature."""
        return abi.call_data(self.signature, self.arguments)

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
class Job:
    """A condition, and the action for when it is true.

    `unless` are the conditions under which it is not done all the same: for as long as they last,
    or no longer than `yields` blocks where that is given. `epoch` is a number of the
    contract that changes with each time that it is done; without one its own successes are counted.
    `proofs` are the events of which one shows that it was done, or none where its success alone
    does; `proving_gas` is the gas from which on it is shown without any of them: a job's contract
    may say nothing of some of its steps. `gas` is the transaction's limit. `interval`, in seconds,
    is how often it is said that there is nothing to do; the condition is read with every block.
    `notice` is said, too, when the action is called. `max_cost` in wei; None for what gas costs.
    """

    name: str
    action: Action
    condition: Condition
    unless: tuple[Condition, ...] = ()
    yields: int | None = None
    epoch: Reading | None = None
    proofs: tuple[Event, ...] = ()
    proving_gas: int | None = None
    gas: int = 2_000_000
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
        if self.epoch is not None:
            yield self.epoch
