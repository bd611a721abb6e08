"""What an intent lets be read about itself: before it, behind it, and of who pays its gas back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scheduler.chain.model import Address, Call, CallResult


@dataclass(frozen=True, slots=True)
class View:
    """A call that changes nothing, and what is expected of it; `otherwise` says what else it means.

    One that fails answers something else, too. Where `word` is given, only that 32-byte word of
    the answer counts.
    """

    to: Address
    data: bytes
    answer: bytes
    otherwise: str
    word: int | None = None

    def as_data(self) -> dict[str, Any]:
        """As JSON takes it; `from_data` reads it."""
        return {
            "to": self.to,
            "data": self.data.hex(),
            "answer": self.answer.hex(),
            "otherwise": self.otherwise,
            "word": self.word,
        }

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> "View":
        octets = {name: bytes.fromhex(data[name]) for name in ("data", "answer")}
        return View(**{**data, **octets})

    def call(self, gas: int | None = None) -> Call:
        """The view as a call with so much gas."""
        return Call(self.to, self.data, gas=gas)

    def holds(self, answer: CallResult) -> bool:
        """Whether it answered as expected."""
        found = answer.data
        if self.word is not None:
            found = found[32 * self.word : 32 * (self.word + 1)]
        return answer.ok and found == self.answer


@dataclass(frozen=True, slots=True)
class Refund:
    """A contract that pays the sender's gas back out of what it has, but for `reserved` wei."""

    payer: Address
    reserved: int = 0

    def as_data(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {"payer": self.payer, "reserved": self.reserved}


@dataclass(frozen=True, slots=True)
class Expectations:
    """How an intent's effect can be told where its logs cannot be had, or do not tell all.

    `before` are views that hold, on the state that it is built on, where it can have its effect:
    they, and `refund`, are all there is on nodes that cannot simulate. `after` are views that hold
    behind it where it had its effect: simulated right behind it. `complete` holds in the state of
    the block that has it where it did all that it was for, and its logs do not tell.
    """

    before: tuple[View, ...] = ()
    after: tuple[View, ...] = ()
    refund: Refund | None = None
    complete: View | None = None

    def as_data(self) -> dict[str, Any]:
        """As JSON takes it; `from_data` reads it."""
        return {
            "before": [view.as_data() for view in self.before],
            "after": [view.as_data() for view in self.after],
            "refund": None if self.refund is None else self.refund.as_data(),
            "complete": None if self.complete is None else self.complete.as_data(),
        }

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> "Expectations":
        refund, complete = data["refund"], data["complete"]
        return Expectations(
            before=tuple(map(View.from_data, data["before"])),
            after=tuple(map(View.from_data, data["after"])),
            refund=None if refund is None else Refund(**refund),
            complete=None if complete is None else View.from_data(complete),
        )


NOTHING_EXPECTED = Expectations()


def unmet(views: Sequence[View], answers: Sequence[CallResult]) -> str | None:
    """What it means that the first of the views did not answer as expected; None where all did."""
    for view, answer in zip(views, answers, strict=True):
        if not view.holds(answer):
            return view.otherwise
    return None
