"""What costs something to make is made at most every so often, however many ask for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Something that is as good as new for so many seconds; those who ask meanwhile wait for it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._made: tuple[float, T] | None = None

    async def get(self, make: Callable[[], Awaitable[T]]) -> T:
        """What was made last, or what `make` makes now. Raises what `make` raises."""
        async with self._lock:
            if self._made is None or time.monotonic() - self._made[0] > self._seconds:
                self._made = time.monotonic(), await make()
            return self._made[1]
