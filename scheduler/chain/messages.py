"""Messages with one node, as large and as many as it takes: what it refuses for being too much goes
in smaller ones, or later. What its limits are it says by refusing."""

import asyncio
import logging
import time
from collections.abc import Sequence
from itertools import count

from scheduler.chain.errors import BatchRefused, NodeUnavailable, RpcError, TooManyRequests
from scheduler.chain.jsonrpc import Answer, Request, encode
from scheduler.chain.limits import Rest, is_about_rate
from scheduler.chain.transport import Transport

SENDING = frozenset({"eth_sendRawTransaction", "eth_sendTransaction"})
"""Methods with an effect: never repeated once a byte of the request may have left."""

PATIENCE = 5.0
"""Seconds that a read waits for a provider that wants to be left alone; for longer, it fails."""

KEPT_SECONDS = 600.0
"""For how long a limit that was learned is kept to: what taught it may have passed, and is learned
again where it has not."""

_log = logging.getLogger("CHAIN")


class Messages:
    """Exchanges messages over a transport.

    `batch_limit` is the most requests in one, as far as is known: a node that takes fewer is
    noticed, and for a while takes no more whatever it is set to afterwards.
    """

    def __init__(self, transport: Transport, batch_limit: int) -> None:
        self._transport = transport
        self._wanted = batch_limit
        self._learned: int | None = None
        self._learned_at = 0.0
        self.ids = count(1)
        self._rest = Rest()
        self._rests_told = False

    @property
    def batch_limit(self) -> int:
        if self._learned is None or time.monotonic() - self._learned_at >= KEPT_SECONDS:
            return self._wanted
        return min(self._wanted, self._learned)

    @batch_limit.setter
    def batch_limit(self, limit: int) -> None:
        self._wanted = limit

    async def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers to what goes in one message, in its order. Raises NodeUnavailable."""
        answers = await self._in_time(requests)
        if isinstance(answers[0], BatchRefused) and _may_go_again(requests):
            answers = await self._in_smaller_ones(requests, answers)
        left_out = [at for at, answer in enumerate(answers) if _is_too_large(answer)]
        if _is_repeatable(requests) and 0 < len(left_out) < len(requests):
            rest = await self.exchange([requests[at] for at in left_out])
            for at, answer in zip(left_out, rest, strict=True):
                answers[at] = answer
        return answers

    async def _in_smaller_ones(
        self, requests: Sequence[Request], refusal: list[Answer]
    ) -> list[Answer]:
        """The same in smaller messages, if that is what the refusal was about."""
        size = len(requests)
        while size > 1:
            size = (size + 1) // 2 if size > 2 else 1
            answers = await self._in_time(requests[:size])
            if isinstance(answers[0], BatchRefused) or _is_like(answers[0], refusal[0]):
                continue
            self._learn(min(self.batch_limit, size))
            for start in range(size, len(requests), size):
                answers += await self._in_time(requests[start : start + size])
            return answers
        return refusal

    def _learn(self, batch_limit: int) -> None:
        if batch_limit < self.batch_limit:
            before, self._learned = self._learned, batch_limit
            self._learned_at = time.monotonic()
            if batch_limit != before:
                _log.info(
                    "Node %s takes no more than %d requests in a message", self._name, batch_limit
                )

    async def _in_time(self, requests: Sequence[Request]) -> list[Answer]:
        """Waits while the provider wants to be left alone. Raises TooManyRequests where that takes
        longer than PATIENCE; at once for what may have had an effect."""
        clock = asyncio.get_running_loop().time
        repeatable = _is_repeatable(requests)
        deadline = clock() + (PATIENCE if repeatable else 0.0)
        found: dict[int, Answer] = {}
        missing = list(range(len(requests)))
        while True:
            if repeatable:
                await self._rested(clock(), deadline)
            try:
                answers = await self._carried([requests[at] for at in missing])
            except TooManyRequests as error:
                self._refused(clock(), error.retry_after)
                if not repeatable:
                    raise
                continue
            found.update(zip(missing, answers, strict=True))
            missing = [at for at, answer in found.items() if is_about_rate(answer)]
            if missing:
                self._refused(clock(), None)
            else:
                self._rest.taken()
            if not missing or not repeatable:
                return [found[at] for at in range(len(requests))]

    async def _rested(self, now: float, deadline: float) -> None:
        left = self._rest.left(now)
        if now + left > deadline:
            raise TooManyRequests(
                f"{self._name}: it takes no more requests for {left:.0f} s, since they were too "
                "many; a slower network, another plan or another node helps"
            )
        if left > 0:
            await asyncio.sleep(left)

    def _refused(self, now: float, wanted: float | None) -> None:
        self._rest.refused(now, wanted)
        if not self._rests_told:
            self._rests_told = True
            _log.info(
                "Node %s limits how many requests it takes: what is too much waits", self._name
            )

    async def _carried(self, requests: Sequence[Request]) -> list[Answer]:
        numbered = {next(self.ids): request for request in requests}
        try:
            answers = await self._transport.exchange(
                encode(numbered), list(numbered), _is_repeatable(requests)
            )
        except NodeUnavailable as error:
            words = self._transport.endpoint.without_secrets(str(error))
            if words != str(error):
                raise NodeUnavailable(words) from error.__cause__
            raise
        return [self.without_secrets(answer) for answer in answers]

    def without_secrets(self, answer: Answer) -> Answer:
        """The answer; a node's own words may repeat the key with which it was asked."""
        if isinstance(answer, RpcError):
            without = self._transport.endpoint.without_secrets
            words, data = without(answer.message), str(answer.data)
            if words != answer.message or without(data) != data:
                return type(answer)(answer.code, words, None)
        return answer

    @property
    def _name(self) -> str:
        return str(self._transport.endpoint)


def _is_repeatable(requests: Sequence[Request]) -> bool:
    return not any(request.method in SENDING for request in requests)


def _may_go_again(requests: Sequence[Request]) -> bool:
    """Whether they may be sent again where none of them was handled: signed bytes may."""
    return not any(request.method == "eth_sendTransaction" for request in requests)


def _is_like(answer: Answer, refusal: Answer) -> bool:
    """Whether a request by itself is refused as the message was: then it was not its size."""
    return (
        isinstance(answer, RpcError)
        and isinstance(refusal, RpcError)
        and (answer.code, answer.message) == (refusal.code, refusal.message)
    )


def _is_too_large(answer: Answer) -> bool:
    """Whether geth left this part of a batch out because the others fill its answer.

    25 MB over HTTP and WebSocket (geth 1.16, --rpc.batch-response-max-size).
    """
    return (
        isinstance(answer, RpcError)
        and answer.code == -32003
        and answer.message == "response too large"
    )
