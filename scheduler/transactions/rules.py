"""What may be signed: which function, of whom, with how much ether, for how much gas. Pure.

A family declares its rules as data, and the operator may tighten them. What no rule allows is not
signed, whoever asks for it: a mistake in a family, or a forged event, costs nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from eth_utils.crypto import keccak

from scheduler.chain.model import Address
from scheduler.transactions.encoding import Transaction

# Of a rule that leaves open who is called: each scheduled call is a contract of its own.
ANY = None

# The only functions for which a rule may do so: an alarm's (v0.6, v0.7 and 1.0 have the same).
FOR_ANY = frozenset(keccak(text=name)[:4] for name in ("execute()", "claim()", "cancel()"))

# The most that a transfer of nothing to oneself may cost, in wei: 21,000 gas at 47,000 gwei. It is
# what frees a slot, so the operator's limits are not for it; fees.max-gas-price is.
OWN_TRANSFER_COST = 10**18


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of transaction that may be signed.

    `name` is the operator's word for it, `selector` the first four bytes of its data, `max_value`
    and `max_gas_cost` (gas limit times the most per gas) are in wei, `recipients` are who may be
    called, or ANY.
    """

    name: str
    selector: bytes
    max_value: int
    max_gas_cost: int
    recipients: frozenset[Address] | None

    def __post_init__(self) -> None:
        """Raises ValueError for ANY where it is not allowed."""
        if self.recipients is ANY and self.selector not in FOR_ANY:
            raise ValueError(f"the rule {self.name} must name its recipients")

    def objection(self, transaction: Transaction) -> str | None:
        """Why this rule does not allow the transaction, in words that do not change with prices."""
        if self.recipients is not ANY and transaction.to not in self.recipients:
            return f"the rule {self.name} does not allow {transaction.to} as its recipient"
        if transaction.value > self.max_value:
            return (
                f"it would send {transaction.value} wei along, and the rule {self.name} allows "
                f"{self.max_value}"
            )
        if _gas_cost(transaction) > self.max_gas_cost:
            return (
                f"its gas may cost more than the {self.max_gas_cost} wei that the rule "
                f"{self.name} allows"
            )
        return None


@dataclass(frozen=True, slots=True)
class Tightening:
    """What an operator allows less than the rules do; None leaves them as they are. In wei."""

    max_value: int | None = None
    max_gas_cost: int | None = None
    recipients: frozenset[Address] | None = None

    def of(self, rule: Rule) -> Rule:
        """The rule, with whatever is stricter here."""
        recipients = rule.recipients
        if self.recipients is not None:
            recipients = self.recipients & (self.recipients if recipients is ANY else recipients)
        return replace(
            rule,
            max_value=_least(rule.max_value, self.max_value),
            max_gas_cost=_least(rule.max_gas_cost, self.max_gas_cost),
            recipients=recipients,
        )


class RuleBook:
    """The rules of all families of this installation, whether they run in this program or not."""

    def __init__(
        self, rules: Mapping[str, Sequence[Rule]], tightening: Tightening = Tightening()
    ) -> None:
        """`rules` by the name of the family."""
        self._rules = {
            family: tuple(tightening.of(rule) for rule in declared)
            for family, declared in rules.items()
        }

    def rules(self) -> tuple[Rule, ...]:
        """All of them, as strict as the operator made them."""
        return tuple(rule for declared in self._rules.values() for rule in declared)

    def objection(self, family: str, sender: Address, transaction: Transaction) -> str | None:
        """Why the transaction may not be signed by `sender` for `family`; None where it may."""
        if is_own_transfer(sender, transaction):
            if _gas_cost(transaction) > OWN_TRANSFER_COST:
                return f"a transfer to oneself may not cost more than {OWN_TRANSFER_COST} wei"
            return None
        selector = transaction.data[:4]
        objections = [
            rule.objection(transaction)
            for rule in self._rules.get(family, ())
            if rule.selector == selector
        ]
        if not objections:
            what = f"the function 0x{selector.hex()}" if selector else "a plain transfer"
            return f"no rule of the family {family} allows {what} to {transaction.to}"
        return None if None in objections else objections[0]


def is_own_transfer(sender: Address, transaction: Transaction) -> bool:
    """Whether it moves nothing and calls nobody: `sender` sends itself no ether and no data."""
    return (transaction.to, transaction.value, transaction.data) == (sender, 0, b"")


def _gas_cost(transaction: Transaction) -> int:
    return transaction.gas * transaction.fee.cap


def _least(rule: int, operator: int | None) -> int:
    return rule if operator is None else min(rule, operator)
