"""What goes wrong between a program and its node: each fault is of one kind, and passes.

A fault sees every message that passes a proxy. It counts where it struck, so that a campaign
knows that it did.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from functools import partial
from random import Random
from typing import Any, TypeAlias

from eth_utils.crypto import keccak

Message: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[..., Awaitable[Any]]

SENDS = frozenset({"eth_sendRawTransaction", "eth_sendTransaction"})


class Disturbance(Enum):
    """What comes in place of an answer. The statuses are those of HTTP (RFC 9110, RFC 6585)."""

    SILENCE = "nothing"
    RESET = "the connection breaks"
    GARBAGE = "something that is no JSON"
    UNAVAILABLE = 503
    TOO_MANY = 429


@dataclass(frozen=True)
class Disturbed:
    """Whether the message arrives at the node all the same, and what comes as its answer."""

    arrives: bool
    then: Disturbance


class Fault:
    """No fault: everything passes as it is. Those below change one of these answers each."""

    struck = 0

    def disturbs(self, methods: Sequence[str], line: int) -> Disturbed | None:
        """What is to happen to this message as a whole, on the program's `line`-th connection."""
        return None

    async def instead(self, request: Message, number: int, ask: Ask) -> Message | None:
        """The result or error that a request gets without being passed on; `number` is that of the
        message that it is in, and `ask` asks the node."""
        return None

    def edited(self, request: Message, answer: Message) -> Message:
        """The node's answer to a request, as the program is to have it."""
        return answer

    def reported(self, notification: Message, line: int) -> list[Message]:
        """What the program is told when the node reports something."""
        return [notification]


class Broken(Fault):
    """A few messages with these methods, or of all, are not answered as they should be.

    Of those, every `each`-th is disturbed, `times` times in all.
    """

    def __init__(
        self,
        then: Disturbance,
        methods: Set[str] | None = None,
        *,
        arrives: bool,
        each: int = 1,
        times: int = 2,
    ) -> None:
        self._disturbed = Disturbed(arrives, then)
        self._methods = methods
        self._each = each
        self._times = times
        self._seen = 0

    def disturbs(self, methods: Sequence[str], line: int) -> Disturbed | None:
        if self._methods is not None and self._methods.isdisjoint(methods):
            return None
        self._seen += 1
        if self._seen % self._each or self.struck == self._times:
            return None
        self.struck += 1
        return self._disturbed


class Refused(Fault):
    """The first `times` transactions get an error as answer: without reason, or they were not
    taken."""

    def __init__(self, words: str, *, arrives: bool, times: int = 2, code: int = -32000) -> None:
        self._error = {"error": {"code": code, "message": words}}
        self._arrives = arrives
        self._times = times

    async def instead(self, request: Message, number: int, ask: Ask) -> Message | None:
        return None if self._arrives or not self._strikes(request) else self._error

    def edited(self, request: Message, answer: Message) -> Message:
        if not self._arrives or not self._strikes(request):
            return answer
        return {"jsonrpc": "2.0", "id": answer["id"], **self._error}

    def _strikes(self, request: Message) -> bool:
        if request["method"] not in SENDS or self.struck == self._times:
            return False
        self.struck += 1
        return True


class Lost(Fault):
    """The first transactions are answered with their hash, and lost: so geth does when its pool is
    full (the project's notes on limits)."""

    TIMES = 3

    async def instead(self, request: Message, number: int, ask: Ask) -> Message | None:
        if request["method"] not in SENDS or self.struck == self.TIMES:
            return None
        self.struck += 1
        [sent] = request["params"]
        if request["method"] == "eth_sendTransaction":
            signed = await ask("eth_signTransaction", sent)
            sent = signed["raw"] if isinstance(signed, dict) else signed
        return {"result": "0x" + keccak(hexstr=sent).hex()}


class LateReceipts(Fault):
    """Each receipt is `null` some times before it is there, and once more when it was there."""

    PATTERN = (False, False, True, False)

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()

    def edited(self, request: Message, answer: Message) -> Message:
        if request["method"] != "eth_getTransactionReceipt" or answer.get("result") is None:
            return answer
        [hash_] = request["params"]
        self._asked[hash_] += 1
        times = self._asked[hash_]
        if times > len(self.PATTERN) or self.PATTERN[times - 1]:
            return answer
        self.struck += 1
        return {**answer, "result": None}


class AnotherChain(Fault):
    """The chain id is another one's for a while: a name that leads to several nodes, one of them
    of another chain."""

    def __init__(self, asked: Set[int]) -> None:
        """It is wrong at the `asked`-th questions."""
        self._wrong = asked
        self._asked = 0

    def edited(self, request: Message, answer: Message) -> Message:
        if request["method"] != "eth_chainId":
            return answer
        self._asked += 1
        if self._asked not in self._wrong:
            return answer
        self.struck += 1
        return {**answer, "result": hex(int(answer["result"], 16) + 1)}


class Balanced(Fault):
    """Behind one name are two nodes, to which messages go as it comes, and the second is `BEHIND`
    blocks behind.

    The second is imitated: its latest block is an older one, what came later it does not have, its
    pool has nothing. What is sent to it reaches the first. Reports come from the first.
    """

    BEHIND = 2

    async def instead(self, request: Message, number: int, ask: Ask) -> Message | None:
        method, params = request["method"], request["params"]
        answering = getattr(self, f"_{method}", None)
        if answering is None and not {"latest", "pending"}.intersection(
            each for each in params if isinstance(each, str)
        ):
            return None
        latest = await self._latest(number, ask)
        if latest is None:
            return None
        self.struck += 1
        if answering is not None:
            found: Message | None = await answering(ask, latest, *params)
            return found
        older = [hex(latest) if each in ("latest", "pending") else each for each in params]
        return {"result": await ask(method, *older)}

    async def _latest(self, number: int, ask: Ask) -> int | None:
        """Which block is the latest for this message; None for the one that really is."""
        if Random(number).random() < 0.5:
            return None
        return max(1, int(await ask("eth_blockNumber"), 16) - self.BEHIND)

    async def _eth_blockNumber(self, ask: Ask, latest: int) -> Message:
        return {"result": hex(latest)}

    async def _eth_getBlockByHash(self, ask: Ask, latest: int, hash_: str, full: bool) -> Message:
        block = await ask("eth_getBlockByHash", hash_, full)
        return {"result": _if_there(block, "number", latest)}

    async def _eth_getTransactionReceipt(self, ask: Ask, latest: int, hash_: str) -> Message:
        receipt = await ask("eth_getTransactionReceipt", hash_)
        return {"result": _if_there(receipt, "blockNumber", latest)}

    async def _eth_getTransactionByHash(self, ask: Ask, latest: int, hash_: str) -> Message:
        found = await ask("eth_getTransactionByHash", hash_)
        return {"result": _if_there(found, "blockNumber", latest)}

    async def _eth_getLogs(self, ask: Ask, latest: int, wanted: Message) -> Message | None:
        return await self._unless_there(ask, latest, wanted)

    async def _eth_call(self, ask: Ask, latest: int, call: Message, at: Any) -> Message | None:
        return await self._unless_there(ask, latest, at)

    async def _eth_getBalance(self, ask: Ask, latest: int, account: str, at: Any) -> Message | None:
        return await self._unless_there(ask, latest, at)

    async def _eth_simulateV1(
        self, ask: Ask, latest: int, blocks: Message, at: Any
    ) -> Message | None:
        return await self._unless_there(ask, latest, at)

    async def _unless_there(self, ask: Ask, latest: int, at: Any) -> Message | None:
        """A refusal where the block that is meant is not there (geth's words)."""
        block = await ask("eth_getBlockByHash", at["blockHash"], False)
        if _if_there(block, "number", latest) is not None:
            return None
        return {"error": {"code": -32000, "message": "header not found"}}


def _if_there(found: Message | None, field: str, latest: int) -> Message | None:
    """What a node whose latest block is `latest` has of it."""
    there = found is not None and found[field] is not None and int(found[field], 16) <= latest
    return found if there else None


class Frozen(Balanced):
    """From some request on the node has no new block for a while, though there are."""

    FROM, LENGTH = 20, 10

    def __init__(self) -> None:
        self._asked = 0
        self._block: int | None = None

    async def _latest(self, number: int, ask: Ask) -> int | None:
        self._asked += 1
        if self._block is None and self._asked >= self.FROM:
            self._block = int(await ask("eth_blockNumber"), 16)
        return self._block if self._is_frozen else None

    def reported(self, notification: Message, line: int) -> list[Message]:
        return [] if self._is_frozen else [notification]

    @property
    def _is_frozen(self) -> bool:
        return self.FROM <= self._asked < self.FROM + self.LENGTH


class Mute(Fault):
    """The first connections go silent for ever after some messages: nothing is told to be wrong."""

    def __init__(self, *after: int) -> None:
        """Each for one connection: how many messages pass on it."""
        self._after = after
        self._passed: Counter[int] = Counter()

    def disturbs(self, methods: Sequence[str], line: int) -> Disturbed | None:
        self._passed[line] += 1
        if not self._is_mute(line):
            return None
        self.struck += 1
        return Disturbed(arrives=False, then=Disturbance.SILENCE)

    def reported(self, notification: Message, line: int) -> list[Message]:
        return [] if self._is_mute(line) else [notification]

    def _is_mute(self, line: int) -> bool:
        return line <= len(self._after) and self._passed[line] > self._after[line - 1]


class Heads(Fault):
    """New heads come as often as `times` says, in turn: twice, not at all, once."""

    def __init__(self, *times: int) -> None:
        self._times = times
        self._came = 0

    def reported(self, notification: Message, line: int) -> list[Message]:
        times = self._times[self._came % len(self._times)]
        self._came += 1
        self.struck += times != 1
        return [notification] * times


ALL_WAYS = ("ipc", "http", "ws")
HTTP, DUPLEX = ("http",), ("ipc", "ws")


@dataclass(frozen=True)
class Trouble:
    """A fault of the list: its name, how it is made, and on which ways to the node it can be."""

    name: str
    make: Callable[[], Fault]
    ways: tuple[str, ...] = ALL_WAYS

    def __str__(self) -> str:
        return self.name


def troubles(texts: Sequence[str]) -> list[Trouble]:
    """The list, with these error texts."""
    return [*_of_the_wire(), *_of_the_node(), *_of_answers(texts)]


def _of_the_wire() -> list[Trouble]:
    return [
        *_broken("time-out", Disturbance.SILENCE),
        *_broken("reset", Disturbance.RESET),
        *_broken("malformed JSON", Disturbance.GARBAGE),
        *_broken("HTTP 503", Disturbance.UNAVAILABLE, HTTP),
        *_broken("HTTP 429", Disturbance.TOO_MANY, HTTP),
        Trouble("connections that go silent", partial(Mute, 12, 25), DUPLEX),
        Trouble("heads reported twice", partial(Heads, 2), DUPLEX),
        Trouble("heads not reported", partial(Heads, 1, 0), DUPLEX),
        Trouble("no head reported", partial(Heads, 0), DUPLEX),
    ]


def _broken(name: str, then: Disturbance, ways: tuple[str, ...] = ALL_WAYS) -> list[Trouble]:
    """Before and after a send arrives, and now and then anywhere."""
    return [
        Trouble(f"{name} before a send arrives", partial(Broken, then, SENDS, arrives=False), ways),
        Trouble(f"{name} after a send arrives", partial(Broken, then, SENDS, arrives=True), ways),
        Trouble(
            f"{name} now and then", partial(Broken, then, arrives=False, each=7, times=4), ways
        ),
    ]


def _of_the_node() -> list[Trouble]:
    return [
        Trouble("a receipt that comes late and goes once more", LateReceipts),
        Trouble("a hash answered, the transaction lost", Lost),
        Trouble("another chain's id at first", partial(AnotherChain, {1, 2, 3})),
        Trouble("another chain's id now and then", partial(AnotherChain, {2, 4})),
        Trouble("a second node that is behind", Balanced),
        Trouble("a head that stands still", Frozen),
    ]


def _of_answers(texts: Sequence[str]) -> list[Trouble]:
    return [
        Trouble(
            f"{text!r} to what was {'' if arrives else 'not '}taken",
            partial(Refused, text, arrives=arrives),
        )
        for text in dict.fromkeys(texts)
        for arrives in (False, True)
    ]
