"""Whether the journal may send from an account: one row, which all its programs obey."""

from collections.abc import Callable
from dataclasses import dataclass

from scheduler.chain.model import Address
from scheduler.transactions.journal.database import Database, Tables
from scheduler.transactions.journal.errors import Quarantined
from scheduler.transactions.journal.values import Account
from scheduler.transactions.states import Quarantine


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands with the journal.

    `quarantine` says why nothing new is sent from it, None where it may; `calm_since` is the block
    since which nothing unknown of it was pending. The nonces below `accounted` are accounted for,
    though others' are in no slot. `highest_head` is the highest block that the journal was written
    at.
    """

    quarantine: Quarantine | None
    calm_since: int | None
    accounted: int
    highest_head: int


class Accounts(Tables):
    """Lets an account send, or keeps it in quarantine."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        super().__init__(database)
        self._clock = clock

    def standing(self, account: Account) -> Standing | None:
        """How the account stands; None for one that the journal does not know."""
        rows = self._read("standing", **account.columns)
        if not rows:
            return None
        [(why, calm_since, accounted, highest_head)] = rows
        return Standing(why and Quarantine(why), calm_since, accounted, highest_head)

    def admitted(self, account: Account) -> bool:
        """Whether new intents of the account may get slots."""
        standing = self.standing(account)
        return standing is not None and standing.quarantine is None

    def chains(self) -> set[str]:
        """The chains of the accounts that it knows."""
        return {chain for (chain,) in self._read("chains")}

    def quarantined(self) -> list[Account]:
        """All accounts in quarantine, the longest known first."""
        return [Account(*row) for row in self._read("quarantined")]

    def open_of_others(
        self, account: Account, family: str, contract: Address
    ) -> dict[Address, int]:
        """The chain's other accounts with open slots for this contract, and how many they have."""
        rows = self._read("open_of_others", **account.columns, family=family, contract=contract)
        return dict(rows)

    def admit(self, account: Account, accounted: int = 0) -> None:
        """Lets the account send from now on, because somebody who knows says so.

        Its first `accounted` nonces are accounted for by who says it.
        """
        with self.together():
            self._run("admit", **account.columns, accounted=accounted, now=self._clock())

    def put_in_quarantine(self, account: Account, why: Quarantine, accounted: int) -> None:
        """Lets the account send nothing new until it is released; begins anew where it is so."""
        with self.together():
            self._run("quarantine", **account.columns, why=why.value, accounted=accounted)

    def calm_since(self, account: Account, since: int | None) -> None:
        """Notes since which block nothing unknown is pending; None where something is."""
        with self.together():
            self._run("set_calm_since", **account.columns, since=since)

    def release(self, account: Account, since: int) -> bool:
        """Ends a quarantine that was calm since then; False where another program began it anew."""
        with self.together():
            found = self._run("release", **account.columns, since=since, now=self._clock())
        return found != []

    def account_for(self, account: Account, count: int) -> bool:
        """Notes that the first `count` nonces are accounted for; whether that was news."""
        with self.together():
            return self._run("account_for", **account.columns, accounted=count) != []

    def _must_be_admitted(self, account: Account) -> None:
        """Within the transaction that gives out slots. Raises Quarantined."""
        if not self.admitted(account):
            raise Quarantined(f"{account.address} is in quarantine; nothing new is sent from it")
