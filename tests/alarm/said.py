"""What the operator reads."""

import pytest


class Said:
    """What the operator's log says."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def lines(self) -> list[str]:
        """Each line as NAME: LEVEL: message."""
        return [f"{r.name}: {r.levelname}: {r.getMessage()}" for r in self._caplog.records]

    def of(self, call: str) -> list[str]:
        """The messages of one call, and those that announce it, in their order."""
        return [
            record.getMessage()
            for record in self._caplog.records
            if record.name == f"CALL-{call.upper()}" or call in record.getMessage()
        ]

    def forget(self) -> None:
        self._caplog.clear()
