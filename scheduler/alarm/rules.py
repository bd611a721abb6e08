"""What the alarm may have signed: calls to its scheduled calls, with how much, and for how much."""

from scheduler.alarm import abi
from scheduler.transactions.rules import ANY, Rule

# A call's gas limit is at most 16,777,216 (EIP-7825): at this limit it may cost 119 gwei each.
EXECUTION_COST = 2 * 10**18

# 180,000 gas at 1,111 gwei: no claim is worth more.
CLAIM_COST = 2 * 10**17

# 180,000 gas at 1,111 gwei: the call pays it back, or it is not cleaned up.
CLEANUP_COST = 2 * 10**17


def rules(max_deposit: int) -> tuple[Rule, ...]:
    """Those of the alarm, whose claims carry at most so much, in wei.

    Each call is a contract of its own, so its address is proved instead of listed.
    """
    return (
        Rule("alarm.execute", abi.EXECUTE, 0, EXECUTION_COST, ANY),
        Rule("alarm.claim", abi.CLAIM, max_deposit, CLAIM_COST, ANY),
        Rule("alarm.cleanup", abi.CANCEL, 0, CLEANUP_COST, ANY),
    )
