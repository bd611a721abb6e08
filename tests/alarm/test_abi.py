"""Selectors and topics are those that were measured on the real contracts."""

import pytest

from scheduler.alarm import abi, future_calls, v10
from scheduler.alarm.v06 import V06
from scheduler.alarm.v07 import V07
from scheduler.chain.model import CallResult, Log

TOPICS = {
    future_calls.CALL_SCHEDULED: "2b05d346f0b0b9fd470024751c52d3b5dac5c37796f077c1a66241f2eada44b7",
    future_calls.CALL_EXECUTED: "4538b7ec91dae8fada01e66a052482086d3e690c3db5a80457fbcd55457b4ae1",
    future_calls.CLAIMED: "d8138f8a3f377c5259ca548e70e4c2de94f129f5a11036a15b69513cba2b426a",
    future_calls.CANCELLED: "398bd6b21ae4164ec322fb0eb8c2eb6277f36fd41903fbbed594dfe125591281",
    V07.aborted_topic: "dcb278834ca505ad219cf8e4b5d11f026080abef6ec68e249ea5e4d9bb3dc7b2",
    V06.aborted_topic: "8d7218ca9288bf28867e50b2e471b91bd8247c09cdcf931336f93a49fdcaf18d",
    v10.REQUEST_CREATED: "15aac4af776447c09d895192c86bab463c38b92191f3ba3f7b8831723c548d6e",
    v10.EXECUTED: "3e504bb8b225ad41f613b0c3c4205cdd752d1615b4d77cd1773417282fcfb5d9",
    v10.ABORTED: "c008bc849b42227c61d5063a1313ce509a6e99211bfd59e827e417be6c65c81b",
    v10.CLAIMED: "bcb472984264b16baa8cde752f2af002ea8ce06f35d81caee36625234edd2a46",
    v10.CANCELLED: "a761582a460180d55522f9f5fdc076390a1f48a7a62a8afbd45c1bb797948edb",
}


@pytest.mark.parametrize(("topic", "measured"), TOPICS.items())
def test_the_topics_are_those_of_the_real_contracts(topic: str, measured: str) -> None:
    assert topic == "0x" + measured


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
    with pytest.raises(abi.NotThisContract):
        v10.Request.read(answer)


def test_a_reason_that_is_no_text_does_no_harm() -> None:
    data = b"\0" * 32 + b"\xff" + b"\0" * 31
    log = Log("0x" + "ca" * 20, (V07.aborted_topic,), data)
    assert future_calls.abort_reason(log) == "\N{REPLACEMENT CHARACTER}"
