"""Reads one part of the facts at a time, within a limit, and never in the way of the others."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from scheduler.chain.endpoint import within

T = TypeVar("T")

LIMIT_SECONDS = 5.0


class Sources:
    """Where facts come from. `unread` says of each that could not be read this time why, by name.

    What hangs for good, such as a file system that is away, is left alone until it answers: it
    costs one thread, however often it is asked for.
    """

    def __init__(self) -> None:
        self.unread: dict[str, str] = {}
        self._hanging: dict[str, tuple[threading.Thread, float]] = {}

    async def ask(self, name: str, answer: Awaitable[T], limit: float = LIMIT_SECONDS) -> T | None:
        """What is answered within so many seconds."""
        try:
            return await within(limit, answer)
        except Exception as error:
            self.unread[name] = _told(error)
            return None

    async def call(
        self, name: str, function: Callable[[], T], limit: float = LIMIT_SECONDS
    ) -> T | None:
        """The same of a function that may block."""
        hanging, since = self._hanging.get(name, (None, 0.0))
        if hanging is not None and hanging.is_alive():
            self.unread[name] = f"it has not answered for {time.monotonic() - since:.0f} s"
            return None
        return await self.ask(name, self._in_thread(name, function), limit)

    async def _in_thread(self, name: str, function: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def work() -> None:
            try:
                result, error = function(), None
            except Exception as failure:
                result, error = None, failure
            # Nobody waits any more where the loop is closed.
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        # Not the loop's own threads: the end of the process would wait for one that hangs.
        thread = threading.Thread(target=work, daemon=True, name=name)
        self._hanging[name] = thread, time.monotonic()
        thread.start()
        return await future


def _told(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
