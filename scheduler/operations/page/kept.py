"""What costs something to make is made at most every so often, however many ask for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Something that is as good as new for so many seconds; those who ask meanwhile wait for it.

    None is what could not be made, and is not kept: whoever asks next may have more luck.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._made: tuple[float, T] | None = None

    async def get(self, make: Callable[[], Awaitable[T]]) -> T:
        """What was made last, or what `make` makes now. Raises what `make` raises."""
        async with self._lock:
            began = time.monotonic()
            if self._made is not None and began - self._made[0] <= self._seconds:
                return self._made[1]
            made = await make()
            self._made = None if made is None else (began, made)
            return made
