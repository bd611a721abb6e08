"""Slots whose program is gone are looked after by the account's custodian: one that still runs.

Whatever waits behind them would wait for ever otherwise. The custodian needs no family for it:
what the journal's rows hold is enough to send again, to raise a price and to cancel. The outcome
is judged by the program whose intent it is, when that is back.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from scheduler.chain.model import Address
from scheduler.errors import NotYet
from scheduler.locks import Held, Hold, Locks
from scheduler.transactions.care import OpenSlot
from scheduler.transactions.desk import Desk
from scheduler.transactions.intents import Told
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.repairs import NAME as ACCOUNT

CUSTODIAN = "account/"
"""What the name of a custodian's lock begins with; a family's name is no other's."""


def actor(family: str, account: Account, contract: Address) -> str:
    """The name of the lock of the one who may act on `contract` with this account.

    One actor per chain, account and contract, whatever its program's name, journal and user are.
    """
    return f"{family}/{account.chain}/{account.address}/{contract}"


def custodian(account: Account) -> str:
    """The name of the lock of the one who looks after the account itself."""
    return f"{CUSTODIAN}{account.chain}/{account.address}"


def check_succession(
    journal: Journal, locks: Locks, account: Account, family: str, contract: Address
) -> None:
    """Raises NotYet where another account has open slots for this contract, and no program: the
    account was changed, and what is on its way would be followed by nobody."""
    for other, count in journal.open_of_others(account, family, contract).items():
        with ExitStack() as held:
            if _takes(locks, actor(family, Account(account.chain, other), contract), held):
                raise NotYet(
                    f"what {other} sent for {contract} is not final yet (open slots: {count}), and "
                    f'the account is {account.address} now; set account = "{other}" again until it '
                    "is, see: scheduler journal list --state in_slot"
                )


class Custody:
    """Finds what is left by programs that are gone, if this one is the account's custodian."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._custodian: Hold | None = None

    @contextmanager
    def orphans(self, slots: Sequence[OpenSlot]) -> Iterator[list[OpenSlot]]:
        """Those of the account's open slots whose programs are gone; none where another is
        custodian.

        Their programs cannot begin before the `with` block ends: it holds their locks.
        """
        others = [slot for slot in slots if self._desk.family(slot.bid.intent) is None]
        with ExitStack() as held:
            if others and self.is_custodian():
                actors = {self._actor(slot) for slot in others}
                gone = {name for name in actors if _takes(self._desk.locks, name, held)}
                yield [slot for slot in others if self._actor(slot) in gone]
            else:
                yield []

    def is_own(self, intent: Told) -> bool:
        """Whether it is of this program's families; the account's own is its custodian's."""
        if self._desk.family(intent) is None:
            return False
        return intent.family != ACCOUNT or self.is_custodian()

    def minds(self, intent: Told) -> bool:
        """Whether this program looks after the intent: its own, or one that nobody does."""
        if self._desk.family(intent) is not None:
            return self.is_own(intent)
        with ExitStack() as held:
            name = actor(intent.family, self._desk.account, intent.contract)
            return self.is_custodian() and _takes(self._desk.locks, name, held)

    def release(self) -> None:
        """Lets another program be the custodian."""
        if self._custodian is not None:
            self._custodian.release()
            self._custodian = None

    def _actor(self, slot: OpenSlot) -> str:
        told = slot.bid.intent
        return actor(told.family, self._desk.account, told.contract)

    def is_custodian(self) -> bool:
        """Whether this program looks after the account itself, now and until it releases it."""
        if self._desk.shadow:
            return False
        if self._custodian is None:
            account = self._desk.account
            try:
                self._custodian = self._desk.locks.take(custodian(account))
            except Held as held:
                return held.is_stopped
        return True


def _takes(locks: Locks, name: str, held: ExitStack) -> bool:
    """Whether nobody had the lock `name`, which `held` has then; or only who does nothing.

    Who is let go on in the middle of something, or finds that several stood in for it, does no
    harm: the journal takes one bid on top of another, and two on the same only once.
    """
    try:
        lock = locks.take(name)
    except Held as holder:
        return holder.is_stopped
    held.callback(lock.release)
    return True
