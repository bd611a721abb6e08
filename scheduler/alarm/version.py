"""What the alarm clock asks of a version of its contracts: the one interface to all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from scheduler.alarm.calls import Moment, Status, Terms, Unit
from scheduler.chain.model import Address, Hash, Head, Log
from scheduler.transactions.expectations import Expectations
from scheduler.transactions.intents import Effects, Settlement, Verdict
from scheduler.transactions.journal.searches import Searches


@dataclass(frozen=True, slots=True)
class Entry:
    """A call as the contract lists it: where it is, and when it is due.

    `target` is in `unit`; `since` is the block that scheduled it, or at which it was found.
    """

    call: Address
    unit: Unit
    target: int
    since: int


@dataclass(frozen=True, slots=True)
class Action:
    """A transaction to a call: its data, its gas limit, and what to expect of it."""

    data: bytes
    gas: int
    expects: Expectations


class Version(Protocol):
    """The calls of one contract, as its version has them.

    Whatever reads raises NodeUnavailable, RpcError, and NotThisContract where the contracts do not
    answer as those of the version do. Reads are pinned to the block that is asked about.
    """

    @property
    def name(self) -> str:
        """Such as "v0.7"."""
        ...

    @property
    def contract(self) -> Address:
        """Which one is served; one actor at a time may serve it."""
        ...

    @property
    def topics(self) -> Sequence[Hash]:
        """First topics of the logs by which calls come and change."""
        ...

    @property
    def knows(self) -> str:
        """The contract's view that says of an address whether it is a call of its own."""
        ...

    def resume(self, searches: Searches, fingerprint: str) -> None:
        """From now on searches of logs are noted there, and go on where they ended before, on the
        chain of this name. Whatever is found elsewhere than in logs needs none."""
        ...

    async def walk(self, head: Head) -> list[Entry]:
        """Everything anew: the calls that can still be executed after `head`, as far as they may
        have come near. The cost is what is open, whatever the history is."""
        ...

    async def follow(self, logs: Sequence[Log], head: Head) -> list[Entry]:
        """The calls that the logs of new blocks announce, and those that `walk` left out and that
        may be near at `head`."""
        ...

    async def read(self, calls: Sequence[Address], head: Head) -> list[tuple[Terms, Status]]:
        """What these calls are, in one batch."""
        ...

    async def reread(self, known: Mapping[Address, Status], head: Head) -> list[Status]:
        """The status of these calls, of which this much was known, in one batch."""
        ...

    def noted(self, status: Status, log: Log) -> Status | None:
        """The status after a log of the call's; None where it must be read again."""
        ...

    def execution(
        self, terms: Terms, status: Status, executor: Address, now: Moment, gas_limit: int
    ) -> Action:
        """How `executor` executes the call in a block at `now` with so much gas."""
        ...

    def judge(self, call: Address, effects: Effects, known: tuple[Terms, Status] | None) -> Verdict:
        """What a transaction that was to execute the call did, from its logs; `known` is what is
        known about the call, if anything is. The receipt's status is 1 whatever happened."""
        ...

    def claim(self, terms: Terms, status: Status, claimer: Address) -> Action:
        """How `claimer` claims the call; the deposit is its value."""
        ...

    def judge_claim(self, call: Address, effects: Effects, deposit: int) -> Verdict:
        """What a transaction that was to claim the call with so much `deposit`, in wei, did."""
        ...


@runtime_checkable
class Escrow(Version, Protocol):
    """One that holds the claimer's deposit until its call is over, and pays whoever cancels a call
    that nobody executed in its window."""

    def fate(self, status: Status, claimer: Address) -> Settlement | None:
        """What became of the deposit of `claimer`; None where the call still has it."""
        ...

    def deposit_in(self, status: Status) -> int:
        """What the call has of its claimer's deposit, wei."""
        ...

    def cleanup(self, terms: Terms, status: Status) -> Action:
        """How a call whose window is over is cancelled."""
        ...

    def reward(self, terms: Terms) -> int:
        """What that pays at the least, apart from gas, wei."""
        ...

    def judge_cleanup(self, call: Address, effects: Effects, reward: int, deposit: int) -> Verdict:
        """What a transaction that was to cancel the call did: it pays `reward` at the least, and
        gives back so much `deposit` of ours, in wei."""
        ...
