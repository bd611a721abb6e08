"""Trouble is said once when it begins and once when it ends (DESIGN.md, invariant 10)."""

import logging


class Notice:
    """One thing that can be wrong for a while."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self.text: str | None = None

    def raised(self, text: str) -> None:
        """It is wrong now. Said when it begins, and again only when the text changes."""
        if text != self.text:
            self._logger.warning("%s", text)
        self.text = text

    def cleared(self, text: str) -> None:
        """It is fine now. Said only if it was wrong."""
        if self.text is not None:
            self._logger.info("%s", text)
        self.text = None
