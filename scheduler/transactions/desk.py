"""What sending from one account on one chain needs, and what follows from that alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from scheduler.chain.model import Conditions, Head
from scheduler.chain.protocol import Node
from scheduler.counters import Counters
from scheduler.errors import NotYet
from scheduler.locks import KernelLocks, Locks
from scheduler.transactions.encoding import Fee, Transaction
from scheduler.transactions.fees import FeePolicy, FeeTooHigh, first_price
from scheduler.transactions.guard import Guard
from scheduler.transactions.intents import Family, Intent, Told
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.ladder import fee_of, without_echo
from scheduler.transactions.purse import NO_BUDGET, Budget


@dataclass(frozen=True, slots=True)
class Desk:
    """What sending from one account on one chain needs, and who it is done for.

    `program` is the name by which the operator holds it back. `budget` bounds it
    together with all that share its journal and account. `slot_time` is the least time between two
    blocks' timestamps, in seconds. `locks` are those of all that share its journal; `counters` are
    for whoever measures it.
    """

    node: Node
    chain_id: int
    account: Account
    signer: Guard
    journal: Journal
    policy: FeePolicy
    families: Sequence[Family]
    program: str = "scheduler"
    budget: Budget = NO_BUDGET
    slot_time: int = 1
    locks: Locks = field(default_factory=KernelLocks)
    counters: Counters = field(default_factory=Counters)

    def family(self, told: Told) -> Family | None:
        """Whose intent this is; None for one that another program on this account takes care of."""
        for family in self.families:
            if (family.name, family.contract) == (told.family, told.contract):
                return family
        return None

    def transaction(self, intent: Intent, nonce: int, fee: Fee) -> Transaction:
        """What is signed for the intent in this slot, at this price."""
        return Transaction(
            self.chain_id, nonce, intent.to, intent.value, intent.gas, intent.data, fee
        )

    def market(self, head: Head, conditions: Conditions, blocks_ahead: int = 1) -> Fee:
        """The price with which a transaction starts that is for the block so many after `head`.

        Raises NotYet where it is above the operator's ceiling.
        """
        raised = [
            (fee_of(bid), fee_of(first)) for bid, first in self.journal.raised_bids(self.account)
        ]
        try:
            suggested = without_echo(conditions.suggested, raised)
            return first_price(head, suggested, self.policy, blocks_ahead)
        except FeeTooHigh as error:
            raise NotYet(str(error)) from error
