"""When a job is to be done: views of contracts, and what is said of their answers. Pure."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from scheduler.chain.model import Address, Call, CallResult
from scheduler.jobs import abi
from scheduler.transactions.expectations import View

Answers: TypeAlias = Mapping[Call, CallResult]

COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Unreadable(Exception):
    """A view could not be read, so nobody knows whether the condition is true."""


@dataclass(frozen=True)
class Reading:
    """One word of what a view answers: `word` counts them from 0."""

    contract: Address
    signature: str
    arguments: tuple[abi.Argument, ...] = ()
    word: int = 0

    @cached_property
    def call(self) -> Call:
        """Raises ValueError where the arguments do not fit the signature."""
        return Call(self.contract, abi.call_data(self.signature, self.arguments))

    def value(self, answers: Answers) -> int:
        """As an unsigned integer: 1 for true, addresses and bytes as numbers. Raises Unreadable."""
        try:
            return abi.word(answers[self.call], self.word)
        except abi.NotAnAnswer as reason:
            raise self._unreadable(reason) from reason

    def taken(self, answers: Answers, type_: str) -> abi.Argument | bytes:
        """As an argument of this type for another function. Raises Unreadable."""
        try:
            return abi.taken(answers[self.call], self.word, type_)
        except abi.NotAnAnswer as reason:
            raise self._unreadable(reason) from reason

    def _unreadable(self, reason: abi.NotAnAnswer) -> Unreadable:
        return Unreadable(f"{self.signature} of {self.contract}: {reason}")


@dataclass(frozen=True)
class Check:
    """What a reading is compared with; by default, that it is true."""

    reading: Reading
    comparison: str = "=="
    value: abi.Argument = True

    def holds(self, answers: Answers) -> bool:
        found = self.reading.value(answers)
        return COMPARISONS[self.comparison](found, abi.number(self.value))

    def readings(self) -> Iterator[Reading]:
        yield self.reading


@dataclass(frozen=True)
class All:
    """True where each part is. Every part is read, so one that is unreadable makes it so, too."""

    parts: tuple["Condition", ...]

    def holds(self, answers: Answers) -> bool:
        found = [part.holds(answers) for part in self.parts]
        return all(found)

    def readings(self) -> Iterator[Reading]:
        for part in self.parts:
            yield from part.readings()


@dataclass(frozen=True)
class AnyOf:
    """True where some part is; reads as All does."""

    parts: tuple["Condition", ...]

    def holds(self, answers: Answers) -> bool:
        found = [part.holds(answers) for part in self.parts]
        return any(found)

    def readings(self) -> Iterator[Reading]:
        for part in self.parts:
            yield from part.readings()


@dataclass(frozen=True)
class Not:
    """True where its part is false."""

    part: "Condition"

    def holds(self, answers: Answers) -> bool:
        return not self.part.holds(answers)

    def readings(self) -> Iterator[Reading]:
        yield from self.part.readings()


Condition: TypeAlias = Check | All | AnyOf | Not


def necessary_views(condition: Condition) -> tuple[View, ...]:
    """Views that must answer as they say for the condition to be true: those that answer a bool.

    Of alternatives and of comparisons nothing can be said in this way.
    """
    if isinstance(condition, All):
        return tuple(view for part in condition.parts for view in necessary_views(part))
    if isinstance(condition, Not) and isinstance(condition.part, Check):
        return _answering(condition.part, wanted=False)
    if isinstance(condition, Check):
        return _answering(condition, wanted=True)
    return ()


def _answering(test: Check, wanted: bool) -> tuple[View, ...]:
    if test.comparison != "==" or not isinstance(test.value, bool):
        return ()
    answer = int(test.value == wanted)
    call = test.reading.call
    otherwise = f"{test.reading.signature} does not answer {'yes' if answer else 'no'} any more"
    return (
        View(call.to, call.data, answer.to_bytes(abi.WORD, "big"), otherwise, test.reading.word),
    )
