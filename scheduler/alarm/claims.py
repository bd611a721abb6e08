"""Which calls are to be claimed now: by the rules, and where no rival's claim is on its way."""

from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.alarm import abi
from scheduler.alarm.calls import Moment
from scheduler.alarm.claiming import Draw, Policy, Strategy, most_for_gas, place
from scheduler.alarm.rivals import rivals
from scheduler.alarm.tracked import Tracked
from scheduler.chain.model import Address, Head
from scheduler.chain.protocol import Chain


@dataclass(frozen=True, slots=True)
class Claim:
    """A call to be claimed in the next block, if the gas for it costs at most so much, in wei."""

    tracked: Tracked
    most_for_gas: int


class Claims:
    """What to claim after a head, for `claimer`."""

    def __init__(
        self, chain: Chain, claimer: Address, policy: Policy, draw: Draw, slot_time: int
    ) -> None:
        self.policy = policy
        self._chain = chain
        self._claimer = claimer
        self._draw = draw
        self._slot_time = slot_time
        self.due: list[Claim] = []

    @property
    def is_on(self) -> bool:
        """Whether anything is ever claimed."""
        return self.policy.strategy is not Strategy.NEVER

    async def look(self, tracked: Iterable[Tracked], head: Head) -> None:
        """Decides what is `due` after `head`; asks for the pool once, and only if something is.

        Raises NodeUnavailable.
        """
        self.due = []
        if not self.is_on:
            return
        wanted = [claim for each in tracked if (claim := self._wanted(each, head)) is not None]
        if not wanted:
            return
        others = await rivals(self._chain, self._claimer, abi.CLAIM)
        self.due = [claim for claim in wanted if claim.tracked.terms.call not in others]

    def _wanted(self, tracked: Tracked, head: Head) -> Claim | None:
        if not tracked.is_claimable:
            return None
        terms, following = tracked.terms, Moment.after(head, self._slot_time)
        claim, at = terms.claim, following.of(terms.unit)
        n = place(claim, Moment.at(head).of(terms.unit))
        if n is None or at > self.policy.last(claim, terms.unit):
            return None
        secures = claim.share(terms.payment, at)
        x = self._draw(terms.subject(), head.number)
        most = most_for_gas(self.policy, claim, n, secures, x)
        if most is None:
            return None
        if claim.deposit > self.policy.max_at_risk:
            tracked.story.too_dear_to_claim(claim.deposit, self.policy.max_at_risk)
            return None
        return Claim(tracked, most)
