"""Whether to claim a call, and what its claim may cost: decided from numbers. Pure.

Who claims a call may execute it alone for some time, and gets a share of its payment that is the
smaller the earlier it was claimed. The seed's client left it to chance when, so that its many users
would not all claim in the same block; its rules hold here by default.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import TypeAlias

from scheduler.alarm.calls import ClaimTerms, Unit

# The seed's scale, and from where on it claims what does not pay its gas, too.
SCALE, LATE = 255, 240

# Of the rivals who claim by the seed's rules in the same block, one in so many was not in the pool
# that our node showed: an assumption, to the cautious side where transactions are public.
UNSEEN = 20

Draw: TypeAlias = Callable[[str, int], int]
"""From a call's name and a block's number to 0…255: the same number however often it is asked."""


class Strategy(Enum):
    """When calls are claimed: by the seed's rules, when it pays, or not at all."""

    SEED = "seed"
    PROFIT = "profit"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Policy:
    """How the operator wants calls claimed. Amounts in wei.

    `floor` is what a claim must be expected to bring for `Strategy.PROFIT`, `max_at_risk` is the
    most that one claim may stake, `margin` how far from the end of the claim window, by the call's
    unit, none is sent or left pending any more, and `depth` how many blocks on top of the one that
    scheduled a call keep a reorg from taking it away, its deposit then being sent to nobody.
    """

    strategy: Strategy
    max_at_risk: int
    margin: dict[Unit, int] = field(default_factory=lambda: dict.fromkeys(Unit, 0))
    floor: int = 0
    depth: int = 0

    def last(self, claim: ClaimTerms, unit: Unit) -> int:
        """The last block or second in which a claim of ours should be mined."""
        return claim.last - self.margin[unit]


def place(claim: ClaimTerms, now: int) -> int | None:
    """N, where in its claim window a call is at block or second `now`: 0…255; None outside."""
    if not claim.first <= now <= claim.last:
        return None
    return SCALE * (now - claim.first) // claim.window


def most_for_gas(policy: Policy, claim: ClaimTerms, n: int, secures: int, x: int) -> int | None:
    """What the gas of a claim may cost, in wei, at place `n` if it `secures` so much; None where
    the call is not to be claimed. `x` is what was drawn.

    By the seed's rules it is claimed if x < n, for as much as it secures, and late for anything
    that may be at risk. By profit, for what is left above the floor of what can be expected of it.
    """
    if policy.strategy is Strategy.SEED:
        if x >= n:
            return None
        return secures if n < LATE else max(secures, policy.max_at_risk)
    if policy.strategy is Strategy.PROFIT:
        lost = claim.deposit if claim.at_risk else 0
        # A rival claims by the seed's rules with a chance of n in 256.
        chances = 256 * UNSEEN
        expected = ((chances - n) * secures - n * lost) // chances
        most = expected - policy.floor - 1
        return most if most >= 0 else None
    return None


def drawing(secret: bytes | None = None) -> Draw:
    """Draws that nobody can foresee, each once for a call and a block: a head that is seen again,
    or a reorg, finds the number that was drawn. They begin anew with the program."""
    key = secret or secrets.token_bytes(32)
    return lambda call, block: sha256(key + f"{call}:{block}".encode()).digest()[0]
