"""What a plan allows: what may be spent, staked on claims, and signed."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from scheduler.alarm.calls import Unit
from scheduler.alarm.claiming import Policy, Strategy
from scheduler.alarm.drafts import NAME
from scheduler.alarm.rules import rules as alarm_rules
from scheduler.chain.model import Address
from scheduler.jobs.declaration import Job
from scheduler.jobs.family import rule_of
from scheduler.networks import Network
from scheduler.plan import Plan
from scheduler.transactions.purse import GETH_SLOTS, RSKJ_SLOTS, Budget, Deposits
from scheduler.transactions.rules import RuleBook, Tightening


def budget(section: Mapping[str, int | None], node: str) -> Budget:
    """What the configuration's section allows, with the slots of this kind of node by default.

    A quarter of the slots is kept for urgent work, where it does not say otherwise.
    """
    slots = section.get("slots") or (RSKJ_SLOTS if node == "rskj" else GETH_SLOTS)
    kept = section.get("kept_slots")
    return Budget(
        urgent_per_day=section.get("urgent_per_day"),
        normal_per_day=section.get("normal_per_day"),
        floor=section.get("floor") or 0,
        loss_per_contract=section.get("loss_per_contract"),
        slots=slots,
        kept=slots // 4 if kept is None else kept,
    )


def claim_policy(section: Mapping[str, Any], network: Network) -> Policy:
    """How calls are claimed by what the configuration's section says; not at all if it is empty."""
    margin = section.get("claim_margin") or network.inclusion
    return Policy(
        Strategy(section.get("claiming", "never")),
        max_at_risk=section.get("max_at_risk_per_call", 0),
        margin={Unit.BLOCKS: margin, Unit.SECONDS: math.ceil(margin * network.block_time)},
        floor=section.get("claim_floor", 0),
        depth=network.confirmations,
    )


def deposits(section: Mapping[str, Any], contracts: Collection[Address]) -> Deposits | None:
    """How much may be staked on claims of the calls of these contracts; None where nothing is."""
    most = section.get("max_at_risk_per_day")
    return None if most is None else Deposits(frozenset(contracts), most)


def rule_book(plan: Plan, jobs: Sequence[Job]) -> RuleBook:
    """What may be signed: every family's rules, since a custodian signs for those of others."""
    recipients = None if plan.recipients is None else frozenset(plan.recipients)
    alarm = alarm_rules(plan.claiming.get("max_at_risk_per_call", 0))
    declared = {NAME: alarm, **{rule.name: (rule,) for rule in map(rule_of, jobs)}}
    return RuleBook(declared, Tightening(plan.max_value, plan.max_gas_cost, recipients))
