"""What is asked at the same time goes in one message, and everybody gets their own answers."""

import asyncio
from collections.abc import Sequence
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from scheduler.chain.connection import connect
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.gathering import Gathering
from scheduler.chain.jsonrpc import Answer, Request
from scheduler.chain.model import Call
from scheduler.chain.node import JsonRpcNode
from tests.chain.contracts import Rig


class Echo:
    """Stands in for the way to a node: answers each request with its method; keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[list[str]] = []

    async def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        self.messages.append([request.method for request in requests])
        await asyncio.sleep(0)
        return [request.method for request in requests]


def asked(caller: int, count: int) -> list[Request]:
    return [Request(f"{caller}.{number}") for number in range(count)]


@given(st.lists(st.integers(1, 7), min_size=1, max_size=12), st.integers(7, 20))
def test_all_get_their_own_answers_in_as_few_messages_as_hold_them(
    counts: list[int], limit: int
) -> None:
    async def asking() -> None:
        echo = Echo()
        gathering = Gathering(echo.exchange)
        wanted = [asked(caller, count) for caller, count in enumerate(counts)]
        answers = await asyncio.gather(*(gathering.ask(each, limit) for each in wanted))
        assert answers == [[request.method for request in each] for each in wanted]
        assert max(map(len, echo.messages)) <= limit
        assert list(chain(*echo.messages)) == [r.method for each in wanted for r in each]
        # No two that follow one another would have fitted into one.
        pairs = zip(echo.messages, echo.messages[1:], strict=False)
        first = {each[0].method: len(each) for each in wanted}
        assert all(len(one) + first[two[0]] > limit for one, two in pairs)

    asyncio.run(asking())


async def test_what_fails_fails_for_all_that_was_in_the_message() -> None:
    async def away(_: Sequence[Request]) -> list[Answer]:
        raise NodeUnavailable("gone")

    gathering = Gathering(away)
    found = await asyncio.gather(
        *(gathering.ask(asked(caller, 1), 5) for caller in range(3)), return_exceptions=True
    )
    assert [str(each) for each in found] == ["gone"] * 3


async def test_one_who_gives_up_takes_nothing_from_the_others() -> None:
    ends = asyncio.Event()
    cancelled = []

    async def slow(requests: Sequence[Request]) -> list[Answer]:
        try:
            await ends.wait()
        except asyncio.CancelledError:
            cancelled.append(len(requests))
            raise
        return [request.method for request in requests]

    gathering = Gathering(slow)
    first, second, third = (
        asyncio.ensure_future(gathering.ask(asked(caller, 1), 2)) for caller in range(3)
    )
    for _ in range(5):
        await asyncio.sleep(0)
    first.cancel()
    third.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    # Nobody waits for the third, which had a message of its own.
    assert cancelled == [1]
    ends.set()
    assert await second == ["1.0"]


async def test_a_node_answers_them_as_if_each_had_asked_alone(rig: Rig, endpoint: str) -> None:
    connection = connect(endpoint)
    messages = []
    exchange = connection._transport.exchange

    async def counted(body: bytes, ids: Sequence[int], repeatable: bool) -> list[Answer]:
        messages.append(len(ids))
        return await exchange(body, ids, repeatable)

    connection._transport.exchange = counted  # type: ignore[method-assign]
    node = JsonRpcNode(connection)
    head = await node.block()
    assert head is not None
    messages.clear()
    calls, balances, conditions = await asyncio.gather(
        node.call([Call(rig.counter), Call(rig.reverter)], at=head.hash),
        node.balances([rig.account], at=head.hash),
        node.conditions(rig.account, head),
    )
    assert len(messages) == 1
    assert [each.ok for each in calls] == [True, False]
    assert balances == [conditions.balance]
    refused = await asyncio.gather(
        connection.request("eth_nothing"), connection.request("eth_chainId"), return_exceptions=True
    )
    assert isinstance(refused[0], RpcError)
    assert int(str(refused[1]), 16) > 0
    assert len(messages) == 2
    await node.close()


async def test_what_the_pool_shows_is_asked_for_apart(rig: Rig, endpoint: str) -> None:
    """A node builds a whole block for that; nobody else waits until it has."""
    connection = connect(endpoint)
    messages: list[list[str]] = []
    exchange = connection._exchange

    async def noted(requests: Sequence[Request]) -> list[Answer]:
        messages.append([request.method for request in requests])
        return await exchange(requests)

    connection._exchange = noted  # type: ignore[method-assign]
    node = JsonRpcNode(connection)
    try:
        await asyncio.gather(node.nonces(rig.account), node.pending(), node.syncing())
    finally:
        await node.close()
    assert sorted(messages) == [
        ["eth_getBlockByNumber"],
        ["eth_getTransactionCount", "eth_getTransactionCount", "eth_syncing"],
    ]
