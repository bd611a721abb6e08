"""Requests and subscriptions multiplexed over one connection that carries messages both ways."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence

from scheduler.chain.endpoint import Endpoint, reason, within
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.jsonrpc import (
    Answer,
    Json,
    Request,
    Unintelligible,
    encode,
    messages,
    result,
    results,
)
from scheduler.chain.transport import Subscription


class Wire(ABC):
    """An open connection that carries JSON messages."""

    @abstractmethod
    async def send(self, body: bytes) -> None:
        """Sends one message. Raises OSError where the connection is broken."""

    @abstractmethod
    def receive(self) -> AsyncIterator[Json]:
        """The messages that arrive, until the other side closes. Raises OSError, Unintelligible."""

    @abstractmethod
    def abort(self) -> None:
        """Breaks the connection at once; `receive` ends."""


class _Exchange:
    """A message that was sent and waits for its answers."""

    def __init__(self, ids: Sequence[int], subscription: Subscription | None) -> None:
        self.ids = ids
        self.subscription = subscription
        self.sent = False
        self.answers: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        # Where sending fails nobody asks for the answers: that is no forgotten exception.
        self.answers.add_done_callback(lambda done: done.cancelled() or done.exception())

    def settle(self, message: Json) -> None:
        try:
            answers = results(message, self.ids)
        except Unintelligible as error:
            self.fail(error)
        else:
            if not self.answers.done():
                self.answers.set_result(answers)

    def fail(self, error: Exception) -> None:
        if not self.answers.done():
            self.answers.set_exception(error)


class _Session:
    """One opened wire with what is under way on it; its reader hands out what arrives."""

    def __init__(self, endpoint: Endpoint, wire: Wire) -> None:
        self._endpoint = endpoint
        self._wire = wire
        self._waiting: dict[int, _Exchange] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._received = 0
        self.failure: NodeUnavailable | None = None
        self.reader = asyncio.get_running_loop().create_task(self._read())

    async def exchange(
        self,
        body: bytes,
        ids: Sequence[int],
        timeout: float,
        subscription: Subscription | None = None,
    ) -> list[Answer]:
        exchange = _Exchange(ids, subscription)
        for id in ids:
            self._waiting[id] = exchange
        timer = asyncio.get_running_loop().call_later(
            timeout, self._time_out, exchange, timeout, self._received
        )
        try:
            await self._wire.send(body)
            exchange.sent = True
            return await exchange.answers
        finally:
            timer.cancel()
            for id in ids:
                self._waiting.pop(id, None)

    def _time_out(self, exchange: _Exchange, timeout: float, received_before: int) -> None:
        exchange.fail(TimeoutError(f"no answer within {timeout:g} s"))
        if self._received == received_before or not exchange.sent:
            # Nothing came in or went out: the other side is gone without having said so.
            self._wire.abort()

    async def _read(self) -> None:
        try:
            async for message in self._wire.receive():
                self._received += 1
                self._hand_out(message)
                del message  # tens of megabytes, at times, and the next one may be long in coming
        except (OSError, Unintelligible) as error:
            self.end(reason(error))
        finally:
            self.end("the node closed the connection")
            self._wire.abort()

    def _hand_out(self, message: Json) -> None:
        first = messages(message)[0]
        if "method" in first:
            self._report(first)
            return
        exchange = self._waiting.get(first.get("id", -1))
        if exchange is None:
            if first.get("id") is not None:
                return  # the answer to a request that is no longer waited for
            # An error without an id: it is about the only message under way, or about an unknown
            # one of several, and then none of them can be relied on.
            exchanges = set(self._waiting.values())
            if len(exchanges) != 1:
                raise Unintelligible(f"it refuses a message without saying which: {result(first)}")
            (exchange,) = exchanges
        exchange.settle(message)
        if exchange.subscription and exchange.answers.done() and not exchange.answers.exception():
            (answer,) = exchange.answers.result()
            if isinstance(answer, str):
                self._subscriptions[answer] = exchange.subscription

    def _report(self, notification: Json) -> None:
        try:
            parameters = notification["params"]
            subscription, item = parameters["subscription"], parameters["result"]
        except (KeyError, TypeError) as error:
            raise Unintelligible("a notification without subscription or result") from error
        if subscription in self._subscriptions:
            self._subscriptions[subscription].push(item)

    def end(self, why: str) -> None:
        """Tells everybody who waits on this session that it is over."""
        if self.failure is None:
            self.failure = NodeUnavailable(f"{self._endpoint}: {why}")
            for exchange in set(self._waiting.values()):
                exchange.fail(self.failure)
            for subscription in self._subscriptions.values():
                subscription.fail(self.failure)


class DuplexTransport(ABC):
    """Opens a wire when it is first needed, and anew at the next request after it broke."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        self._session: _Session | None = None
        self._opening = asyncio.Lock()

    @abstractmethod
    async def _open(self) -> Wire:
        """A new wire to the endpoint. Raises OSError, or another Exception that says why not."""

    async def exchange(self, body: bytes, ids: Sequence[int], repeatable: bool) -> list[Answer]:
        """See Transport. `repeatable` does not matter: nothing is repeated here."""
        return await self._exchange(body, ids, None)

    async def subscribe(self, id: int, request: Request) -> Subscription:
        """Starts a subscription. Raises RpcError where the node refuses, NodeUnavailable."""
        subscription = Subscription()
        (answer,) = await self._exchange(encode({id: request}), [id], subscription)
        if isinstance(answer, RpcError):
            raise answer
        return subscription

    async def _exchange(
        self, body: bytes, ids: Sequence[int], subscription: Subscription | None
    ) -> list[Answer]:
        try:
            session = await self._opened()
            return await session.exchange(body, ids, self.timeout, subscription)
        except (OSError, Unintelligible) as error:
            raise NodeUnavailable(f"{self.endpoint}: {reason(error)}") from error

    async def _opened(self) -> _Session:
        if self._session and self._session.failure is None:
            return self._session
        async with self._opening:
            if self._session is None or self._session.failure is not None:
                self._session = _Session(self.endpoint, await within(self.timeout, self._open()))
            return self._session

    async def close(self) -> None:
        session, self._session = self._session, None
        if session:
            session.end("the connection was closed on this side")
            session.reader.cancel()
            await asyncio.wait({session.reader})
