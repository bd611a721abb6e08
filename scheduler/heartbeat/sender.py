"""Sends the heartbeat of one program for as long as that lives, and nobody else sends it."""

import logging
import time
from pathlib import Path

from scheduler.heartbeat.beats import UNWELL, Beats
from scheduler.heartbeat.cloudwatch import CloudWatch, NotSent
from scheduler.heartbeat.delivery import Receipts
from scheduler.heartbeat.settings import Settings
from scheduler.locks import Held, Lock, holder_of
from scheduler.notices import Notice
from scheduler.pulse import Sign

log = logging.getLogger("HEARTBEAT")

# How often the sign of life is looked at.
_LOOK_SECONDS = 1.0

# The sender of a program that has just ended goes on for some seconds.
_PATIENCE_SECONDS = 8.0


class Sender:
    """The one sender of a name for an account on this box, which a lock of the kernel makes sure.

    `sign` is the file with the sign of life of the program with process id `pid`. The one that is
    `foremost`, scheduler-monitor's, takes the sending from the others: they let go as long as a
    second lock says that it is there.
    """

    def __init__(
        self,
        settings: Settings,
        cloudwatch: CloudWatch,
        sign: Path,
        pid: int,
        foremost: bool = False,
    ) -> None:
        self._settings = settings
        self._cloudwatch = cloudwatch
        self._sign = sign
        self._pid = pid
        self._foremost = foremost
        self._claim: Lock | None = None
        self._beats = Beats(settings.interval)
        # Signs of life are in a directory of their own beside the journal.
        self._receipts = Receipts(sign.parent.parent, settings.name)
        self._lock: Lock | None = None
        self._locked = ""
        self._refused_since: float | None = None
        self._elsewhere = Notice(log)
        self._unsent = Notice(log)

    def run(self) -> None:
        """Sends what is due, for ever."""
        while True:
            self.look(time.time())
            time.sleep(_LOOK_SECONDS)

    def look(self, now: float) -> None:
        """Sends what is due now, if anything is."""
        sign = Sign.read(self._sign)
        # One of another process is that of one before this program, or of one in its way.
        if sign is None or sign.pid != self._pid or not self._holds(sign, now):
            return
        value = self._beats.due(sign, now)
        if value is None:
            return
        try:
            self._cloudwatch.put(value)
        except NotSent as reason:
            self._beats.failed(now)
            self._receipts.refused(str(reason))
            self._unsent.raised(f"CloudWatch does not get the heartbeat, the jobs go on: {reason}")
        else:
            self._beats.sent(value, sign, now)
            self._receipts.taken()
            self._unsent.cleared("CloudWatch gets the heartbeat again")

    def last_words(self) -> None:
        """The program ended, and nobody had told it to. Raises NotSent."""
        if self._lock is not None:
            self._cloudwatch.put(UNWELL)

    def _holds(self, sign: Sign, now: float) -> bool:
        """Whether this is the one that sends. The account may be known only after some time."""
        name = f"heartbeat:{sign.account}:{self._settings.name}"
        if self._locked != name:
            self.let_go()
            self._locked = name
        try:
            self._give_way_or_claim(f"{name}:foremost")
            self._lock = self._lock or Lock(name)
        except Held as held:
            self._refused_since = self._refused_since or now
            if now - self._refused_since > _PATIENCE_SECONDS:
                self._elsewhere.raised(
                    f"{held.holder} sends the heartbeat of {self._settings.name} for this account: "
                    "this program sends none"
                )
            return False
        self._refused_since = None
        self._elsewhere.cleared("This program sends the heartbeat now")
        return True

    def _give_way_or_claim(self, name: str) -> None:
        """Takes the lock `name` if this is the foremost sender. Raises Held where another is it,
        and lets go of the sending then."""
        if self._foremost:
            self._claim = self._claim or Lock(name)
        elif (holder := holder_of(name)) is not None:
            self.let_go()
            raise Held(holder, is_stopped=False)

    def let_go(self) -> None:
        """Leaves the sending to another, until it looks again."""
        for lock in (self._lock, self._claim):
            if lock is not None:
                lock.release()
        self._lock = self._claim = None
