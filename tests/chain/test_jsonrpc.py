"""JSON-RPC messages: what is sent, and what can be understood of what comes back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.chain.errors import RpcError
from scheduler.chain.jsonrpc import Request, Splitter, Unintelligible, encode, results

text = st.text(max_size=20) | st.text('{}[]"\\\n', max_size=20)
values = st.recursive(
    st.none() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
messages = st.lists(
    st.dictionaries(text, values, max_size=3) | st.lists(values, max_size=3), max_size=6
)


@given(messages, st.lists(st.sampled_from(["", "\n", " \r\n"]), min_size=6), st.data())
def test_stream_is_cut_into_its_values_wherever_the_pieces_end(
    sent: list[object], separators: list[str], data: st.DataObject
) -> None:
    stream = "".join(
        json.dumps(value, ensure_ascii=data.draw(st.booleans())) + separator
        for value, separator in zip(sent, separators, strict=False)
    ).encode()
    splitter, received = Splitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += splitter.feed(stream[:size])
        stream = stream[size:]
    assert received == sent


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n", b"}", b'{"a":]}', b"null\n"])
def test_stream_of_something_else_is_refused(garbage: bytes) -> None:
    with pytest.raises(Unintelligible):
        Splitter().feed(garbage)


def test_several_requests_are_a_batch_in_their_order() -> None:
    assert json.loads(encode({7: Request("a", (1, "0x2"))})) == {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "a",
        "params": [1, "0x2"],
    }
    batch = json.loads(encode({9: Request("b"), 8: Request("c")}))
    assert [(message["id"], message["method"]) for message in batch] == [(9, "b"), (8, "c")]


def answer(id: object, result: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id, "result": result}


def refusal(id: object, code: int = -32600, message: str = "no") -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}


def test_answers_are_matched_by_id() -> None:
    assert results([answer(2, "b"), answer(1, "a")], [1, 2]) == ["a", "b"]


def test_null_is_a_result() -> None:
    assert results(answer(1, None), [1]) == [None]


def test_each_request_of_a_batch_may_fail_alone() -> None:
    first, second = results([refusal(2, -32000, "bad"), answer(1, "a")], [1, 2])
    assert first == "a"
    assert isinstance(second, RpcError)
    assert (second.code, second.message) == (-32000, "bad")


@pytest.mark.parametrize("whole", [refusal(None), [refusal(None)], [refusal(1)], refusal(1)])
def test_a_batch_refused_as_a_whole_is_refused_to_each(whole: object) -> None:
    answers = results(whole, [1, 2, 3])
    assert [error.code for error in answers if isinstance(error, RpcError)] == [-32600] * 3


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        [],
        "pong",
        {},
        [1],
        answer(2, "for another request"),
        answer(None, "for nobody"),
        [answer(1, "a")],
        {"jsonrpc": "2.0", "id": 1},
    ],
    ids=str,
)
def test_what_is_no_answer_is_not_taken_for_one(nonsense: object) -> None:
    with pytest.raises(Unintelligible):
        results(nonsense, [1, 5] if nonsense == [answer(1, "a")] else [1])
