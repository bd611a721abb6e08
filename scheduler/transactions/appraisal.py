"""What transactions would do, what that means to families, and at which fee it is worth it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from scheduler.transactions.desk import Desk
from scheduler.transactions.encoding import Fee
from scheduler.transactions.fees import at_least
from scheduler.transactions.intents import Effects, Family, Verdict
from scheduler.transactions.rivals import Rival, overtaking
from scheduler.transactions.simulation import Aim, Trial, simulated
from scheduler.transactions.states import OutcomeKind

Least: TypeAlias = Callable[[Trial], Fee | None]
"""The lowest fee that is good enough for a trial; None where there is none."""


@dataclass(frozen=True, slots=True)
class Appraisal:
    """What a transaction would do at its trial's fee, and what it could cost net, in wei.

    `cost` is None where it is not for this program to say whether that is too much. `rival` is who
    has the effect before it, as far as is known.
    """

    trial: Trial
    verdict: Verdict
    cost: int | None
    rival: Rival | None = None

    @property
    def is_effective(self) -> bool:
        """Whether it would have an effect for which it is sent."""
        return self.verdict.kind in self.trial.intent.worth_sending

    @property
    def is_too_dear(self) -> bool:
        """Whether it would be sent, and could cost more than it may."""
        too_much = self.cost is not None and self.cost > self.trial.intent.max_cost
        return self.is_effective and too_much

    @property
    def is_worth_it(self) -> bool:
        """Whether it would be sent at its fee."""
        return self.is_effective and not self.is_too_dear

    @property
    def decided(self) -> "Appraisal":
        """The same, abandoned where its fee is not low enough."""
        if self.cost is None or not self.is_too_dear:
            return self
        earned = self.verdict.earned
        detail = f"it would cost {self.cost + earned} wei and pay {earned} wei"
        return replace(self, verdict=Verdict(OutcomeKind.ABANDONED, detail))

    @property
    def naming_the_rival(self) -> "Appraisal":
        """The same; where it has no effect behind a rival, it says who that is."""
        if self.is_effective or self.rival is None:
            return self
        detail = f"transaction {self.rival.sent.hash} of {self.rival.sender} comes before it"
        return replace(self, verdict=Verdict(OutcomeKind.NO_EFFECT, detail))


async def appraised(desk: Desk, trials: Sequence[Trial], aim: Aim, least: Least) -> list[Appraisal]:
    """What each would do in the block aimed at, behind the others, at the most that it may cost.

    On the state of the head, in which none of its own pending attempts are. They are given in the
    order of their nonces, since that is how they would be mined. Whether one is worth it decides
    the highest price that its fee allows; one that is not is tried once more, at the `least` fee,
    and abandoned if it is not worth that. One without effect behind its rivals is tried once more
    before them. What is paid back may depend on the price (v0.7 pays for less gas than is used,
    and a smaller bounty the dearer that is), so nothing is signed at another than was tried. Raises
    as `simulated` does.
    """
    found = await _tried(desk, trials, aim)
    behind = await _at(desk, found, [_fee_after(each, least) for each in found], aim)
    before = await _at(desk, behind, [_fee_to_overtake(each, desk, aim) for each in behind], aim)
    return [
        # Where to be before rivals is not worth it, it is left to them.
        (now if now.is_worth_it else then).naming_the_rival.decided
        for then, now in zip(behind, before, strict=True)
    ]


async def _at(
    desk: Desk, found: Sequence[Appraisal], fees: Sequence[Fee], aim: Aim
) -> Sequence[Appraisal]:
    """The same at these fees; tried once more, if any of them is another."""
    trials = [each.trial for each in found]
    again = [replace(trial, fee=fee) for trial, fee in zip(trials, fees, strict=True)]
    return found if again == trials else await _tried(desk, again, aim)


async def _tried(desk: Desk, trials: Sequence[Trial], aim: Aim) -> list[Appraisal]:
    if not trials:
        return []
    effects = await simulated(desk.node, trials, aim)
    return [
        replace(
            weighed(desk.family(trial.intent.told), trial, effect),
            rival=_first_to_have_it(desk.family(trial.intent.told), trial, effect, aim),
        )
        for trial, effect in zip(trials, effects, strict=True)
    ]


def _first_to_have_it(
    family: Family | None, trial: Trial, effects: Effects, aim: Aim
) -> Rival | None:
    """The rival who has the effect before it; the first of all, where none of them seems to."""
    behind, intent = trial.behind(aim), trial.intent
    if family is not None:
        for rival, theirs in zip(behind, effects.preceded, strict=False):
            verdict = family.judge(intent.kind, intent.params, theirs)
            if verdict.kind in intent.worth_sending:
                return rival
    return behind[0] if behind else None


def weighed(family: Family | None, trial: Trial, effects: Effects) -> Appraisal:
    """What its family says of what a trial did, and what it could cost at its fee."""
    intent = trial.intent
    if family is None:
        return Appraisal(trial, _without_family(effects), None)
    verdict = family.judge(intent.kind, intent.params, effects)
    return Appraisal(trial, verdict, effects.gas_used * trial.fee.cap - verdict.earned)


def _fee_after(found: Appraisal, least: Least) -> Fee:
    """The fee to try it at once more; its own where there is no need to, or no use."""
    trial = found.trial
    is_hopeless = found.verdict.earned + trial.intent.max_cost <= 0
    if not found.is_too_dear or is_hopeless:
        return trial.fee
    fee = least(trial)
    return trial.fee if fee is None or fee.cap >= trial.fee.cap else fee


def _fee_to_overtake(found: Appraisal, desk: Desk, aim: Aim) -> Fee:
    """The fee that is mined before the rival behind whom it has no effect; its own where there is
    none, or where that is not allowed."""
    trial, ceiling = found.trial, desk.policy.max_gas_price
    if found.is_effective or found.rival is None:
        return trial.fee
    fee = at_least(overtaking(found.rival, aim.head), trial.intent.min_price, aim.head.base_fee)
    return trial.fee if ceiling is not None and fee.cap > ceiling else fee


def _without_family(effects: Effects) -> Verdict:
    """What can be said of an intent whose family does not run here: what it earns cannot."""
    if not effects.ok:
        return Verdict(OutcomeKind.REVERTED, effects.error or "it reverts")
    if effects.unmet is not None:
        return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
    return Verdict(OutcomeKind.SUCCEEDED, "it has its effect, as far as its views tell")
