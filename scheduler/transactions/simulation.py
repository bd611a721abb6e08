"""What transactions would do in the block aimed at, before any of them is signed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scheduler.chain.errors import CannotSimulate, RpcError
from scheduler.chain.model import Address, Call, CallResult, Head
from scheduler.chain.protocol import Chain
from scheduler.transactions.encoding import Fee
from scheduler.transactions.expectations import View, unmet
from scheduler.transactions.fees import base_fee_after
from scheduler.transactions.foresight import foreseen
from scheduler.transactions.intents import Effects, Intent
from scheduler.transactions.rivals import Rival, in_front

# geth's default --rpc.gascap, which bounds all calls of one eth_simulateV1 together (1.16.7).
SIMULATION_GAS = 50_000_000

# Gas of a view behind a transaction: enough to read some words of storage.
VIEW_GAS = 100_000

SOMEBODY_ELSE = "somebody else's transaction comes before it"


@dataclass(frozen=True, slots=True)
class Aim:
    """In which block transactions of `sender` are to be: so many after `head`.

    `slot_time` is the least time between two blocks' timestamps, in seconds.
    """

    sender: Address
    head: Head
    blocks_ahead: int = 1
    slot_time: int = 1

    @property
    def base_fee(self) -> int | None:
        """The highest that the block can have, wei per gas; None on chains without."""
        if self.head.base_fee is None:
            return None
        return base_fee_after(self.head.base_fee, self.blocks_ahead)


@dataclass(frozen=True, slots=True)
class Trial:
    """A transaction to be tried: for this intent, at this price, beside what `rivals` sent."""

    intent: Intent
    fee: Fee
    rivals: tuple[Rival, ...] = ()

    def behind(self, aim: Aim) -> list[Rival]:
        """Those whose transactions would be mined before it."""
        return in_front(self.rivals, self.fee, aim.head) if self.rivals else []

    @property
    def worst_cost(self) -> int:
        """The most that it can take from the account, wei."""
        return self.intent.value + self.intent.gas * self.fee.cap


async def simulated(chain: Chain, trials: Sequence[Trial], aim: Aim) -> list[Effects]:
    """What each would do, one after the other; on nodes that cannot simulate, each on its own.

    A unit of gas costs the most that it can at the trial's fee. Raises NodeUnavailable, RpcError,
    and CannotSimulate where the block aimed at is not the next: that cannot be foreseen.
    """
    try:
        return await _in_batches(chain, trials, aim)
    except CannotSimulate:
        if aim.blocks_ahead > 1:
            raise
        priced = [(trial.intent, trial.fee.cap) for trial in trials]
        effects = await foreseen(chain, priced, aim.sender, aim.head)
        # What a rival's would do nobody knows there, so it counts as what it looks like.
        return [
            replace(effect, ok=False, error=SOMEBODY_ELSE) if trial.behind(aim) else effect
            for trial, effect in zip(trials, effects, strict=True)
        ]


async def _in_batches(chain: Chain, trials: Sequence[Trial], aim: Aim) -> list[Effects]:
    effects: list[Effects] = []
    for batch in _within_gas(trials, min(aim.head.gas_limit, SIMULATION_GAS)):
        try:
            effects += await _together(chain, batch, aim)
        except RpcError:
            await _together(chain, [], aim)  # raises, where it is not about the calls
            effects += await _apart(chain, batch, aim)
    return effects


async def _together(chain: Chain, trials: Sequence[Trial], aim: Aim) -> list[Effects]:
    if trials and trials[0].intent.gas > aim.head.gas_limit:  # then it is alone; anvil 1.7 takes it
        return [Effects(False, (), 0, f"more gas than a block has: {aim.head.gas_limit}")]
    views = [_views(trial.intent, aim) for trial in trials]
    rivals = [trial.behind(aim) for trial in trials]
    calls: list[Call] = []
    for trial, before, behind in zip(trials, rivals, views, strict=True):
        calls += [rival.call(aim.base_fee) for rival in before]
        calls += [_call(trial, aim), *(view.call(VIEW_GAS) for view in behind)]
    results = await chain.simulate(
        calls,
        on=aim.head,
        number=aim.head.number + aim.blocks_ahead,
        # The earliest possible.
        timestamp=aim.head.timestamp + aim.blocks_ahead * aim.slot_time,
        base_fee=aim.base_fee,
    )
    answers = iter(results)
    effects = []
    for before, behind in zip(rivals, views, strict=True):
        preceded = tuple(_effects(next(answers), (), ()) for _ in before)
        effect = _effects(next(answers), behind, [next(answers) for _ in behind])
        effects.append(replace(effect, preceded=preceded))
    return effects


def _views(intent: Intent, aim: Aim) -> tuple[View, ...]:
    """Those behind it; none where the transaction may leave them no room in its block."""
    behind = intent.expects.after
    return behind if intent.gas + VIEW_GAS * len(behind) <= aim.head.gas_limit else ()


async def _apart(chain: Chain, trials: Sequence[Trial], aim: Aim) -> list[Effects]:
    """The effects where the nodes refuse to simulate all for the sake of one.

    They do so where a call could not be included at all: too little gas to begin with, too little
    ether. The error is that one's effect, and must not keep the others back: halves are tried
    until it is alone, and at last without its rivals, who may be the ones that cannot be included.
    """
    try:
        return await _together(chain, trials, aim)
    except RpcError as error:
        if len(trials) == 1 and trials[0].rivals:
            return await _apart(chain, [replace(trials[0], rivals=())], aim)
        if len(trials) == 1:
            return [Effects(False, (), 0, error.message)]
    middle = len(trials) // 2
    first = await _apart(chain, trials[:middle], aim)
    return first + await _apart(chain, trials[middle:], aim)


def _effects(result: CallResult, views: Sequence[View], answers: Sequence[CallResult]) -> Effects:
    missing = unmet(views, answers)
    return Effects(result.ok, result.logs, result.gas_used, result.error, missing)


def _call(trial: Trial, aim: Aim) -> Call:
    intent = trial.intent
    return Call(
        intent.to, intent.data, aim.sender, intent.value, intent.gas, gas_price=trial.fee.cap
    )


def _within_gas(trials: Sequence[Trial], limit: int) -> list[list[Trial]]:
    """The trials in order, in batches whose gas, with that of views, stays within `limit`."""
    batches: list[list[Trial]] = [[]]
    total = 0
    for trial in trials:
        gas = trial.intent.gas + VIEW_GAS * len(trial.intent.expects.after)
        gas += sum(rival.sent.gas for rival in trial.rivals)
        if batches[-1] and total + gas > limit:
            batches.append([])
            total = 0
        batches[-1].append(trial)
        total += gas
    return batches
