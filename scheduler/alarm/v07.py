"""v0.7 of the contracts."""

from collections.abc import Sequence
from typing import Any

from scheduler.alarm.abi import topic
from scheduler.alarm.calls import Terms, Unit
from scheduler.alarm.future_calls import FREEZE_BLOCKS, RESERVED_BLOCKS, FutureCalls, claim_terms
from scheduler.chain.model import Address
from scheduler.transactions.intents import Verdict
from scheduler.transactions.states import OutcomeKind

API_VERSION = 7

# What the seed adds to requiredGas. The contract must still have requiredGas when it starts, and
# spends about 50,000 on its own books: at 200,000 a limit of 230,000 aborts, 250,000 executes.
EXECUTION_OVERHEAD_GAS = 100_000


class V07(FutureCalls):
    """The calls of a Scheduler of v0.7."""

    name = "v0.7"
    aborted_topic = topic("CallAborted(address,bytes32)")
    getters = (
        ("targetBlock()", "uint256"),
        ("gracePeriod()", "uint8"),
        ("requiredGas()", "uint256"),
        ("basePayment()", "uint256"),
        ("baseDonation()", "uint256"),
        ("callValue()", "uint256"),
        ("contractAddress()", "address"),
        ("abiSignature()", "bytes4"),
        ("schedulerAddress()", "address"),
    )

    def terms(self, call: Address, values: Sequence[Any]) -> Terms:
        target, grace, gas, payment, donation, value, recipient, signature, owner = values
        return Terms(
            call=call,
            unit=Unit.BLOCKS,
            target=target,
            # It is callable below target + grace.
            last=target + grace - 1,
            reserved=RESERVED_BLOCKS,
            gas=gas,
            price=0,
            payment=payment,
            fee=donation,
            value=value,
            recipient=recipient,
            data=signature,
            owner=owner,
            # The call is frozen from lastClaimBlock() on, and keeps what is sent to it then.
            claim=claim_terms(target, payment, target - FREEZE_BLOCKS - 1, at_risk=True),
        )

    def execution_gas(self, terms: Terms) -> int:
        return terms.gas + EXECUTION_OVERHEAD_GAS

    def failed_claim(self, deposit: int) -> Verdict:
        return Verdict(
            OutcomeKind.DEPOSIT_LOST,
            f"it claims nothing, and the call keeps the deposit of {deposit} wei: out of its claim "
            "window, or somebody else was first",
        )
