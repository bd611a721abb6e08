"""supervisord's process events, as one of its event listeners hears them (its docs, "Events").

The protocol has standard input and output: READY, an event, RESULT. So this process's own lines go
to standard error.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

log = logging.getLogger("EVENTS")

_READY, _OK = b"READY\n", b"RESULT 2\nOK"


@dataclass(frozen=True, slots=True)
class ProcessEvent:
    """A program's state changed. `expected`: it ended as supervisord was told that it may."""

    program: str
    state: str
    before: str
    expected: bool
    pid: int | None


def output_is_the_protocol_s() -> BinaryIO:
    """The stream to supervisord; from now on whatever else writes to standard output, writes to
    standard error."""
    stream = os.fdopen(os.dup(1), "wb", buffering=0)
    sys.stdout.flush()
    os.dup2(2, 1)
    return stream


def listen(source: BinaryIO, sink: BinaryIO, heard: Callable[[ProcessEvent], None]) -> None:
    """Starts to hear, in a thread that ends with supervisord."""
    threading.Thread(target=_listen, args=(source, sink, heard), daemon=True).start()


def _listen(source: BinaryIO, sink: BinaryIO, heard: Callable[[ProcessEvent], None]) -> None:
    try:
        while True:
            sink.write(_READY)
            header = source.readline()
            if not header:
                return
            fields = _fields(header.decode())
            payload = source.read(int(fields["len"]))
            event = event_of(fields["eventname"], payload.decode(errors="replace"))
            if event is not None:
                heard(event)
            sink.write(_OK)
    except (OSError, ValueError, KeyError) as error:
        log.warning("supervisord's events are not heard any more: %s", error)


def event_of(name: str, payload: str) -> ProcessEvent | None:
    """The event with this name, such as PROCESS_STATE_EXITED; None for one of another kind.

    Raises KeyError for one that says less than supervisord's do.
    """
    prefix = "PROCESS_STATE_"
    if not name.startswith(prefix):
        return None
    fields = _fields(payload)
    pid = int(fields.get("pid", "0"))
    return ProcessEvent(
        program=fields["processname"],
        state=name.removeprefix(prefix),
        before=fields["from_state"],
        expected=fields.get("expected", "1") == "1",
        pid=pid or None,
    )


def _fields(line: str) -> dict[str, str]:
    """`ver:3.0 server:supervisor …`, as headers and payloads both are."""
    pairs = (word.partition(":") for word in line.split())
    return {name: value for name, _, value in pairs}
