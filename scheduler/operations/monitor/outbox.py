"""What is to be told, kept until it was: over restarts of the one who tells, and of those told."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from scheduler.notices import Notice
from scheduler.operations.facts import records
from scheduler.operations.facts.model import Alert, Delivery
from scheduler.operations.monitor.alerts import Alerts, Kind, Message
from scheduler.operations.monitor.channels import Channel, NotDelivered

log = logging.getLogger("ALERT")

RETRY_SECONDS = 10.0


class Outbox:
    """The alerts that are open, and what each channel still has to be told.

    Both are in one file, written before a message leaves and again when it has left: a message is
    told again only where the process was killed in between.
    """

    def __init__(self, journal: Path, channels: Sequence[Channel]) -> None:
        self._path = records.place(journal) / records.ALERTS
        self._journal = journal
        self._channels = channels
        self._changed = threading.Condition()
        content = records.read(self._path) or {}
        self.alerts = Alerts(Alert(**each) for each in content.get("open", []))
        pending: Mapping[str, Sequence[dict[str, object]]] = content.get("pending", {})
        self._pending = {
            channel.name: [_message(each) for each in pending.get(channel.name, ())]
            for channel in channels
        }
        self._deliveries = {
            channel.name: Delivery(channel.name, None, None)
            for channel in channels
            if channel.name != "log"
        }
        self._unwritten = Notice(log)

    def start(self) -> None:
        """Begins to tell, each channel in a thread of its own: one that hangs delays no other."""
        with suppress(OSError):
            records.write_channels(self._journal, list(self._deliveries.values()))
        for channel in self._channels:
            threading.Thread(target=self._serve, args=(channel,), daemon=True).start()

    def put(self, messages: Sequence[Message]) -> None:
        """Takes messages for all channels; returns when they are on the disk."""
        with self._changed:
            if messages:
                for waiting in self._pending.values():
                    waiting.extend(messages)
                self._write()
                self._changed.notify_all()

    def is_empty(self) -> bool:
        """Whether all was told."""
        with self._changed:
            return not any(self._pending.values())

    def _serve(self, channel: Channel) -> None:
        waiting = self._pending[channel.name]
        away = Notice(log)
        while True:
            with self._changed:
                while not waiting:
                    self._changed.wait()
                message = waiting[0]
            try:
                channel.send(message)
            except Exception as error:
                # Whatever it is, the next try may succeed, and the other channels tell of it.
                reason = str(error) if isinstance(error, NotDelivered) else repr(error)
                away.raised(f"{channel.name} does not take alerts, they wait: {reason}")
                self._note(channel, reason)
                time.sleep(RETRY_SECONDS)
                continue
            away.cleared(f"{channel.name} takes alerts again")
            with self._changed:
                del waiting[0]
                self._write()
            self._note(channel, None)

    def _note(self, channel: Channel, why: str | None) -> None:
        with self._changed:
            before = self._deliveries.get(channel.name)
            if before is None:
                return
            taken_at = time.time() if why is None else before.taken_at
            self._deliveries[channel.name] = Delivery(channel.name, taken_at, why)
            with suppress(OSError):
                records.write_channels(self._journal, list(self._deliveries.values()))

    def _write(self) -> None:
        content = {
            "open": [asdict(alert) for alert in self.alerts.open.values()],
            "pending": {
                name: [_plain(each) for each in waiting] for name, waiting in self._pending.items()
            },
        }
        try:
            records.write(self._path, content)
        except OSError as error:
            self._unwritten.raised(f"alerts cannot be kept in {self._path}: {error}; they go on")
        else:
            self._unwritten.cleared("alerts can be kept again")


def _plain(message: Message) -> dict[str, object]:
    return {**asdict(message), "kind": message.kind.value}


def _message(content: dict[str, object]) -> Message:
    return Message(**{**content, "kind": Kind(content["kind"])})  # type: ignore[arg-type]
