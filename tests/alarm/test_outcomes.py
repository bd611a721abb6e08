"""Verdicts from logs: accepted is not executed."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from scheduler.alarm.v07 import V07
from scheduler.chain.model import Log
from scheduler.transactions.intents import Effects, Verdict
from scheduler.transactions.states import OutcomeKind

CALL = "0x" + "ca" * 20
STRANGER = "0x" + "57" * 20
VERSION = V07(None, "0x" + "5c" * 20)  # type: ignore[arg-type]  # judging reads nothing
US = "0x" + "11" * 20


def topic(signature: str) -> str:
    return "0x" + keccak(text=signature).hex()


def executed(success: bool, address: str = CALL, payment: int = 42) -> Log:
    return Log(
        address,
        (topic("CallExecuted(address,uint256,uint256,uint256,bool)"), "0x" + "00" * 12 + US[2:]),
        encode(["uint256", "uint256", "uint256", "bool"], [7, payment, 3, success]),
    )


def aborted(reason: str, address: str = CALL) -> Log:
    data = encode(["address", "bytes32"], [US, reason.encode()])
    return Log(address, (topic("CallAborted(address,bytes32)"),), data)


HIT = Log(STRANGER, (topic("Hit(address,uint256,uint256)"), "0x" + "00" * 32), b"\0" * 64)
ANONYMOUS = Log(STRANGER, (), b"")


def judged(effects: Effects) -> Verdict:
    return VERSION.judge(CALL, effects, known=None)


def verdict(*logs: Log) -> Verdict:
    return judged(Effects(ok=True, logs=logs, gas_used=150_000))


def test_an_execution_that_succeeded_says_what_it_earned() -> None:
    assert verdict(HIT, executed(True)) == Verdict(OutcomeKind.SUCCEEDED, "executed", 42)


def test_a_target_that_failed_is_paid_for_all_the_same() -> None:
    found = verdict(executed(False))
    assert (found.kind, found.earned) == (OutcomeKind.TARGET_FAILED, 42)


@pytest.mark.parametrize(
    "reason",
    ["NOT_ENOUGH_GAS", "ALREADY_CALLED", "NOT_IN_CALL_WINDOW", "NOT_AUTHORIZED", "STACK_TOO_DEEP"],
)
def test_an_aborted_execution_says_why(reason: str) -> None:
    assert verdict(HIT, aborted(reason)) == Verdict(OutcomeKind.NO_EFFECT, f"aborted: {reason}")


def test_an_execution_without_any_log_had_no_effect() -> None:
    assert verdict().kind is OutcomeKind.NO_EFFECT


def test_a_transaction_that_reverted_is_told_with_the_nodes_reason() -> None:
    effects = Effects(ok=False, logs=(), gas_used=21_000, error="out of gas")
    assert judged(effects) == Verdict(OutcomeKind.REVERTED, "out of gas")


def test_a_mined_transaction_that_reverted_has_no_reason() -> None:
    assert judged(Effects(False, (), 21_000)).kind is OutcomeKind.REVERTED


@pytest.mark.parametrize(
    "log", [executed(True, STRANGER), aborted("NOT_AUTHORIZED", STRANGER), HIT, ANONYMOUS]
)
def test_logs_of_other_contracts_say_nothing_about_the_call(log: Log) -> None:
    """The target of a call, too, could log something that looks like an execution."""
    assert verdict(log).kind is OutcomeKind.NO_EFFECT
    assert verdict(log, executed(True)).kind is OutcomeKind.SUCCEEDED
