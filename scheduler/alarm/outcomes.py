"""What an execution did, read from its logs. Pure."""

from scheduler.alarm import abi
from scheduler.chain.model import Address
from scheduler.transactions.intents import Effects, Verdict
from scheduler.transactions.states import OutcomeKind


def judge_execution(call: Address, effects: Effects) -> Verdict:
    """The verdict on a transaction, mined or simulated, that was to execute `call`.

    v0.7 logs CallExecuted or CallAborted, or nothing where the call was not in its window or
    executed already; the receipt's status is 1 in every case (measured on it). Where no logs can
    be had beforehand, the call's own views decide.
    """
    if not effects.ok:
        return Verdict(OutcomeKind.REVERTED, effects.error or "the transaction reverted")
    if effects.foreseen:
        if effects.unmet is not None:
            return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
        return Verdict(OutcomeKind.SUCCEEDED, "it can be executed", effects.refund)
    for log in effects.logs:
        if log.address != call:
            continue
        if log.topics[0] == abi.CALL_EXECUTED:
            if effects.unmet is not None:
                return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
            _, payment, success = abi.executed(log)
            if success:
                return Verdict(OutcomeKind.SUCCEEDED, "executed", payment)
            return Verdict(
                OutcomeKind.TARGET_FAILED, "executed, but its target contract failed", payment
            )
        if log.topics[0] == abi.CALL_ABORTED:
            return Verdict(OutcomeKind.NO_EFFECT, f"aborted: {abi.aborted(log)}")
    return Verdict(
        OutcomeKind.NO_EFFECT, "nothing happened: out of its window, or somebody else was first"
    )
