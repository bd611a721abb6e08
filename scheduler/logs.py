"""The log lines as operators know them from the seed: NAME: LEVEL: time message."""

import io
import logging
import os
import sys
from collections.abc import Mapping, Sequence

from scheduler.chain.endpoint import without
from scheduler.spelling import spelled

FORMAT = "%(name)s: %(levelname)s: %(asctime)s %(message)s"

MOC_JOBS_FORMAT = "%(asctime)s %(name)-12s %(levelname)-8s %(message)s"
"""As the users of Money on Chain's jobs know their lines."""

_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")


class _Lines(logging.Formatter):
    """A node's answer may repeat the key with which it was asked: no line shows it. Addresses are
    as the network's wallets write them."""

    def __init__(self, layout: str, secrets: Sequence[str]) -> None:
        super().__init__(layout)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return spelled(without(self._secrets, super().format(record)))


def configure(
    secrets: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
    layout: str = FORMAT,
) -> None:
    """Sends all log lines to standard output; LOG_LEVEL chooses, INFO where it says nothing known.

    Standard error is for the one line with which a program ends in exit status 1 or 2. Lines that
    cannot be written, to a full disk or to a reader that has gone, are lost; work goes on.
    """
    logging.raiseExceptions = False
    level = environment.get("LOG_LEVEL", "").upper()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A log in another encoding than UTF-8 shows \\u2026 rather than nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Lines(layout, secrets))
    logging.basicConfig(handlers=[handler], level=level if level in _LEVELS else "INFO")
