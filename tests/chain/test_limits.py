"""What a provider refuses for being too much goes in smaller messages, or later."""

import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.chain.connection import Connection, connect
from scheduler.chain.dialect import GETH
from scheduler.chain.errors import NodeUnavailable, RpcError, TooManyRequests
from scheduler.chain.jsonrpc import Request
from scheduler.chain.limits import FIRST_REST, LONGEST_REST, Rest, is_about_rate, seconds_in
from scheduler.chain.messages import KEPT_SECONDS, PATIENCE
from scheduler.chain.node import JsonRpcNode
from scheduler.devchain.nodes import Node
from tests import nodes
from tests.chain.provider import Provider, provider

NOW = 1_772_366_422.0


@pytest.fixture(scope="module")
def anvil() -> Iterator[Node]:
    with nodes.anvil() as node:
        yield node


@pytest.fixture
def limited(anvil: Node) -> Iterator[Provider]:
    with provider(anvil.http) as found:
        yield found


@pytest.fixture
async def connection(limited: Provider) -> AsyncIterator[Connection]:
    found = connect(limited.url)
    yield found
    await found.close()


def balances(count: int) -> list[Request]:
    return [Request("eth_getBalance", (f"0x{number:040x}", "latest")) for number in range(count)]


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 25])
async def test_the_largest_batch_is_learned_once_and_kept_to(
    limited: Provider, connection: Connection, limit: int
) -> None:
    limited.batch_limit = limit
    assert await connection.read(balances(40)) == ["0x0"] * 40
    assert connection.batch_limit <= limit
    limited.asked.clear()
    assert await connection.read(balances(40)) == ["0x0"] * 40
    assert max(limited.sizes()) <= limit
    assert sum(limited.sizes()) == 40


async def test_what_was_learned_is_kept_though_the_node_is_looked_at_again(
    limited: Provider, connection: Connection
) -> None:
    """Of several nodes the one that is worked with is looked at, too, over the same connection."""
    limited.batch_limit = 3
    await connection.read(balances(10))
    learned = connection.batch_limit
    JsonRpcNode(connection).speak(GETH)
    assert connection.batch_limit == learned <= 3


async def test_what_was_learned_of_a_passing_trouble_is_forgotten(
    limited: Provider, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that refused one batch for a moment had the node asked one by one for ever."""
    limited.batch_limit = 1
    await connection.read(balances(10))
    assert connection.batch_limit == 1
    limited.batch_limit = None
    later = time.monotonic() + KEPT_SECONDS
    monkeypatch.setattr("scheduler.chain.messages.time.monotonic", lambda: later)
    limited.asked.clear()
    assert await connection.read(balances(10)) == ["0x0"] * 10
    assert limited.sizes() == [10]


async def test_a_refusal_that_is_not_about_size_teaches_nothing(
    limited: Provider, connection: Connection
) -> None:
    limited.key = "another"
    with pytest.raises(RpcError, match="no project"):
        await connection.read(balances(10))
    assert connection.batch_limit == 100
    limited.key = ""
    limited.asked.clear()
    assert len(await connection.read(balances(10))) == 10
    assert limited.sizes() == [10]


async def test_the_longest_range_of_logs_is_learned(limited: Provider, anvil: Node) -> None:
    anvil.rpc("anvil_mine", hex(400))
    limited.log_range = 7
    node = JsonRpcNode(connect(limited.url))
    head = await node.block()
    assert head is not None
    ends = [chunk.last async for chunk in node.history("0x" + "11" * 20, [None], 1, head.number)]
    assert ends[-1] == head.number
    assert max(b - a for a, b in pairwise(ends)) <= 7
    await node.close()


@pytest.mark.parametrize("retry_after", ["1", None])
async def test_a_read_waits_as_long_as_it_is_told_to(
    limited: Provider, connection: Connection, retry_after: str | None
) -> None:
    limited.refusals, limited.retry_after = 1, retry_after
    assert await connection.read(balances(3)) == ["0x0"] * 3
    refused, taken = limited.at
    assert taken - refused >= FIRST_REST
    assert limited.sizes() == [3, 3]


async def test_of_a_batch_only_what_was_refused_is_asked_again(
    limited: Provider, connection: Connection
) -> None:
    limited.limited = 2
    assert await connection.read(balances(5)) == ["0x0"] * 5
    assert limited.sizes() == [5, 2]


async def test_who_wants_to_be_left_alone_for_long_is_not_asked_before(
    limited: Provider, connection: Connection
) -> None:
    limited.refusals, limited.retry_after = 1, "40"
    for _ in range(3):
        with pytest.raises(TooManyRequests, match=r"it takes no more requests for (40|39) s"):
            await connection.read(balances(3))
    assert limited.sizes() == [3]
    assert PATIENCE < 39


async def test_who_says_at_once_but_refuses_is_not_asked_without_a_pause(
    limited: Provider, connection: Connection
) -> None:
    limited.refusals, limited.retry_after = 1000, "0"
    with pytest.raises(TooManyRequests):
        await connection.read(balances(3))
    assert 1 < len(limited.asked) <= 1 + PATIENCE / FIRST_REST


@given(st.floats(min_value=0, allow_nan=False))
def test_nobody_is_left_alone_for_ever(wanted: float) -> None:
    """A day's quota, say, may be raised, or a clock have been wrong: that is noticed."""
    rest = Rest()
    rest.refused(7.0, wanted)
    assert 0 < rest.left(7.0) <= LONGEST_REST


async def test_what_sends_is_not_sent_twice_by_itself(
    limited: Provider, connection: Connection
) -> None:
    limited.refusals, limited.retry_after = 1, "0"
    with pytest.raises(NodeUnavailable, match="HTTP 429 Too Many Requests"):
        await connection.request("eth_sendRawTransaction", "0x00")
    assert limited.sizes() == [1]


@pytest.mark.parametrize(
    ("code", "words", "about_rate"),
    [
        # Alchemy, Infura, QuickNode, Ankr, dRPC; then what is something else.
        (429, "Your app has exceeded its compute units per second capacity", True),
        (-32005, "project ID request rate exceeded", True),
        (-32007, "15/second request limit reached - reduce calls per second", True),
        (-32029, "Too Many Requests", True),
        (-32090, "Too many requests, reason: call rate limit exhausted", True),
        (-32005, "query returned more than 10000 results", False),
        (-32000, "header not found", False),
        (3, "execution reverted: rate limit", False),
        (-32602, "block range is too large", False),
    ],
)
def test_a_rate_is_told_from_other_limits(code: int, words: str, about_rate: bool) -> None:
    assert is_about_rate(RpcError(code, words)) is about_rate


@given(st.integers(0, 10**6))
def test_retry_after_is_seconds_or_a_moment(seconds: int) -> None:
    assert seconds_in(str(seconds), NOW) == seconds
    assert seconds_in("Sun, 01 Mar 2026 12:00:52 GMT", NOW) == 30.0
    assert seconds_in("Sun, 01 Mar 2020 12:00:52 GMT", NOW) == 0.0


@pytest.mark.parametrize("text", [None, "", "soon", "-1", "1e9", "٣"])
def test_any_other_word_is_none(text: str | None) -> None:
    assert seconds_in(text, NOW) is None


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=30))
def test_a_rest_grows_while_it_is_refused_and_begins_anew_when_it_is_taken(
    steps: list[tuple[int, bool]],
) -> None:
    rest, now = Rest(), 0.0
    for pause, taken in steps:
        now += rest.left(now) + pause
        assert rest.left(now) == 0
        if taken:
            rest.taken()
        else:
            rest.refused(now, None)
            assert FIRST_REST <= rest.left(now) <= LONGEST_REST
            # Refused together is refused once.
            left = rest.left(now)
            rest.refused(now, None)
            assert rest.left(now) == left
