"""Trouble is said once when it begins and once when it ends."""

import logging
import re

# Balances, prices and block numbers change with every block; what is wrong does not.
_FIGURE = re.compile(r"\b\d+(?:\.\d+)?\b")


class Notice:
    """One thing that can be wrong for a while. `text` is what is wrong now, None if nothing is."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self.text: str | None = None

    def raised(self, text: str) -> None:
        """It is wrong now. Said when it begins, and again only when more than figures change."""
        if self.text is None or _FIGURE.sub("", text) != _FIGURE.sub("", self.text):
            self._logger.warning("%s", text)
        self.text = text

    def cleared(self, text: str) -> None:
        """It is fine now. Said only if it was wrong."""
        if self.text is not None:
            self._logger.info("%s", text)
        self.text = None
