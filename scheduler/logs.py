"""The log lines as operators know them from the seed: NAME: LEVEL: time message."""

import logging
import os
import sys
from collections.abc import Mapping

FORMAT = "%(name)s: %(levelname)s: %(asctime)s %(message)s"

_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")


def configure(environment: Mapping[str, str] = os.environ) -> None:
    """Sends all log lines to standard output; LOG_LEVEL chooses, INFO where it says nothing known.

    Standard error is for the one line with which a program ends in exit status 1 or 2.
    """
    level = environment.get("LOG_LEVEL", "INFO")
    logging.basicConfig(
        stream=sys.stdout, level=level if level in _LEVELS else "INFO", format=FORMAT
    )
