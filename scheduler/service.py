"""The life of one process: wait until work is possible, turn with the heads, end on SIGTERM."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol

from scheduler.chain.errors import ChainChanged, FirstBlockMissing, NodeUnavailable, RpcError
from scheduler.chain.model import HeadEvent
from scheduler.errors import NotYet
from scheduler.notices import Notice
from scheduler.pulse import Pulse
from scheduler.transactions.journal import JournalUnavailable

log = logging.getLogger("SERVICE")

# What may pass by itself; the loop goes on with the next head, and says the trouble once.
PASSING = (NotYet, NodeUnavailable, JournalUnavailable, RpcError)

RETRY_SECONDS = 1.0


class Work(Protocol):
    """What a process does, once everything that it needs is there."""

    @property
    def pulse(self) -> Pulse: ...

    def follow(self) -> AsyncIterator[HeadEvent]: ...

    async def on(self, event: HeadEvent) -> None:
        """Deals with a new head. May raise what PASSING lists."""
        ...

    def counts(self) -> Mapping[str, int]: ...

    async def close(self) -> None: ...


async def serve(assemble: Callable[[], Awaitable[Work]], patient: bool) -> None:
    """Lives until SIGTERM or SIGINT.

    `assemble` puts the work together; it is called again until it can. What is not as it must be
    is waited for if `patient`, else raised as NotYet; a node that is away is always waited for.
    Raises Misconfigured from `assemble`.
    """
    loop = asyncio.get_running_loop()
    life = asyncio.ensure_future(_live(assemble, patient))
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, life.cancel)
    try:
        await life
    except asyncio.CancelledError:
        # What is in flight is in the journal; nothing needs to be waited for.
        log.info("Stopping")


async def _live(assemble: Callable[[], Awaitable[Work]], patient: bool) -> None:
    while True:
        work = await _assembled(assemble, patient)
        try:
            await _turn(work)
        except ChainChanged as change:
            log.warning("%s; starting over on the chain that is there now", change)
        finally:
            await work.close()


async def _assembled(assemble: Callable[[], Awaitable[Work]], patient: bool) -> Work:
    waiting = Notice(log)
    while True:
        try:
            work = await assemble()
        except NodeUnavailable as error:
            waiting.raised(f"Waiting for the node: {error}")
        except (NotYet, FirstBlockMissing, JournalUnavailable, RpcError) as error:
            if not patient:
                raise error if isinstance(error, NotYet) else NotYet(str(error)) from error
            waiting.raised(f"Waiting: {error}")
        else:
            waiting.cleared("Everything needed is there now")
            return work
        await asyncio.sleep(RETRY_SECONDS)


async def _turn(work: Work) -> None:
    trouble, pulse_trouble = Notice(log), Notice(log)
    async for event in work.follow():
        try:
            await work.on(event)
        except PASSING as error:
            trouble.raised(str(error))
        else:
            trouble.cleared("Working again")
        try:
            work.pulse.beat(event.head, work.counts(), trouble.text)
        except OSError as error:
            pulse_trouble.raised(f"the sign of life cannot be written: {error}")
        else:
            pulse_trouble.cleared("The sign of life can be written again")
