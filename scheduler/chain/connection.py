"""Asking a node: requests, batches and subscriptions, whatever carries them."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import TypeVar

from scheduler.chain.dialect import GETH
from scheduler.chain.endpoint import Endpoint
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.gathering import Gathering
from scheduler.chain.jsonrpc import Answer, Json, Request, encode
from scheduler.chain.transport import Subscription, Transport
from scheduler.chain.transport_duplex import DuplexTransport
from scheduler.chain.transport_http import HttpTransport
from scheduler.chain.transport_ipc import IpcTransport

T = TypeVar("T")

SENDING = frozenset({"eth_sendRawTransaction", "eth_sendTransaction"})
"""Methods with an effect: never repeated once a byte of the request may have left."""

ALONE = SENDING | {"eth_signTransaction", "eth_getLogs"}
"""Methods that share no message with what others ask, since their answers may take long: somebody
may have to approve a signature, and logs of many blocks are searched for."""


class Connection:
    """JSON-RPC with one node. What is asked at the same time goes in one message.

    `batch_limit` is the most requests in one message; it may be changed at any time. Connects when
    first used, and again at the next request after a failure.
    """

    def __init__(self, transport: Transport, batch_limit: int = GETH.batch_limit) -> None:
        self._transport = transport
        self.batch_limit = batch_limit
        self._ids = count(1)
        self._gathering = Gathering(lambda requests: self._exchange(requests))

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
        chunks = [
            requests[start : start + self.batch_limit]
            for start in range(0, len(requests), self.batch_limit)
        ]
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
            raise NodeUnavailable(
                f"{self.endpoint}: its answer cannot be understood ({error!r})"
            ) from error

    async def subscribe(self, *params: Json) -> Subscription:
        """`eth_subscribe` with these parameters. Raises RpcError, NodeUnavailable."""
        if not isinstance(self._transport, DuplexTransport):
            raise NodeUnavailable(f"{self.endpoint}: HTTP carries no subscriptions")
        return await self._transport.subscribe(next(self._ids), Request("eth_subscribe", params))

    async def close(self) -> None:
        """Ends what is open; whoever waits gets NodeUnavailable. The next request opens anew."""
        await self._transport.close()

    async def _ask(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers to what one message has room for, with what others ask just now."""
        if any(request.method in ALONE for request in requests):
            return await self._exchange(requests)
        return await self._gathering.ask(requests, self.batch_limit)

    async def _exchange(self, requests: Sequence[Request]) -> list[Answer]:
        numbered = {next(self._ids): request for request in requests}
        repeatable = not any(request.method in SENDING for request in requests)
        answers = await self._transport.exchange(encode(numbered), list(numbered), repeatable)
        left_out = [at for at, answer in enumerate(answers) if _is_too_large(answer)]
        if repeatable and 0 < len(left_out) < len(requests):
            rest = await self._exchange([requests[at] for at in left_out])
            for at, answer in zip(left_out, rest, strict=True):
                answers[at] = answer
        return answers


def all_well(answers: Sequence[Answer]) -> list[Json]:
    """The answers, all of which are results. Raises the first RpcError among them."""
    for answer in answers:
        if isinstance(answer, RpcError):
            raise answer
    return list(answers)


def _is_too_large(answer: Answer) -> bool:
    """Whether geth left this part of a batch out because the others fill its answer.

    25 MB over HTTP and WebSocket (geth 1.16, --rpc.batch-response-max-size).
    """
    return (
        isinstance(answer, RpcError)
        and answer.code == -32003
        and answer.message == "response too large"
    )


def connect(
    endpoint: str, timeout: float = 10.0, batch_limit: int = GETH.batch_limit
) -> Connection:
    """A connection to `http(s)://…`, `ws(s)://…`, or the path of an IPC socket.

    Nothing is opened yet. `timeout` is seconds for each exchange of messages. Raises ValueError
    for what is no endpoint.
    """
    parsed = Endpoint.parse(endpoint)
    transport: Transport
    if parsed.scheme == "ipc":
        transport = IpcTransport(parsed, timeout)
    elif parsed.scheme in ("http", "https"):
        transport = HttpTransport(parsed, timeout)
    else:
        from scheduler.chain.transport_websocket import WebSocketTransport

        transport = WebSocketTransport(parsed, timeout)
    return Connection(transport, batch_limit)
