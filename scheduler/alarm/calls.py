"""A scheduled call as values, and the rules of when whom it lets do what. No I/O.

The rules are CallLib's of v0.7 (measured on the real contract at ±1 block).
"""

from dataclasses import dataclass, replace
from hashlib import sha256

from scheduler.chain.model import ZERO_ADDRESS, Address

# How long the claimer alone may execute, in blocks from the target on (CALL_WINDOW_SIZE).
RESERVED_BLOCKS = 16

# The largest grace period: it is a uint8.
LONGEST_GRACE = 255

# What the seed adds to requiredGas. The contract must still have requiredGas when it starts, and
# spends about 50,000 on its own books: at 200,000 a limit of 230,000 aborts, 250,000 executes.
EXECUTION_OVERHEAD_GAS = 100_000

# EIP-7825: no transaction may have a higher gas limit.
TRANSACTION_GAS_CAP = 16_777_216


@dataclass(frozen=True, slots=True)
class Terms:
    """What about a call never changes. Blocks, gas, wei."""

    call: Address
    target: int
    grace: int
    required_gas: int
    payment: int
    donation: int
    value: int
    recipient: Address
    signature: bytes
    owner: Address

    @property
    def last_block(self) -> int:
        """The last block in which the call can be executed: it is callable below target + grace."""
        return self.target + self.grace - 1

    def subject(self) -> str:
        """Names the call for good: its address, and a hash of its terms.

        The address alone would not do: after a reorg another call may be created there.
        """
        terms = (
            self.target,
            self.grace,
            self.required_gas,
            self.payment,
            self.donation,
            self.value,
            self.recipient,
            self.signature.hex(),
            self.owner,
        )
        return f"{self.call}-{sha256(repr(terms).encode()).hexdigest()[:16]}"

    def execution_gas(self, block_gas_limit: int) -> int:
        """The gas limit of the transaction that executes the call."""
        wanted = self.required_gas + EXECUTION_OVERHEAD_GAS
        return min(wanted, block_gas_limit, TRANSACTION_GAS_CAP)


@dataclass(frozen=True, slots=True)
class Status:
    """What about a call does change. `executor` is who executed it, where that was seen."""

    claimer: Address = ZERO_ADDRESS
    cancelled: bool = False
    executed: bool = False
    executor: Address | None = None

    def same_for_us(self, other: "Status") -> bool:
        """Whether both lead to the same decisions."""
        return replace(self, executor=None) == replace(other, executor=None)

    def claimed_by(self, claimer: Address) -> "Status":
        return replace(self, claimer=claimer)

    def cancelled_now(self) -> "Status":
        return replace(self, cancelled=True)

    def executed_by(self, executor: Address) -> "Status":
        return replace(self, executed=True, executor=executor)


def first_turn(terms: Terms, status: Status, us: Address) -> int:
    """The first block in which `us` may execute the call, by the seed's rules.

    Unclaimed or claimed by us: at the target. Claimed by another: once it is free for all.
    """
    if status.claimer in (ZERO_ADDRESS, us):
        return terms.target
    return terms.target + RESERVED_BLOCKS


def is_our_turn(terms: Terms, status: Status, us: Address, block: int) -> bool:
    """Whether `us` should execute the call in block `block`."""
    if status.cancelled or status.executed:
        return False
    return first_turn(terms, status, us) <= block <= terms.last_block
