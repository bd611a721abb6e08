"""Deposits that were left with contracts, until it is known for good what became of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from scheduler.transactions.intents import Fate, Settlement, Told
from scheduler.transactions.journal.values import Account, Rows


@dataclass(frozen=True, slots=True)
class Deposit:
    """`amount` wei that the mined `attempt` of this intent left with its contract."""

    attempt: int
    amount: int
    intent: Told


class Deposits:
    """Which are out, and what came of them; each method is one transaction."""

    def __init__(self, rows: Rows, clock: Callable[[], float]) -> None:
        self._rows = rows
        self._clock = clock

    def out(self, account: Account) -> list[Deposit]:
        """The account's that are not settled, oldest first."""
        return [
            Deposit(id_, int(amount), Told(key, family, contract, kind, json.loads(params)))
            for id_, amount, key, family, contract, kind, params in self._rows.read(
                "deposits.out", **account.columns
            )
        ]

    def settle(self, deposit: Deposit, settlement: Settlement) -> int:
        """Notes what became of it, for good; how much of it was lost, wei.

        What came with the account's own transactions is booked with these.
        """
        with self._rows.together():
            found = self._rows.run("deposits.came_back", id=deposit.attempt)
            rest = max(0, deposit.amount - sum(int(returned) for (returned,) in found))
            lost = rest if settlement.fate is Fate.GONE else 0
            self._rows.run(
                "deposits.settle",
                id=deposit.attempt,
                returned=str(rest - lost),
                lost=str(lost),
                detail=settlement.detail,
                now=self._clock(),
            )
        return lost
