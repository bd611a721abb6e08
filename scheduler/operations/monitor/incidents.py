"""What happened on the box, for whoever looks later: alerts and ends of processes, in one file."""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from scheduler.operations.facts import records
from scheduler.operations.facts.model import Incident
from scheduler.operations.monitor.alerts import Message
from scheduler.operations.monitor.listener import ProcessEvent


class Incidents:
    """The last of them, oldest first; they survive a restart of the one who keeps them."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._all = list(records.monitor(journal).incidents)

    def told(self, message: Message) -> None:
        """An alert began or ended."""
        kind: Literal["began", "ended"] = message.kind.value
        self._add(Incident(message.at, kind, message.check, message.reason))

    def heard(self, event: ProcessEvent) -> None:
        """Of supervisord's events those that tell of trouble."""
        name, now = event.program, time.time()
        if event.state == "EXITED" and not event.expected:
            text = f"{name} (process {event.pid}) ended unexpectedly, and is started again"
            self._add(Incident(now, "exited", name, text))
        elif event.state == "BACKOFF":
            self._add(Incident(now, "backoff", name, f"{name} could not be started"))
        elif event.state == "FATAL":
            self._add(Incident(now, "fatal", name, f"{name} is not tried again: start it yourself"))

    def _add(self, incident: Incident) -> None:
        with self._lock:
            self._all = [*self._all, incident][-records.KEPT_INCIDENTS :]
            # On a full disk what happens is still alerted.
            with suppress(OSError):
                records.write_incidents(self._journal, self._all)
