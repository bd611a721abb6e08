"""The diagrams of docs/understand.md: the transition tables, drawn (Mermaid, stateDiagram-v2)."""

from enum import Enum

from scheduler.transactions import states
from scheduler.transactions.states import AttemptState, IntentState, SlotState

# Of the intent's, five outcomes have the same steps: drawn once, they can be read.
_MINED = [kind.intent_state for kind in states.OutcomeKind if kind in states.MINED_OUTCOMES]


def sections() -> dict[str, str]:
    """One diagram for each kind of state, from the table that the code itself obeys."""
    return {
        "states:intent": _intents(),
        "states:attempt": _drawn(AttemptState, AttemptState.SIGNED),
        "states:slot": _drawn(SlotState, SlotState.OPEN),
    }


def _drawn(kind: type[Enum], first: Enum) -> str:
    arrows = [f"{now.value} --> {then.value}" for now in kind for then in _after(now)]
    ends = [f"{state.value} --> [*]" for state in kind if not _after(state)]
    return _diagram([f"[*] --> {first.value}", *arrows, *ends])


def _intents() -> str:
    """Mined failures are drawn as one state; what of them has other steps would be an error."""
    failures = [state for state in _MINED if state is not IntentState.SUCCEEDED]
    steps = {tuple(_after(state)) for state in failures}
    if len(steps) != 1:
        raise ValueError("mined failures do not all have the same steps: draw them apart")
    name = {state: "failed" if state in failures else state.value for state in IntentState}
    arrows = {f"{name[now]} --> {name[then]}": None for now in IntentState for then in _after(now)}
    ends = [f"{state.value} --> [*]" for state in IntentState if not _after(state)]
    alias = f'state "{", ".join(state.value for state in failures)}" as failed'
    return _diagram([alias, f"[*] --> {IntentState.PLANNED.value}", *arrows, *ends])


def _after(state: Enum) -> list[Enum]:
    """Where one may go from here, in the order in which the states are declared."""
    return [each for each in type(state) if each in states._STEPS[state]]


def _diagram(lines: list[str]) -> str:
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {line}" for line in lines), "```"])
