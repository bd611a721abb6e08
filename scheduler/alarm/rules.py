"""What the alarm may have signed: calls to its scheduled calls, and for how much."""

from scheduler.alarm import abi
from scheduler.transactions.rules import ANY, Rule

# A call's gas limit is at most 16,777,216 (EIP-7825): at this limit it may cost 119 gwei each.
EXECUTION_COST = 2 * 10**18

# Each call is a contract of its own, so its address is proved instead of listed.
RULES = (Rule("alarm.execute", abi.EXECUTE, 0, EXECUTION_COST, ANY),)
