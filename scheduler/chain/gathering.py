"""One message for what is asked at the same time, whoever asks: a round trip costs more than a
request, and providers count messages."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

from scheduler.chain.jsonrpc import Answer, Request

Exchange: TypeAlias = Callable[[Sequence[Request]], Awaitable[list[Answer]]]


class _Asked:
    """Requests of one caller, who waits for their answers."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.requests = requests
        self.answers: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()


class Gathering:
    """Hands requests on when the loop has let everybody ask who could, in few messages.

    What one caller asks stays together, and so do its answers; where the exchange fails, it fails
    for all whose requests were in it.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._waiting: list[_Asked] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def ask(self, requests: Sequence[Request], limit: int) -> list[Answer]:
        """The answers to these requests, in a message of at most `limit`, which they fit into."""
        asked = _Asked(requests)
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._leave, limit)
        self._waiting.append(asked)
        return await asked.answers

    def _leave(self, limit: int) -> None:
        waiting, self._waiting = self._waiting, []
        for together in _filled(waiting, limit):
            task = asyncio.get_running_loop().create_task(self._carry(together))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            for asked in together:
                asked.answers.add_done_callback(partial(_let_go, task, together))

    async def _carry(self, together: Sequence[_Asked]) -> None:
        requests = [request for asked in together for request in asked.requests]
        try:
            answers = iter(await self._exchange(requests))
        except Exception as error:
            for asked in together:
                if not asked.answers.done():
                    asked.answers.set_exception(error)
            return
        for asked in together:
            own = [next(answers) for _ in asked.requests]
            if not asked.answers.done():
                asked.answers.set_result(own)


def _filled(waiting: Sequence[_Asked], limit: int) -> Iterator[list[_Asked]]:
    """Those that go into one message each time, in their order."""
    together: list[_Asked] = []
    room = limit
    for asked in waiting:
        if together and len(asked.requests) > room:
            yield together
            together, room = [], limit
        together.append(asked)
        room -= len(asked.requests)
    if together:
        yield together


def _let_go(task: asyncio.Task[None], together: Sequence[_Asked], _: object) -> None:
    """Nobody waits any more: what is under way is given up."""
    if all(asked.answers.cancelled() for asked in together):
        task.cancel()
