"""v0.6 of the contracts."""

from collections.abc import Sequence
from typing import Any

from scheduler.alarm.abi import topic
from scheduler.alarm.calls import Terms, Unit
from scheduler.alarm.future_calls import FREEZE_BLOCKS, RESERVED_BLOCKS, FutureCalls, claim_terms
from scheduler.chain.model import Address
from scheduler.transactions.intents import Verdict
from scheduler.transactions.states import OutcomeKind

# The seed's numbers. A call only suggests gas, and 0 where its scheduler did not say; the contract
# keeps 100,000 back from its target for its own books, and spends up to 60,000 before it.
EXECUTION_OVERHEAD_GAS = 200_000
UNSUGGESTED_GAS = 1_000_000


class V06(FutureCalls):
    """The calls of a Scheduler of v0.6."""

    name = "v0.6"
    aborted_topic = topic("_CallAborted(address,bytes32)")
    getters = (
        ("targetBlock()", "uint256"),
        ("gracePeriod()", "uint8"),
        ("suggestedGas()", "uint256"),
        ("basePayment()", "uint256"),
        ("baseFee()", "uint256"),
        ("contractAddress()", "address"),
        ("abiSignature()", "bytes4"),
        ("schedulerAddress()", "address"),
    )

    def terms(self, call: Address, values: Sequence[Any]) -> Terms:
        target, grace, gas, payment, fee, recipient, signature, owner = values
        return Terms(
            call=call,
            unit=Unit.BLOCKS,
            target=target,
            # One block more than v0.7: it refuses what comes after target + grace.
            last=target + grace,
            reserved=RESERVED_BLOCKS,
            gas=gas,
            price=0,
            payment=payment,
            fee=fee,
            value=0,
            recipient=recipient,
            data=signature,
            owner=owner,
            # One block more than v0.7, here as well.
            claim=claim_terms(target, payment, target - FREEZE_BLOCKS, at_risk=False),
        )

    def execution_gas(self, terms: Terms) -> int:
        return terms.gas + EXECUTION_OVERHEAD_GAS if terms.gas else UNSUGGESTED_GAS

    def failed_claim(self, deposit: int) -> Verdict:
        """Measured: a call sends back the deposit in every state."""
        return Verdict(
            OutcomeKind.NO_EFFECT,
            "it claims nothing, and its deposit comes back: out of its claim window, or somebody "
            "else was first",
            deposit,
        )
