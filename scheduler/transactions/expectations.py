"""What an intent lets be read about itself: before it, behind it, and of who pays its gas back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scheduler.chain.model import Address, Call, CallResult


@dataclass(frozen=True, slots=True)
class View:
    """A call that changes nothing, and what is expected of it; `otherwise` says what else it means.

    One that fails answers something else, too.
    """

    to: Address
    data: bytes
    answer: bytes
    otherwise: str

    def as_data(self) -> dict[str, str]:
        """As JSON takes it; `from_data` reads it."""
        return {**asdict(self), "data": self.data.hex(), "answer": self.answer.hex()}

    @staticmethod
    def from_data(data: Mapping[str, str]) -> "View":
        octets = {name: bytes.fromhex(data[name]) for name in ("data", "answer")}
        return View(to=data["to"], otherwise=data["otherwise"], **octets)

    def call(self, gas: int | None = None) -> Call:
        """The view as a call with so much gas."""
        return Call(self.to, self.data, gas=gas)


@dataclass(frozen=True, slots=True)
class Refund:
    """A contract that pays the sender's gas back out of what it has, but for `reserved` wei."""

    payer: Address
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class Expectations:
    """How an intent's effect can be told where its logs cannot be had, or do not tell all.

    `before` are views that hold, on the state that it is built on, where it can have its effect:
    they, and `refund`, are all there is on nodes that cannot simulate. `after` are views that hold
    behind it where it had its effect: simulated right behind it.
    """

    before: tuple[View, ...] = ()
    after: tuple[View, ...] = ()
    refund: Refund | None = None

    def as_data(self) -> dict[str, Any]:
        """As JSON takes it; `from_data` reads it."""
        return {
            "before": [view.as_data() for view in self.before],
            "after": [view.as_data() for view in self.after],
            "refund": None if self.refund is None else asdict(self.refund),
        }

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> "Expectations":
        refund = data["refund"]
        return Expectations(
            before=tuple(map(View.from_data, data["before"])),
            after=tuple(map(View.from_data, data["after"])),
            refund=None if refund is None else Refund(**refund),
        )


NOTHING_EXPECTED = Expectations()


def unmet(views: Sequence[View], answers: Sequence[CallResult]) -> str | None:
    """What it means that the first of the views did not answer as expected; None where all did."""
    for view, answer in zip(views, answers, strict=True):
        if not answer.ok or answer.data != view.answer:
            return view.otherwise
    return None
