"""What a connection needs of a way to carry messages, and what all of these share."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from scheduler.chain.endpoint import Endpoint
from scheduler.chain.errors import NodeUnavailable
from scheduler.chain.jsonrpc import Answer, Json


class Transport(Protocol):
    """Carries requests to one endpoint and brings their answers back.

    Opens itself when needed, and again after it broke. Nothing is sent twice, except that HTTP may
    repeat what is `repeatable`. Every failure, and silence for `timeout` seconds, is told as
    NodeUnavailable.
    """

    endpoint: Endpoint
    timeout: float

    async def exchange(self, body: bytes, ids: Sequence[int], repeatable: bool) -> list[Answer]:
        """The answers to the requests `ids`, which `body` carries, in their order."""
        ...

    async def close(self) -> None:
        """Ends the connection. Another exchange opens it again."""
        ...


class Subscription:
    """What a node reports by itself, in order, until the connection breaks."""

    def __init__(self) -> None:
        self._items: deque[Json] = deque()
        self._failure: NodeUnavailable | None = None
        self._waiter: asyncio.Future[None] | None = None

    def push(self, item: Json) -> None:
        self._items.append(item)
        self._wake()

    def fail(self, failure: NodeUnavailable) -> None:
        self._failure = failure
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self, patience: float) -> Json:
        """The next item. Raises TimeoutError after `patience` seconds without one, NodeUnavailable
        when the connection broke and all that came before was handed out."""
        if not self._items and self._failure is None:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(patience, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
        if self._items:
            return self._items.popleft()
        if self._failure is not None:
            raise self._failure
        raise TimeoutError(f"nothing reported within {patience:g} s")

    def last(self) -> Json:
        """The last of the items that wait, all of which are then taken; None where none does."""
        last = self._items.pop() if self._items else None
        self._items.clear()
        return last
