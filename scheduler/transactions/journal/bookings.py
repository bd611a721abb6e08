"""What the account earned and spent, as the journal has it: exact, and in sums that add up."""

from dataclasses import dataclass, replace
from typing import TypeAlias

from scheduler.chain.model import Address
from scheduler.transactions.journal.values import Account, Row

# What tells one day's sum from another's.
Place: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Booking:
    """Money of one mined transaction, or of several: amounts in wei.

    `day` is the UTC day on which it was judged, as YYYY-MM-DD; `chain_id` the chain's id; `call` is
    the alarm clock's call that it was for, None where it was for none or several. `number` counts
    the transactions, `not_final` those that a reorg may still take back.

    `fees` were paid for gas, `sent` left the account beside that, `earned` came in, `returned` of
    it as a deposit that had been sent; `lost` is what of `sent` never comes back.
    """

    day: str
    chain: str
    account: Address
    chain_id: int
    family: str
    contract: Address
    call: Address | None
    number: int
    fees: int
    sent: int
    earned: int
    returned: int
    lost: int
    not_final: int = 0

    @property
    def owner(self) -> Account:
        """Whose money it is."""
        return Account(self.chain, self.account)

    @property
    def place(self) -> Place:
        """Which day's sum it is of, by the columns of past_days."""
        names = ("chain", "account", "day", "family", "contract")
        return {name: getattr(self, name) for name in names}

    @property
    def columns(self) -> dict[str, object]:
        """As a row of past_days."""
        amounts = {name: str(getattr(self, name)) for name in _AMOUNTS}
        return {**self.place, "chain_id": hex(self.chain_id), "number": self.number, **amounts}

    def of_its_day(self) -> "Booking":
        """What is kept of it when its intent is forgotten."""
        return replace(self, call=None, not_final=0)

    def __add__(self, other: "Booking") -> "Booking":
        """Both together; what they are about is that of the first."""
        sums = ("number", *_AMOUNTS, "not_final")
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in sums})


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """A transaction that waits to be mined, which takes at most `may_cost` wei."""

    owner: Account
    chain_id: int
    may_cost: int


_AMOUNTS = ("fees", "sent", "earned", "returned", "lost")


def booking_of(row: Row) -> Booking:
    """From a row of a query `bookings`: one outcome's, or that of a deposit that was settled."""
    day, chain, account, chain_id, family, contract, call, gas, price, *rest = row
    *amounts, is_final, number = rest
    sent, earned, returned, lost = map(int, amounts)
    return Booking(
        day=day,
        chain=chain,
        account=account,
        chain_id=int(chain_id, 16),
        family=family,
        contract=contract,
        call=call,
        number=number,
        fees=gas * int(price),
        sent=sent,
        earned=earned,
        returned=returned,
        lost=lost,
        not_final=int(not is_final),
    )


def day_of(row: Row) -> Booking:
    """From a row of past_days: the sum of what was forgotten."""
    day, chain, account, chain_id, family, contract, number, *amounts = row
    fees, sent, earned, returned, lost = map(int, amounts)
    return Booking(
        day=day,
        chain=chain,
        account=account,
        chain_id=int(chain_id, 16),
        family=family,
        contract=contract,
        call=None,
        number=number,
        fees=fees,
        sent=sent,
        earned=earned,
        returned=returned,
        lost=lost,
    )
