"""Leases: who may act, where several boxes share a journal in PostgreSQL.

A lease is a row with an end, by the database's clock, and a token that is another with each holder.
Its holder makes it last; whoever finds it over takes it, with the next token. What the holder
writes to the journal is written only if it has its tokens still, as the transaction itself finds
that writes it, alone: what was taken over in the meantime refuses it. So no box's clock matters,
and whoever was stopped for a while, or cut off, writes nothing after somebody else began.

Bytes that a former holder had committed may still leave. They are in slots that the new one looks
after, as after any restart.

A database that is another server's since a failover may lack what was committed last, and bytes of
that may have left: whoever had a lease before begins anew, and compares the journal with the chain.

On its own box a program holds the kernel's lock of the same name, too: that is gone with the
process, and tells who has it.
"""

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from scheduler.errors import Misconfigured, NotYet, Outdated
from scheduler.locks import Lock
from scheduler.notices import Notice
from scheduler.transactions.boxes import SHADOW, Box, HeldByBox, Lease, objection
from scheduler.transactions.fencing import Fenced
from scheduler.transactions.journal import JournalUnavailable
from scheduler.transactions.journal.database import Database, opened
from scheduler.transactions.journal.location import Location
from scheduler.transactions.journal.values import Row

log = logging.getLogger("LEASES")

TERM_SECONDS = 10.0
"""For how long a lease is given: another box takes over so long after the last sign of this one."""

RENEWAL_SECONDS = 2.5
"""Between two renewals: three may fail in a row before a lease ends."""

GIVE_WAY_SECONDS = 5.0
"""For how long a box that was told to gives others their turn; whoever stands by asks every second
(scheduler.service)."""

CLOCK_SECONDS = 5.0
"""How far this box's clock may be from the database's before that is said. No lease depends on it;
what the operator reads in logs and in the journal does."""

_ANOTHER = "the database is one that was a standby's, or put back"


class LeaseLost(Outdated):
    """Another box may act by now: nothing is written, and what was held is let go."""


class _Renewed(NamedTuple):
    """A lease that lasts from now on: whether others are to have it, and the database's timeline
    (see Leases)."""

    given_up: bool
    timeline: str


@dataclass(slots=True)
class Hold:
    """A lease that this process has until it releases it, ends, or loses it."""

    name: str
    token: int
    kernel: Lock | None
    leases: "Leases" = field(repr=False)

    def release(self) -> None:
        """Lets it go: whoever stands by has it at once."""
        self.leases.let_go(self)
        if self.kernel is not None:
            self.kernel.release()


class Leases:
    """The leases of one process; all methods are for its one thread."""

    def __init__(
        self,
        location: Location,
        program: str,
        box: Box | None = None,
        term: float = TERM_SECONDS,
        connect: Callable[[Location], Database] = opened,
        shadow: bool = False,
    ) -> None:
        """For the journal at `location`; nothing is opened yet. `term` in seconds. In the `shadow`
        a program only looks on."""
        self._location = location
        self._connect = connect
        self._box = box or Box.here()
        self._me: dict[str, object] = {
            "box": self._box.name,
            "pid": os.getpid(),
            "program": program + SHADOW if shadow else program,
            "place": self._box.place,
        }
        self._term = term
        self._shadow = shadow
        self._database: Database | None = None
        # Leases are renewed from another thread, so that a slow database keeps nothing else back.
        self._turn = threading.Lock()
        self._holds: dict[str, Hold] = {}
        self._until = float("inf")
        self._lost: str | None = None
        # Of the database, when the first of what is held was taken.
        self._timeline = ""
        # Why others are to have what is held, and for how long they have their turn.
        self._given_up: str | None = None
        self._gives_way_until = 0.0
        self._gives_way = ""
        self._troubles = Notice(log)
        self._clock = Notice(log)

    def take(self, name: str) -> Hold:
        """The lease `name`. Raises Held, NotYet where it would be no use, JournalUnavailable.

        What a stopped process of this box has is taken over like that of another box, once it ends.
        """
        self._let_others()
        kernel = self._box.lock(name)
        try:
            asked = time.monotonic()
            # Who had it here before is gone, since the kernel gave its lock to this process.
            token, timeline = self._taken(name, emptied=self._box.place if kernel else None)
        except BaseException:
            if kernel is not None:
                kernel.release()
            raise
        if not self._holds:
            self._until, self._lost, self._timeline = asked + self._term, None, timeline
        hold = self._holds[name] = Hold(name, token, kernel, self)
        return hold

    def look(self, name: str) -> None:
        """Raises Held where somebody has the lease `name`; JournalUnavailable."""
        self._let_others()
        kernel = self._box.lock(name)
        if kernel is not None:
            kernel.release()
        self._must_be_free(name, self._in_the_way(), emptied=self._box.place if kernel else None)

    def let_go(self, hold: Hold) -> None:
        """Ends a lease, if it is still this process's; one that nobody can be told of ends by
        itself."""
        if self._holds.get(hold.name) is hold:
            del self._holds[hold.name]
        if self._given_up is not None and not self._holds:
            # From when it is to be had on.
            self._gives_way, self._given_up = self._given_up, None
            self._gives_way_until = time.monotonic() + GIVE_WAY_SECONDS
        if self._database is not None:
            with suppress(JournalUnavailable):
                self._ask("leases.release", mine=_as_json({hold.name: hold.token}))

    def give_way(self, why: str) -> None:
        """When all that is held was let go, others have their turn before this process."""
        self._given_up = why

    def fencing(self, database: Database) -> Fenced:
        """The same database for one that writes only as long as all that is held here is held."""
        return Fenced(database, self.check)

    def check(self, run: Callable[..., list[Row]]) -> None:
        """Within a transaction that is alone: raises LeaseLost unless all that is held is held."""
        self.check_here()
        mine = self._mine
        if mine:
            [(count, timeline)] = run("leases.held", mine=_as_json(mine))
            if timeline != self._timeline:
                self._lost = self._lost or _ANOTHER
            elif count != len(mine):
                self._lost = self._lost or "the lease of this box is over"
            self.check_here()

    def check_here(self) -> None:
        """The same, as far as this process knows. Raises LeaseLost."""
        if self._lost is None and self._holds and time.monotonic() > self._until:
            self._lost = "the lease of this box could not be renewed in time"
        if self._lost is not None:
            raise LeaseLost(f"{self._lost}; nothing is sent until it has it again")

    async def keep(self) -> None:
        """Makes what is held last, for ever.

        As a task of the loop that does the work: one that does not turn any more gives way.
        """
        while True:
            await asyncio.sleep(self._term * RENEWAL_SECONDS / TERM_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Makes what is held last from now on; says once why it cannot."""
        if not self._holds:
            return
        asked = time.monotonic()
        try:
            mine, kept, others, apart = await asyncio.to_thread(self._renewed)
        except (JournalUnavailable, Misconfigured) as error:
            self._troubles.raised(
                f"the lease of this box cannot be renewed: {error}; without it another box takes "
                f"over {self._term:g} s after the last renewal"
            )
            return
        self._troubles.cleared("The lease of this box is renewed again")
        gone = [n for n, token in self._mine.items() if mine.get(n) == token and n not in kept]
        if gone:
            who = next((lease.holder for lease in others if lease.name in gone), "another box")
            self._lost = f"{who} has taken over from this box"
        elif any(each.timeline != self._timeline for each in kept.values()):
            # Also of one that has nothing to write: what is due later does not wait then.
            self._lost = _ANOTHER
        elif any(each.given_up for each in kept.values()):
            self.give_way("as scheduler drain told it to")
            self._lost = "scheduler drain wants another box to have the lease"
        else:
            self._until = asked + self._term
        self._tell_clock(apart)

    def _renewed(self) -> tuple[dict[str, int], dict[str, _Renewed], list[Lease], float]:
        """What was held; what of it is renewed; who holds the others; and by how many seconds this
        box's clock is ahead of the database's."""
        with self._turn, self._open() as database:
            # Not before it is this thread's turn: what was let go until then is not renewed.
            mine = self._mine
            rows = database.read("leases.renew", mine=_as_json(mine), seconds=self._term)
        kept = {name: _Renewed(*rest) for name, *rest in rows}
        others = self.standing() if len(kept) < len(mine) else []
        before = time.time()
        [(clock,)] = self._ask("now")
        after = time.time()
        # Within the time that the question took, the database's clock was read.
        apart = max(before - clock, 0.0) or min(after - clock, 0.0)
        return mine, kept, others, apart

    def _tell_clock(self, apart: float) -> None:
        if abs(apart) < CLOCK_SECONDS:
            self._clock.cleared("This box's clock agrees with the database's again")
            return
        way = "ahead of" if apart > 0 else "behind"
        self._clock.raised(
            f"this box's clock is {abs(apart):.0f} s {way} the database's; no lease depends on it, "
            "but times in logs and in the journal do: see which is wrong with timedatectl on both"
        )

    def _taken(self, name: str, emptied: str | None) -> tuple[int, str]:
        """Its token, and the database's timeline. Raises HeldByBox, NotYet, JournalUnavailable."""
        standing = self._in_the_way()
        self._must_be_free(name, standing, emptied)
        # What this process has itself is nobody else's with another account.
        why_not = objection(name, [lease for lease in standing if lease.name not in self._holds])
        if why_not is not None:
            raise NotYet(why_not)
        values = {"name": name, "seconds": self._term, "emptied": emptied, **self._me}
        # Alone: nobody's transaction is between its look at the leases and its commit.
        with self._turn, self._open() as database, database.together():
            rows = database.run("leases.take", **values)
        if not rows:
            raise HeldByBox("another box, which was faster,")
        [(token, timeline)] = rows
        return int(token), str(timeline)

    def give_up(self, scope: str) -> list[str]:
        """Has the program of this box named `scope`, or with "all" every one, give others their
        turn; the leases that they have."""
        rows = self._ask("leases.give_up", place=self._box.place, scope=scope)
        return [name for (name,) in rows]

    def standing(self) -> list[Lease]:
        """Who holds what now. Raises JournalUnavailable."""
        return [Lease(*row) for row in self._ask("leases.standing")]

    def _in_the_way(self) -> list[Lease]:
        """What others have, and do not give this process as soon as it asks."""
        return [lease for lease in self.standing() if self._shadow or not lease.looks_on]

    def _let_others(self) -> None:
        if time.monotonic() < self._gives_way_until:
            raise NotYet(f"this box gives others their turn, {self._gives_way}")

    def _must_be_free(self, name: str, standing: Sequence[Lease], emptied: str | None) -> None:
        """Raises HeldByBox; who had it in the place `emptied` has it no more."""
        for lease in standing:
            if lease.name == name and lease.place != emptied:
                raise HeldByBox(lease.holder)

    def _ask(self, query: str, **values: object) -> list[Row]:
        """The rows of one statement that stands alone, whatever it writes."""
        with self._turn, self._open() as database:
            return database.read(query, **values)

    @contextmanager
    def _open(self) -> Iterator[Database]:
        """The connection, which is made anew after one that broke."""
        if self._database is None:
            self._database = self._connect(self._location)
        try:
            yield self._database
        except JournalUnavailable:
            self._hang_up()
            raise

    @property
    def _mine(self) -> dict[str, int]:
        """The token of each name that is held, for whichever thread asks."""
        return {name: hold.token for name, hold in self._holds.copy().items()}

    def close(self) -> None:
        """Lets go all that is held, and ends the connection."""
        for hold in list(self._holds.values()):
            hold.release()
        self._hang_up()

    def _hang_up(self) -> None:
        """Ends the connection; the next question makes another."""
        if self._database is not None:
            self._database.close()
            self._database = None


def _as_json(mine: Mapping[str, int]) -> str:
    return json.dumps([{"name": name, "token": token} for name, token in mine.items()])
