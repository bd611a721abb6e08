"""What was earned and spent, summed up by call and by day. Pure: bookings in, sums out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from scheduler.transactions.journal import Account
from scheduler.transactions.journal.bookings import Booking, OnItsWay
from scheduler.transactions.repairs import NAME as OWN_NONCES


class By(Enum):
    """What a line of the report is about: one call, or job; or one UTC day."""

    CALL = "call"
    DAY = "day"


@dataclass(slots=True)
class Sums:
    """Amounts in wei of so many mined `transactions`, `not_final` of which a reorg may take back.

    `earned` is what came in, without deposits; `fees` were paid for gas, `transferred` is what
    others sent from the account. Of deposits, `staked` were sent along, `returned` came back and
    `lost` never will.
    """

    transactions: int = 0
    not_final: int = 0
    earned: int = 0
    fees: int = 0
    transferred: int = 0
    staked: int = 0
    returned: int = 0
    lost: int = 0

    @property
    def spent(self) -> int:
        """What is gone apart from deposits."""
        return self.fees + self.transferred

    @property
    def at_stake(self) -> int:
        """How much of the deposits is out: of a period, how much more than before it."""
        return self.staked - self.returned - self.lost

    @property
    def net(self) -> int:
        """By how much the account's balance changed."""
        return self.earned - self.spent - self.at_stake - self.lost

    def add(self, booking: Booking) -> None:
        """Takes it in."""
        self.transactions += booking.number
        self.not_final += booking.not_final
        self.earned += booking.earned - booking.returned
        self.fees += booking.fees
        if booking.family == OWN_NONCES:
            self.transferred += booking.sent
        else:
            self.staked += booking.sent
        self.returned += booking.returned
        self.lost += booking.lost


# What a line is about: by the names of the columns that say so.
Subject: TypeAlias = tuple[tuple[str, str], ...]

# What each line is about where nothing was asked for: both.
EACH = frozenset(By)


@dataclass(slots=True)
class Statement:
    """One account's report on one chain: its lines in the order of time, and their total.

    `ever` is the total of all time, whatever the period is. So many transactions are
    `on_their_way`, which take at most `may_cost` wei, and `unknown` is how many of the account's
    nonces were used by what the journal does not know.
    """

    owner: Account
    chain_id: int
    lines: dict[Subject, Sums] = field(default_factory=dict)
    total: Sums = field(default_factory=Sums)
    ever: Sums = field(default_factory=Sums)
    on_their_way: int = 0
    may_cost: int = 0
    unknown: int = 0


def statements(
    bookings: Iterable[Booking],
    by: Iterable[By] = EACH,
    since: str | None = None,
    on_their_way: Sequence[OnItsWay] = (),
    unknown: Mapping[Account, int] | None = None,
) -> list[Statement]:
    """A statement for each account, of the days from `since` (YYYY-MM-DD, UTC) on."""
    asked = frozenset(by)
    found: dict[Account, Statement] = {}
    for each in on_their_way:
        statement = found.setdefault(each.owner, Statement(each.owner, each.chain_id))
        statement.on_their_way += 1
        statement.may_cost += each.may_cost
    for booking in bookings:
        owner = booking.owner
        statement = found.setdefault(owner, Statement(owner, booking.chain_id))
        statement.ever.add(booking)
        if since is None or booking.day >= since:
            statement.total.add(booking)
            statement.lines.setdefault(_subject(booking, asked), Sums()).add(booking)
    for owner, statement in found.items():
        statement.unknown = (unknown or {}).get(owner, 0)
    return list(found.values())


def _subject(booking: Booking, by: frozenset[By]) -> Subject:
    day = (("day", booking.day),) if By.DAY in by else ()
    if By.CALL not in by:
        return day
    what = ("family", booking.family), ("contract", booking.contract), ("call", booking.call or "")
    return (*day, *what)
