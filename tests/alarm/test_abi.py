"""Selectors and topics are those that were measured on the real contracts."""

import pytest

from scheduler.alarm import abi
from scheduler.chain.model import CallResult, Log


def test_the_topics_are_those_of_the_real_contracts() -> None:
    assert {
        "CallScheduled": abi.CALL_SCHEDULED,
        "CallExecuted": abi.CALL_EXECUTED,
        "CallAborted": abi.CALL_ABORTED,
        "Claimed": abi.CLAIMED,
        "Cancelled": abi.CANCELLED,
    } == {
        "CallScheduled": "0x2b05d346f0b0b9fd470024751c52d3b5dac5c37796f077c1a66241f2eada44b7",
        "CallExecuted": "0x4538b7ec91dae8fada01e66a052482086d3e690c3db5a80457fbcd55457b4ae1",
        "CallAborted": "0xdcb278834ca505ad219cf8e4b5d11f026080abef6ec68e249ea5e4d9bb3dc7b2",
        "Claimed": "0xd8138f8a3f377c5259ca548e70e4c2de94f129f5a11036a15b69513cba2b426a",
        "Cancelled": "0x398bd6b21ae4164ec322fb0eb8c2eb6277f36fd41903fbbed594dfe125591281",
    }


@pytest.mark.parametrize(
    "answer",
    [
        CallResult(ok=False, data=b"", error="execution reverted"),
        CallResult(ok=True, data=b""),
        CallResult(ok=True, data=b"\1" * 31),
    ],
)
def test_what_is_no_answer_of_the_contract_is_not_read_as_one(answer: CallResult) -> None:
    with pytest.raises(abi.NotThisContract):
        abi.integer(answer)
    with pytest.raises(abi.NotThisContract):
        abi.address(answer)


def test_a_reason_that_is_no_text_does_no_harm() -> None:
    data = b"\0" * 32 + b"\xff" + b"\0" * 31
    log = Log("0x" + "ca" * 20, (abi.CALL_ABORTED,), data)
    assert abi.aborted(log) == "\N{REPLACEMENT CHARACTER}"
