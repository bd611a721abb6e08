"""The seven jobs of Money on Chain, as its contracts of three generations have them.

Conditions, actions and events are those of the contracts themselves (MoC, MoCState, MoCInrate,
MoCSettlement, MoCMedianizer), the names and limits those of its own program of August 2020.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.chain.model import Address
from scheduler.jobs.conditions import All, Check, Not, Reading
from scheduler.jobs.declaration import Action, Event, Job
from scheduler.transactions.intents import Urgency

BUCKET = "X2"

POKE_NOTICE = "[POKE] Not valid price! Disabling MOC Price!"

# A settlement that finds nothing to do uses 36 thousand gas, its smallest step 280 thousand; those
# that only deleverage an account log nothing where the reserve is the chain's own currency.
_SETTLEMENT_STEP_GAS = 100_000


# How long the average waits for a settlement or a liquidation that is due to begin.
_BLOCKS_FOR_THE_GREATER = 10


@dataclass(frozen=True, slots=True)
class Names:
    """What differs between generations: functions that have other names, or other arguments.

    `steps_to_liquidate`: evalLiquidation is told how many steps to take at most.
    """

    steps_to_liquidate: bool
    holders_condition: str = "isBitProInterestEnabled()"
    holders_action: str = "payBitProHoldersInterestPayment()"
    holders_epoch: str = "lastBitProInterestBlock()"
    average_action: str = "calculateBitcoinMovingAverage()"
    price_provider: str = "getBtcPriceProvider()"


GENERATIONS: Mapping[str, Names] = {
    "moc_base": Names(steps_to_liquidate=True),
    "moc": Names(steps_to_liquidate=False),
    "rdoc": Names(
        steps_to_liquidate=False,
        holders_condition="isRiskProInterestEnabled()",
        holders_action="payRiskProHoldersInterestPayment()",
        holders_epoch="lastRiskProInterestBlock()",
        average_action="calculateReserveTokenMovingAverage()",
        price_provider="getPriceProvider()",
    ),
}
"""By the names of the package that has them: 2020's contracts, those with vendors, and RRC20's."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """Where they are."""

    moc: Address
    state: Address
    inrate: Address
    settlement: Address
    medianizer: Address


@dataclass(frozen=True, slots=True)
class Task:
    """What may be set of a job: how often it says that it has nothing to do (seconds), the limit of
    its gas, and how many steps it takes in one transaction, where it has steps."""

    interval: int
    gas: int
    steps: int = 0


TASKS: Mapping[str, Task] = {
    "liquidation": Task(20, 4_500_000, 25),
    "bucket_liquidation": Task(20, 3_500_000),
    "run_settlement": Task(15, 3_500_000, 25),
    "daily_inrate_payment": Task(60, 2_000_000),
    "pay_bitpro_holders": Task(65, 2_000_000),
    "calculate_bma": Task(72, 2_000_000),
    "oracle_poke": Task(65, 2_000_000),
}
"""The jobs, the most urgent first: in one block they are done in this order."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment's contracts, and of which of GENERATIONS they are."""

    at: Contracts
    generation: str
    tasks: Mapping[str, Task] = field(default_factory=lambda: TASKS)

    @property
    def names(self) -> Names:
        return GENERATIONS[self.generation]

    def jobs(self) -> list[Job]:
        """Those of `tasks`, in the order of TASKS."""
        declared = {
            "liquidation": self._liquidation,
            "bucket_liquidation": self._bucket_liquidation,
            "run_settlement": self._settlement,
            "daily_inrate_payment": self._daily,
            "pay_bitpro_holders": self._holders,
            "calculate_bma": self._average,
            "oracle_poke": self._poke,
        }
        return [declared[name](self.tasks[name]) for name in TASKS if name in self.tasks]

    def _liquidation(self, task: Task) -> Job:
        action = Action(self.at.moc, "evalLiquidation()")
        if self.names.steps_to_liquidate:
            action = Action(self.at.moc, "evalLiquidation(uint256)", (task.steps,))
        return Job(
            name="liquidation",
            action=action,
            condition=self._liquidation_reached,
            proofs=(Event(self.at.state, "StateTransition(uint8)"),),
            urgency=Urgency.URGENT,
            gas=task.gas,
            interval=task.interval,
        )

    def _bucket_liquidation(self, task: Task) -> Job:
        reached = Reading(self.at.moc, "isBucketLiquidationReached(bytes32)", (BUCKET,))
        return Job(
            name="bucket_liquidation",
            action=Action(self.at.moc, "evalBucketLiquidation(bytes32)", (BUCKET,)),
            condition=Check(reached),
            unless=(self._settlement_enabled,),
            proofs=(Event(self.at.moc, "BucketLiquidation(bytes32)"),),
            urgency=Urgency.URGENT,
            gas=task.gas,
            interval=task.interval,
        )

    def _settlement(self, task: Task) -> Job:
        events = (
            "SettlementStarted(uint256,uint256,uint256,uint256)",
            "SettlementDeleveraging(uint256,uint256,uint256,uint256)",
            "RedeemRequestProcessed(address,uint256,uint256)",
            "SettlementRedeemStableToken(uint256,uint256,uint256)",
            "SettlementCompleted(uint256)",
        )
        return Job(
            name="run_settlement",
            action=Action(self.at.moc, "runSettlement(uint256)", (task.steps,)),
            condition=self._settlement_enabled,
            # It stays enabled for ever then, and does nothing.
            unless=(self._liquidated,),
            proofs=tuple(Event(self.at.settlement, event) for event in events),
            proving_gas=_SETTLEMENT_STEP_GAS,
            gas=task.gas,
            interval=task.interval,
        )

    def _daily(self, task: Task) -> Job:
        return Job(
            name="daily_inrate_payment",
            action=Action(self.at.moc, "dailyInratePayment()"),
            condition=Check(Reading(self.at.moc, "isDailyEnabled()")),
            epoch=Reading(self.at.inrate, "lastDailyPayBlock()"),
            proofs=(Event(self.at.inrate, "InrateDailyPay(uint256,uint256,uint256)"),),
            gas=task.gas,
            interval=task.interval,
        )

    def _holders(self, task: Task) -> Job:
        return Job(
            name="pay_bitpro_holders",
            action=Action(self.at.moc, self.names.holders_action),
            condition=Check(Reading(self.at.moc, self.names.holders_condition)),
            epoch=Reading(self.at.inrate, self.names.holders_epoch),
            proofs=(Event(self.at.inrate, "RiskProHoldersInterestPay(uint256,uint256)"),),
            gas=task.gas,
            interval=task.interval,
        )

    def _average(self, task: Task) -> Job:
        return Job(
            name="calculate_bma",
            action=Action(self.at.state, self.names.average_action),
            condition=Check(Reading(self.at.state, "shouldCalculateEma()")),
            # A settlement calculates it, too, when it begins, and so does a liquidation.
            unless=(
                All((self._settlement_enabled, Not(self._liquidated))),
                self._liquidation_reached,
            ),
            yields=_BLOCKS_FOR_THE_GREATER,
            epoch=Reading(self.at.state, "lastEmaCalculation()"),
            proofs=(Event(self.at.state, "MovingAverageCalculation(uint256,uint256)"),),
            gas=task.gas,
            interval=task.interval,
        )

    def _poke(self, task: Task) -> Job:
        """A price that no feed has any more is taken out; `has` is the second word of both."""
        computed = Check(Reading(self.at.medianizer, "compute()", word=1))
        valid = Check(Reading(self.at.medianizer, "peek()", word=1))
        return Job(
            name="oracle_poke",
            action=Action(self.at.medianizer, "poke()"),
            condition=All((Not(computed), valid)),
            proofs=(Event(self.at.medianizer, "LogValue(bytes32)"),),
            notice=POKE_NOTICE,
            gas=task.gas,
            interval=task.interval,
        )

    @property
    def _liquidated(self) -> Check:
        """MoCState.States.Liquidated, for ever."""
        return Check(Reading(self.at.state, "state()"), value=0)

    @property
    def _liquidation_reached(self) -> Check:
        return Check(Reading(self.at.state, "isLiquidationReached()"))

    @property
    def _settlement_enabled(self) -> Check:
        return Check(Reading(self.at.moc, "isSettlementEnabled()"))
