"""The life of one process: wait until work is possible, turn with the heads, end on SIGTERM."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from scheduler.chain.errors import (
    ChainChanged,
    FirstBlockMissing,
    NodeGone,
    NodeUnavailable,
    RpcError,
)
from scheduler.chain.model import Head, HeadEvent
from scheduler.errors import HeldElsewhere, NotYet, Outdated, StandingBy
from scheduler.health import Vitals
from scheduler.notices import Notice
from scheduler.pulse import Pulse
from scheduler.transactions.journal import JournalUnavailable

log = logging.getLogger("SERVICE")

# What may pass by itself; the loop goes on with the next head, and says the trouble once.
PASSING = (NotYet, NodeUnavailable, JournalUnavailable, RpcError)

RETRY_SECONDS = 1.0

# Without a head the sign of life is renewed so often.
PULSE_SECONDS = 10.0


class Work(Protocol):
    """What a process does, once everything that it needs is there."""

    def follow(self) -> AsyncIterator[HeadEvent]:
        """The heads, for ever. May raise ChainChanged and NodeGone, after which all begins anew."""
        ...

    async def on(self, event: HeadEvent) -> None:
        """Deals with a new head. May raise what PASSING lists, ChainChanged, and Outdated."""
        ...

    def waited(self, seconds: float) -> None:
        """Takes note that no head came for so long."""
        ...

    def counts(self) -> Mapping[str, int]: ...

    def vitals(self) -> Vitals:
        """How it is about the work itself, whatever `on` raised."""
        ...

    async def close(self) -> None: ...


async def serve(assemble: Callable[[], Awaitable[Work]], pulse: Pulse, patient: bool) -> None:
    """Lives until SIGTERM or SIGINT.

    `assemble` puts the work together; it is called again until it can. What is not as it must be
    is waited for if `patient`, else raised as NotYet; a node that is away is always waited for.
    Raises Misconfigured from `assemble`.
    """
    try:
        await until_told(asyncio.ensure_future(_live(assemble, pulse, patient)))
    except asyncio.CancelledError:
        # What is in flight is in the journal; nothing needs to be waited for.
        log.info("Stopping")


async def until_told(life: "asyncio.Future[Any]") -> None:
    """Awaits `life`, which SIGTERM and SIGINT cancel. Raises asyncio.CancelledError then."""
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, life.cancel)
    await life


async def _live(assemble: Callable[[], Awaitable[Work]], pulse: Pulse, patient: bool) -> None:
    while True:
        work = await _assembled(assemble, pulse, patient)
        # What was there once is what the operator meant: from now on it is waited for.
        patient = True
        try:
            await _turn(work, pulse)
        except ChainChanged as change:
            log.warning("%s; starting over on the chain that is there now", change)
        except NodeGone as gone:
            log.warning("%s; starting over with the first node that answers", gone)
        except Outdated as change:
            log.warning("%s; starting over with what is there now", change)
        finally:
            await work.close()


async def _assembled(assemble: Callable[[], Awaitable[Work]], pulse: Pulse, patient: bool) -> Work:
    waiting = Notice(log)
    while True:
        try:
            work = await assemble()
        except (*PASSING, FirstBlockMissing) as error:
            if isinstance(error, NodeUnavailable):
                waiting.raised(f"Waiting for the node: {error}")
            elif patient:
                waiting.raised(f"Waiting: {_told(error)}")
            else:
                raise error if isinstance(error, NotYet) else NotYet(_told(error)) from error
            # One who holds the lock here may have the same name, and gives the sign of life.
            if isinstance(error, StandingBy) or not isinstance(error, HeldElsewhere):
                with suppress(OSError):
                    trouble = None if isinstance(error, StandingBy) else waiting.text
                    pulse.beat(None, {}, trouble)
        else:
            waiting.cleared("Everything needed is there now")
            return work
        await asyncio.sleep(RETRY_SECONDS)


async def _turn(work: Work, pulse: Pulse) -> None:
    trouble, unwritten = Notice(log), Notice(log)
    head: Head | None = None
    failure: str | None = None
    came_at = time.monotonic()
    async for event in _with_pauses(work.follow()):
        if event is None:
            work.waited(time.monotonic() - came_at)
        else:
            came_at = time.monotonic()
            head, before = event.head, failure
            try:
                await work.on(event)
            except PASSING as error:
                failure = _told(error)
                # A node that went away is told by what follows its heads: news only if they come.
                if before is not None or not isinstance(error, NodeUnavailable):
                    trouble.raised(failure)
            else:
                failure = None
                trouble.cleared("Working again")
        try:
            pulse.beat(head, work.counts(), failure, work.vitals())
        except OSError as error:
            unwritten.raised(f"the sign of life cannot be written: {error}")
        else:
            unwritten.cleared("The sign of life can be written again")


def _told(error: Exception) -> str:
    if isinstance(error, RpcError):
        words = " ".join(str(error).split())
        return f"the node refuses what it is asked: {words}; check rpc-url and the node's APIs"
    return str(error)


async def _with_pauses(events: AsyncIterator[HeadEvent]) -> AsyncIterator[HeadEvent | None]:
    """The events, and None whenever there was none for PULSE_SECONDS."""
    while True:
        upcoming = asyncio.ensure_future(anext(events))
        try:
            while not (await asyncio.wait({upcoming}, timeout=PULSE_SECONDS))[0]:
                yield None
        except BaseException:
            upcoming.cancel()
            raise
        yield upcoming.result()
