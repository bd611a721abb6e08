"""When an intent whose transaction was mined and failed may be tried again. Pure."""

from dataclasses import dataclass

from scheduler.transactions.states import IntentState

# So many mined failures, and only the operator lets it be tried again.
MOST_FAILURES = 3

# Blocks from the first failure to the next try; each further failure makes it four times as many.
FIRST_PAUSE = 16


@dataclass(frozen=True, slots=True)
class Failures:
    """An intent's mined failures that are final: at least one, the last of them in `last_block`."""

    count: int
    last_block: int

    @property
    def next_state(self) -> IntentState:
        """What becomes of the intent, where its family's rules allow another try."""
        return IntentState.SUSPENDED if self.count >= MOST_FAILURES else IntentState.PLANNED

    @property
    def next_try(self) -> int:
        """The first block for which it may be sent again."""
        return self.last_block + FIRST_PAUSE * int(4 ** (self.count - 1))
