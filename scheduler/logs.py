"""The log: lines as operators know them from the seed, or JSON; never with a secret in it."""

import io
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone

from scheduler.redaction import guard_tracebacks, hide, redacted
from scheduler.spelling import spelled

FORMAT = "%(name)s: %(levelname)s: %(asctime)s %(message)s"

MOC_JOBS_FORMAT = "%(asctime)s %(name)-12s %(levelname)-8s %(message)s"
"""As the users of Money on Chain's jobs know their lines."""

LINES, JSON = "lines", "json"

_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")

_intent: ContextVar[str | None] = ContextVar("intent", default=None)


@contextmanager
def about(intent: str) -> Iterator[None]:
    """What is logged within it is about the intent with this key."""
    token = _intent.set(intent)
    try:
        yield
    finally:
        _intent.reset(token)


class Lines(logging.Formatter):
    """An event in a line, and a traceback below it where there is one. Addresses are as the
    network's wallets write them."""

    def format(self, record: logging.LogRecord) -> str:
        return spelled(redacted(super().format(record)))


class JsonLines(logging.Formatter):
    """An event in an object, in a line of its own whatever it says.

    `time` (UTC, RFC 3339), `level`, `name`, `message`; where there are such, `intent`, the key of
    the one that it is about, and `exception`, a traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, timezone.utc)
        event = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "name": record.name,
            # Before it is escaped: a secret in JSON's way of writing would not be known.
            "message": spelled(redacted(record.getMessage())),
        }
        if (intent := _intent.get() or getattr(record, "intent", None)) is not None:
            event["intent"] = intent
        if record.exc_info:
            event["exception"] = redacted(self.formatException(record.exc_info))
        return json.dumps(event, ensure_ascii=False)


def configure(
    secrets: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
    layout: str = FORMAT,
    form: str = LINES,
) -> None:
    """Sends all log lines to standard output; LOG_LEVEL chooses, INFO where it says nothing known.

    `layout` is that of LINES. Standard error is for the one line with which a program ends in exit
    status 1 or 2. Neither shows one of `secrets`. Lines that cannot be written, to a full disk or
    to a reader that has gone, are lost; work goes on.
    """
    hide(secrets)
    guard_tracebacks()
    logging.raiseExceptions = False
    logging.captureWarnings(True)
    level = environment.get("LOG_LEVEL", "").upper()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A log in another encoding than UTF-8 shows \\u2026 rather than nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines() if form == JSON else Lines(layout))
    logging.basicConfig(handlers=[handler], level=level if level in _LEVELS else "INFO")
