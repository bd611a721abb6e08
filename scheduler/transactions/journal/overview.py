"""What whoever watches a journal asks of it again and again: counts and sums, and what is open."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scheduler.chain.model import Address
from scheduler.transactions.journal.reading import Reading

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Known:
    """An account as the journal knows it; `next_nonce` is None where it gave out none."""

    account: Address
    quarantine: str | None
    accounted: int
    highest_head: int
    next_nonce: int | None


@dataclass(frozen=True, slots=True)
class Open:
    """A slot that is not finally consumed; `intent` is the key of what it was given to, if it is
    that one's still."""

    account: Address
    nonce: int
    program: str
    created_at: float
    intent: str | None
    mined: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """What a mined transaction came to."""

    intent: str
    kind: str
    detail: str
    is_final: bool
    judged_at: float


@dataclass(frozen=True, slots=True)
class Work:
    """What a program's slots came to: how many are open, and, of mined transactions, how many did
    what they were for; `last` is the newest of those."""

    in_flight: int
    done: int
    failed: int
    last: Judged | None


@dataclass(frozen=True, slots=True)
class Holder:
    """A process of a box that has leases of a journal which several boxes share, as the program of
    this name, which has `(shadow)` behind it where it only looks on."""

    program: str
    box: str
    pid: int


@dataclass(frozen=True, slots=True)
class Money:
    """In wei, to fifteen digits; `per_day` is the mean of the fees of the last seven days, or of so
    many as there are outcomes."""

    fees: int
    earned: int
    per_day: int


class Overview:
    """A journal as it is at one moment, on the chain with this fingerprint, None for any."""

    def __init__(self, reading: Reading, chain: str | None, now: float) -> None:
        self._reading = reading
        self._chain = chain
        self._now = now

    def intents(self) -> dict[str, int]:
        """How many there are in each state."""
        return {row["state"]: int(row["number"]) for row in self._run("intents")}

    def outcomes(self) -> list[tuple[str, str, int]]:
        """By family and outcome, how many intents ended so, also those that were forgotten."""
        rows = self._run("outcomes")
        return [(row["family"], row["state"], int(row["number"])) for row in rows]

    def open_slots(self) -> list[Open]:
        """Oldest first."""
        return [Open(**{**row, "mined": bool(row["mined"])}) for row in self._run("open_slots")]

    def suspended(self) -> list[str]:
        """The keys of the intents that only the operator may resume."""
        return [row["key"] for row in self._run("suspended")]

    def accounts(self) -> list[Known]:
        """Those that the journal sends from, or keeps from sending."""
        return [Known(**row) for row in self._run("accounts")]

    def losses(self) -> int:
        """How many that were mined in the last 24 hours did nothing, or lost something."""
        [row] = self._run("losses", since=self._now - DAY_SECONDS)
        return int(row["number"])

    def work(self) -> Mapping[str, Work]:
        """By program."""
        return {
            row["program"]: Work(
                int(row["in_flight"]),
                int(row["done"]),
                int(row["failed"]),
                self._judged(row["newest"]),
            )
            for row in self._run("work")
        }

    def money(self) -> Money:
        """What all transactions cost and brought in, and what gas costs in a day."""
        week_ago = self._now - 7 * DAY_SECONDS
        [sums] = self._run("money", since=week_ago)
        [row] = self._run("first_outcome", since=week_ago)
        first = row["first"]
        days = 1.0 if first is None else max(1.0, (self._now - first) / DAY_SECONDS)
        per_day = int(float(sums["recent"]) / days)
        return Money(int(sums["fees"]), int(sums["earned"]), per_day)

    def holders(self) -> list[Holder]:
        """Who may act now, on whatever chain; nobody of a journal in a file."""
        return [Holder(**row) for row in self._run("holders")]

    def violations(self) -> dict[str, int]:
        """What must be zero, by its name."""
        return {row["name"]: int(row["number"]) for row in self._run("violations")}

    def _judged(self, attempt: int | None) -> Judged | None:
        if attempt is None:
            return None
        [row] = self._run("outcome", attempt=attempt)
        return Judged(**{**row, "is_final": bool(row["is_final"])})

    def _run(self, query: str, **values: object) -> list[dict[str, Any]]:
        return self._reading.rows_of("overview", query, **values, chain=self._chain)
