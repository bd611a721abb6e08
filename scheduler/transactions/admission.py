"""Which of what is due may have a slot now, as far as the journal tells; and why the rest waits."""

from collections.abc import Callable, Sequence

from scheduler.transactions.intents import Intent, Progress, Recorded, Told, Urgency
from scheduler.transactions.journal import Journal
from scheduler.transactions.purse import BY_URGENCY
from scheduler.transactions.states import IntentState

SUSPENDED = (
    "what is due failed too often and is suspended; see why: scheduler journal show {key}; "
    "to have it tried again: scheduler journal retry {key}"
)


class Admission:
    """Lets intents of one program through; `tell` is for the intents' families."""

    def __init__(
        self, journal: Journal, program: str, tell: Callable[[Told, Progress], None]
    ) -> None:
        """`withheld` says why something due is not sent: what lacks, and what to do about it;
        `held` that the operator holds this program back."""
        self._journal = journal
        self._program = program
        self._tell = tell
        self.withheld: str | None = None
        self.held: str | None = None

    def begin(self) -> None:
        """With each head: as far as is known, nothing is kept back."""
        self.withheld = self.held = None

    def fresh(self, intents: Sequence[Intent], block: int) -> list[Intent]:
        """Those that may be sent for `block`, their keys complete, the most urgent first.

        Families hear of the others.
        """
        intents = self._journal.admissible(intents)
        states = self._journal.intent_states([intent.key for intent in intents])
        # Planned already: there was a slot before.
        again = [key for key, state in states.items() if state is IntentState.PLANNED]
        failures = self._journal.failures(again) if again else {}
        fresh = []
        for intent in intents:
            state = states.get(intent.key, IntentState.PLANNED)
            if state is IntentState.PLANNED:
                if intent.key not in failures or block >= failures[intent.key].next_try:
                    fresh.append(intent)
            elif state is IntentState.SUSPENDED:
                self.withhold(SUSPENDED.format(key=intent.key))
            elif state is not IntentState.IN_SLOT:
                self._tell(intent.told, Recorded(state))
        return self.not_held(sorted(fresh, key=lambda intent: BY_URGENCY.index(intent.urgency)))

    def not_held(self, intents: Sequence[Intent]) -> list[Intent]:
        """Those that the operator does not hold back now."""
        hold = self._journal.holds.on(self._program)
        self.held = str(hold) if hold else None
        return [each for each in intents if not hold or each.urgency is Urgency.REPAIR]

    def withhold(self, why: str | None) -> None:
        """Notes that something is not sent, and why; None where nothing is kept back."""
        if why is not None:
            self.withheld = why if self.withheld is None else f"{self.withheld}; {why}"
