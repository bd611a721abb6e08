"""What may be promised to a transaction: money out of three purses, and a place in the pool. Pure.

What gets the account going again (Urgency.REPAIR) is bounded by the balance alone. Urgent work and
the rest have a daily budget each, so that the rest never spends what urgent work needs.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from scheduler.chain.model import Address
from scheduler.transactions.intents import Urgency
from scheduler.transactions.states import OutcomeKind

# What is sent first of what is due at the same head: it is mined first, too.
BY_URGENCY = (Urgency.REPAIR, Urgency.URGENT, Urgency.NORMAL)

# How many transactions of an account a node's pool takes: rskj's transaction.accountSlots, which it
# never exceeds; geth's --txpool.accountqueue. Of these geth guarantees --txpool.accountslots, 16,
# where its pool is full, and what it drops is sent again.
RSKJ_SLOTS = 16
GETH_SLOTS = 64

# Budgets begin anew with the UTC day, seconds.
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Deposits:
    """How much ether, in wei, transactions for these contracts may stake in a UTC day.

    What was sent along counts for as long as it is not mined, and after that as far as it did not
    come back with the transaction itself.
    """

    contracts: frozenset[Address]
    per_day: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What the operator and the node allow an account. Amounts in wei; None for no limit.

    `urgent_per_day` and `normal_per_day` are what may leave the account in a UTC day for each,
    `floor` is what work that is not urgent leaves in it, and `loss_per_contract` is after which
    loss of a UTC day nothing more is begun for a contract. `deposits` bounds what is sent along to
    some contracts. `slots` is how many transactions of an
    account the node's pool takes, `kept` how many of them are for what is urgent alone.
    """

    urgent_per_day: int | None = None
    normal_per_day: int | None = None
    floor: int = 0
    loss_per_contract: int | None = None
    slots: int | None = None
    kept: int = 0
    deposits: Deposits | None = None

    def per_day(self, urgency: Urgency) -> int | None:
        """What this purse may spend in a UTC day, wei."""
        return {Urgency.URGENT: self.urgent_per_day, Urgency.NORMAL: self.normal_per_day}.get(
            urgency
        )

    @property
    def looks_back(self) -> bool:
        """Whether it matters what was spent or lost before."""
        limits = (self.urgent_per_day, self.normal_per_day, self.loss_per_contract)
        return self.deposits is not None or any(limit is not None for limit in limits)


# Bounded by the balance alone.
NO_BUDGET = Budget()


@dataclass(frozen=True, slots=True)
class Funds:
    """What an account had at a head: its balance in wei, and how many of its nonces were mined."""

    balance: int
    nonce: int
    head_number: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What bounds a reservation: the operator's budget, and what the account has."""

    budget: Budget
    funds: Funds


@dataclass(frozen=True, slots=True)
class Promise:
    """An open slot that nothing mined has paid for yet: at most `cost` wei, from this purse."""

    nonce: int
    urgency: Urgency
    cost: int


@dataclass(frozen=True, slots=True)
class Expense:
    """A mined transaction: from which purse, for which contract, how it ended. Amounts in wei.

    `sent` is what left with it, `fee` what its gas cost, `earned` what the account was paid.
    """

    urgency: Urgency
    contract: Address
    kind: OutcomeKind
    sent: int
    fee: int
    earned: int

    @property
    def spent(self) -> int:
        """What left the account."""
        return self.fee + self.sent

    @property
    def lost(self) -> int:
        """What it cost more than it earned; what was sent is lost only where it did not succeed."""
        cost = self.fee if self.kind is OutcomeKind.SUCCEEDED else self.spent
        return max(0, cost - self.earned)

    @property
    def staked(self) -> int:
        """What was sent along and did not come back with the transaction itself."""
        return max(0, self.sent - self.earned)


@dataclass(frozen=True, slots=True)
class Books:
    """What the journal has of an account: its promises, and its expenses of this UTC day.

    `stakes` are what transactions that wait to be mined carry, in wei, and for which contracts.
    """

    promises: tuple[Promise, ...] = ()
    expenses: tuple[Expense, ...] = ()
    stakes: tuple[tuple[Address, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Want:
    """What a transaction asks for: at most `cost` wei more, and the slot `nonce`.

    `nonce` is None where it has its slot already. `stake` is how much of the cost it carries.
    `taken_over` wei are promised to that slot from the purse of less urgent work, and come from
    this one from now on.
    """

    urgency: Urgency
    contract: Address
    cost: int
    nonce: int | None = None
    stake: int = 0
    taken_over: int = 0


@dataclass
class Purse:
    """Promises what is there, and remembers why it did not promise the rest."""

    address: Address
    allowance: Allowance
    books: Books
    _shortages: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        funds, books = self.allowance.funds, self.books
        self._free = funds.balance - sum(promise.cost for promise in books.promises)
        self._today = _sums((each.urgency, each.cost) for each in books.promises)
        self._today += _sums((each.urgency, each.spent) for each in books.expenses)
        self._lost = _sums((each.contract, each.lost) for each in books.expenses)
        self._staked = _sums(books.stakes)
        self._staked += _sums((each.contract, each.staked) for each in books.expenses)
        self._normal = sum(
            each.urgency is Urgency.NORMAL and each.nonce >= funds.nonce for each in books.promises
        )

    @property
    def balance(self) -> int:
        """All that the account has, wei."""
        return self.allowance.funds.balance

    @property
    def shortage(self) -> str | None:
        """What lacked, and what to do about it; None where nothing did."""
        return "; ".join(self._shortages.values()) or None

    def room(self, urgency: Urgency) -> int:
        """The most that further transactions of this urgency may cost together, wei."""
        limit = self.allowance.budget.per_day(urgency)
        return self._free if limit is None else min(self._free, limit - self._today[urgency])

    def places(self, nonce: int) -> int | None:
        """How many transactions the node's pool still takes, the first with this nonce; None for
        as many as there are."""
        slots = self.allowance.budget.slots
        return None if slots is None else max(0, slots - (nonce - self.allowance.funds.nonce))

    def could_hold(self, cost: int) -> bool:
        """Whether the whole balance would be enough for this alone."""
        return self._lacks_nothing(self._too_poor(cost, self.balance))

    def takes(self, want: Want) -> bool:
        """Promises it, if that is allowed; one that is too much keeps no smaller one back."""
        if not self._lacks_nothing(self._objection(want)):
            return False
        self._free -= want.cost
        self._today[want.urgency] += want.cost + want.taken_over
        self._today[Urgency.NORMAL] -= want.taken_over
        self._staked[want.contract] += want.stake
        self._normal += want.nonce is not None and want.urgency is Urgency.NORMAL
        return True

    def too_much_at_stake(self, want: Want) -> str | None:
        """Why what it carries is too much for this day, in words; None where it is not."""
        deposits = self.allowance.budget.deposits
        if deposits is None or not want.stake or want.contract not in deposits.contracts:
            return None
        staked = sum(self._staked[contract] for contract in deposits.contracts)
        if staked + want.stake <= deposits.per_day:
            return None
        return (
            f"alarm.max-at-risk-per-day is {deposits.per_day} wei, and with its deposit of "
            f"{want.stake} wei more than that would be staked today (UTC)"
        )

    def _lacks_nothing(self, objection: tuple[str, str] | None) -> bool:
        if objection is not None:
            self._shortages.setdefault(*objection)
        return objection is None

    def _objection(self, want: Want) -> tuple[str, str] | None:
        """What it is about, and in words; the first that there is."""
        if want.urgency is Urgency.REPAIR:
            return self._too_poor(want.cost, self._free)
        too_much_at_stake = self.too_much_at_stake(want)
        if too_much_at_stake is not None:
            return "deposits", too_much_at_stake
        return (
            self._no_room(want)
            or self._too_lossy(want)
            or self._too_much_today(want)
            or self._too_poor(want.cost, self._free)
            or self._below_floor(want)
        )

    def _no_room(self, want: Want) -> tuple[str, str] | None:
        slots, kept = self.allowance.budget.slots, self.allowance.budget.kept
        if slots is None or want.nonce is None:
            return None
        if not self.places(want.nonce):
            return "slots", (
                f"{slots} transactions of {self.address} are in flight, all that the node takes; "
                "what else is due waits for them to be mined"
            )
        if want.urgency is Urgency.NORMAL and self._normal >= slots - kept:
            return "kept slots", (
                f"{slots - kept} transactions of {self.address} that are not urgent are in flight, "
                f"and the other {kept} of the {slots} that the node takes are kept for urgent "
                "ones; what else is due waits for them to be mined"
            )
        return None

    def _too_lossy(self, want: Want) -> tuple[str, str] | None:
        limit = self.allowance.budget.loss_per_contract
        # What is in its slot already may be mined in any case: its price may rise.
        if limit is None or want.nonce is None or self._lost[want.contract] < limit:
            return None
        return f"loss {want.contract}", (
            f"{want.contract} lost {self._lost[want.contract]} wei today (UTC), and "
            f"budget.loss-per-contract is {limit} wei; nothing more is sent to it until tomorrow: "
            "see what failed with scheduler journal list, or raise that limit"
        )

    def _too_much_today(self, want: Want) -> tuple[str, str] | None:
        limit = self.allowance.budget.per_day(want.urgency)
        asked = want.cost + want.taken_over
        lacks = 0 if limit is None else self._today[want.urgency] + asked - limit
        if lacks <= 0:
            return None
        key = f"budget.{want.urgency.value}-per-day"
        return key, (
            f"{key} is {limit} wei, {lacks} wei less than what was spent today (UTC) and what is "
            "due may cost; it waits until tomorrow, or raise that limit"
        )

    def _too_poor(self, cost: int, there: int) -> tuple[str, str] | None:
        if cost <= there:
            return None
        return "balance", (
            f"{self.address} has {self.allowance.funds.balance} wei, {cost - there} wei less than "
            "what is due may cost; send ether to it"
        )

    def _below_floor(self, want: Want) -> tuple[str, str] | None:
        floor = self.allowance.budget.floor
        if want.urgency is not Urgency.NORMAL or self._free - want.cost >= floor:
            return None
        return "floor", (
            f"{self.address} has {self.allowance.funds.balance} wei, and {floor} wei "
            "(budget.floor) of it are kept for urgent work; what else is due waits: send ether "
            "to it, or lower that floor"
        )


def _sums(amounts: Iterable[tuple[object, int]]) -> Counter[object]:
    """The sums by key."""
    sums: Counter[object] = Counter()
    for key, amount in amounts:
        sums[key] += amount
    return sums
