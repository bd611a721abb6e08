"""Asking a node: requests, batches and subscriptions, whatever carries them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from scheduler.chain.dialect import GETH
from scheduler.chain.endpoint import Endpoint
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.gathering import Gathering
from scheduler.chain.jsonrpc import Answer, Json, Request
from scheduler.chain.messages import SENDING, Messages
from scheduler.chain.transport import Subscription, Transport
from scheduler.chain.transport_duplex import DuplexTransport
from scheduler.chain.transport_ipc import IpcTransport

T = TypeVar("T")

ALONE = SENDING | {"eth_signTransaction", "account_signTransaction", "eth_getLogs"}
"""Methods that share no message with what others ask, since their answers may take long: somebody
may have to approve a signature, and logs of many blocks are searched for."""


class Connection:
    """JSON-RPC with one node. What is asked at the same time goes in one message.

    Connects when first used, and again at the next request after a failure.
    """

    def __init__(self, transport: Transport, batch_limit: int = GETH.batch_limit) -> None:
        self._transport = transport
        self._messages = Messages(transport, batch_limit)
        self._gathering = Gathering(lambda requests: self._exchange(requests))

    @property
    def batch_limit(self) -> int:
        """The most requests in one message; it may be changed at any time, and a node that takes
        fewer does so, too."""
        return self._messages.batch_limit

    @batch_limit.setter
    def batch_limit(self, limit: int) -> None:
        self._messages.batch_limit = limit

    @property
    def endpoint(self) -> str:
        """Where the node is, without credentials, path or query."""
        return str(self._transport.endpoint)

    @property
    def can_subscribe(self) -> bool:
        """Whether this way to the node carries subscriptions; the node may refuse them yet."""
        return isinstance(self._transport, DuplexTransport)

    async def request(self, method: str, *params: Json) -> Json:
        """The result of one method. Raises RpcError, NodeUnavailable."""
        (answer,) = await self._ask([Request(method, params)])
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def batch(self, requests: Sequence[Request]) -> list[Answer]:
        """The results of many methods, in their order, an RpcError in place of what was refused.

        More than `batch_limit` go as several messages: at the same time, but what sends
        transactions one after the other, since a node may handle messages in any order.
        Raises NodeUnavailable.
        """
        # Once: a limit that was learned may be over in the middle.
        limit = self.batch_limit
        chunks = [requests[start : start + limit] for start in range(0, len(requests), limit)]
        if len(chunks) < 2 or any(request.method in SENDING for request in requests):
            parts = [await self._ask(chunk) for chunk in chunks]
        else:
            parts = await asyncio.gather(*map(self._ask, chunks))
        return [answer for part in parts for answer in part]

    async def read(self, requests: Sequence[Request]) -> list[Json]:
        """The results of many methods. Raises the first RpcError among them, NodeUnavailable."""
        return all_well(await self.batch(requests))

    def understand(self, reader: Callable[[Json], T], answer: Json) -> T:
        """What `reader` makes of an answer. Raises NodeUnavailable where that is nothing."""
        try:
            return reader(answer)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # What was no number, say, is in it, and may repeat the key in the URL.
            found = self._transport.endpoint.without_secrets(repr(error))
            raise NodeUnavailable(
                f"{self.endpoint}: its answer cannot be understood ({found})"
            ) from error

    async def subscribe(self, *params: Json) -> Subscription:
        """`eth_subscribe` with these parameters. Raises RpcError, NodeUnavailable."""
        if not isinstance(self._transport, DuplexTransport):
            raise NodeUnavailable(f"{self.endpoint}: HTTP carries no subscriptions")
        request = Request("eth_subscribe", params)
        try:
            return await self._transport.subscribe(next(self._messages.ids), request)
        except RpcError as error:
            raise self._messages.without_secrets(error) from None

    async def close(self) -> None:
        """Ends what is open; whoever waits gets NodeUnavailable. The next request opens anew."""
        await self._transport.close()

    async def _ask(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers to what one message has room for, with what others ask just now."""
        if any(_takes_long(request) for request in requests):
            return await self._exchange(requests)
        return await self._gathering.ask(requests, self.batch_limit)

    async def _exchange(self, requests: Sequence[Request]) -> list[Answer]:
        return await self._messages.exchange(requests)


def _takes_long(request: Request) -> bool:
    """Whether its answer may: the pending block is built when it is asked for, with all in it."""
    return request.method in ALONE or request.params == ("pending", True)


def all_well(answers: Sequence[Answer]) -> list[Json]:
    """The answers, all of which are results. Raises the first RpcError among them."""
    for answer in answers:
        if isinstance(answer, RpcError):
            raise answer
    return list(answers)


def connect(
    endpoint: str, timeout: float = 10.0, batch_limit: int = GETH.batch_limit
) -> Connection:
    """A connection to `http(s)://…`, `ws(s)://…`, or the path of an IPC socket.

    Nothing is opened yet. `timeout` is seconds for each exchange of messages. Raises ValueError
    for what is no endpoint.
    """
    parsed = Endpoint.parse(endpoint)
    transport: Transport
    # Imported when used: each brings a library along, and a program has one of them.
    if parsed.scheme == "ipc":
        transport = IpcTransport(parsed, timeout)
    elif parsed.scheme in ("http", "https"):
        from scheduler.chain.transport_http import HttpTransport

        transport = HttpTransport(parsed, timeout)
    else:
        from scheduler.chain.transport_websocket import WebSocketTransport

        transport = WebSocketTransport(parsed, timeout)
    return Connection(transport, batch_limit)
