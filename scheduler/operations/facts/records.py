"""The files beside the journal by which scheduler-monitor, and what it starts, tell how it is.

Each is written whole or not at all, by one process, and read by whoever likes.
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scheduler.heartbeat.delivery import DIRECTORY as HEARTBEATS
from scheduler.operations.facts.model import Alert, Delivery, Incident, Monitor
from scheduler.pulse import FRESH_SECONDS

DIRECTORY = "monitor"
LIFE, ALERTS, INCIDENTS, CHANNELS = (
    "scheduler-monitor.json",
    "alerts.json",
    "incidents.json",
    "channels.json",
)

KEPT_INCIDENTS = 200

# A heartbeat that was noted so long ago is of a program that does not run any more. One that is
# refused is tried again every ten seconds (scheduler.heartbeat.beats).
_OLD_SECONDS, _REFUSED_SECONDS = 3600.0, 60.0


def place(journal: Path) -> Path:
    """The monitor's own directory, beside the journal."""
    return journal.parent / DIRECTORY


def deliveries(journal: Path) -> tuple[Delivery, ...]:
    """What is sent somewhere, and whether it arrives."""
    found = []
    for path in sorted((journal.parent / HEARTBEATS).glob("*.json")):
        content = read(path)
        if content is None:
            continue
        limit = _OLD_SECONDS if content["why"] is None else _REFUSED_SECONDS
        if time.time() - content["at"] < limit:
            found.append(
                Delivery(f"heartbeat {content['name']}", content["taken_at"], content["why"])
            )
    channels = read(place(journal) / CHANNELS) or []
    return (*found, *(Delivery(**each) for each in channels))


def monitor(journal: Path) -> Monitor:
    """What scheduler-monitor left."""
    life = read(place(journal) / LIFE)
    alerts = read(place(journal) / ALERTS) or {}
    incidents = read(place(journal) / INCIDENTS) or []
    looped_at = None if life is None else float(life["looped_at"])
    running = life is not None and os.path.exists(f"/proc/{life['pid']}")
    return Monitor(
        running=running and looped_at is not None and time.time() - looped_at < FRESH_SECONDS,
        looped_at=looped_at,
        alerts=tuple(Alert(**each) for each in alerts.get("open", [])),
        incidents=tuple(Incident(**each) for each in incidents),
    )


def write_incidents(journal: Path, incidents: Sequence[Incident]) -> None:
    """The newest, oldest first. May raise OSError."""
    write(place(journal) / INCIDENTS, [asdict(each) for each in incidents[-KEPT_INCIDENTS:]])


def write_channels(journal: Path, channels: Sequence[Delivery]) -> None:
    """May raise OSError."""
    write(place(journal) / CHANNELS, [asdict(each) for each in channels])


def read(path: Path) -> Any:
    """What is in the file; None where it is not there, or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write(path: Path, content: object) -> None:
    """Whole or not at all, in a directory that it makes. May raise OSError."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(content) + "\n", encoding="utf-8")
    partial.replace(path)
