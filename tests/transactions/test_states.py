"""Which steps of attempts, slots and intents are legal; every other raises."""

from enum import Enum
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.transactions.states import (
    MINED_OUTCOMES,
    AttemptState,
    IllegalTransition,
    IntentState,
    OutcomeKind,
    SlotState,
    reopened,
    step,
)

# Written out once more, from what the states mean rather than from the table that is tested.
LEGAL = """
    attempt signed broadcast
    attempt signed mined
    attempt signed replaced
    attempt broadcast mined
    attempt broadcast replaced
    attempt mined broadcast
    attempt mined final
    slot open consumed
    intent planned in_slot
    intent planned expired
    intent planned abandoned
    intent in_slot succeeded
    intent in_slot target_failed
    intent in_slot no_effect
    intent in_slot deposit_lost
    intent in_slot reverted
    intent in_slot planned
    intent in_slot expired
    intent in_slot abandoned
    intent suspended planned
    intent suspended abandoned
    intent succeeded in_slot
    intent target_failed in_slot
    intent target_failed planned
    intent target_failed suspended
    intent no_effect in_slot
    intent no_effect planned
    intent no_effect suspended
    intent deposit_lost in_slot
    intent deposit_lost planned
    intent deposit_lost suspended
    intent reverted in_slot
    intent reverted planned
    intent reverted suspended
    intent abandoned planned
"""

KINDS = {"attempt": AttemptState, "slot": SlotState, "intent": IntentState}
LEGAL_STEPS = {
    (KINDS[kind](now), KINDS[kind](then))
    for kind, now, then in (line.split() for line in LEGAL.strip().splitlines())
}
STATES = [state for states in KINDS.values() for state in states]


@pytest.mark.parametrize(
    ("now", "then"), sorted(LEGAL_STEPS, key=str), ids=lambda state: str(state)
)
def test_a_legal_step_gives_the_next_state(now: Enum, then: Enum) -> None:
    assert step(now, then) is then  # type: ignore[type-var]


@given(st.sampled_from(STATES))
def test_staying_in_a_state_is_no_step(state: Enum) -> None:
    assert step(state, state) is state  # type: ignore[type-var]


@given(st.sampled_from([pair for pair in product(STATES, STATES) if pair[0] is not pair[1]]))
def test_every_other_step_raises(steps: tuple[Enum, Enum]) -> None:
    now, then = steps
    if steps in LEGAL_STEPS:
        assert step(now, then) is then  # type: ignore[type-var]
    else:
        with pytest.raises(IllegalTransition, match=f"{now.value} cannot become {then.value}"):
            step(now, then)  # type: ignore[type-var]


@pytest.mark.parametrize("end", [AttemptState.FINAL, AttemptState.REPLACED, SlotState.CONSUMED])
def test_what_is_final_stays(end: Enum) -> None:
    assert not [then for now, then in LEGAL_STEPS if now is end]
    for then in type(end):
        if then is not end:
            with pytest.raises(IllegalTransition):
                step(end, then)  # type: ignore[type-var]


@given(st.sampled_from(STATES))
def test_a_deep_reorg_leads_every_end_back_to_where_all_its_bytes_may_be_mined(now: Enum) -> None:
    """And nothing else anywhere: what never ended is not touched by it."""
    where = {
        AttemptState.FINAL: AttemptState.BROADCAST,
        AttemptState.REPLACED: AttemptState.SIGNED,
        SlotState.CONSUMED: SlotState.OPEN,
    }
    if isinstance(now, IntentState) and now is not IntentState.IN_SLOT:
        assert reopened(now) is IntentState.IN_SLOT
    elif now in where:
        assert reopened(now) is where[now]  # type: ignore[type-var,index]
    else:
        with pytest.raises(IllegalTransition):
            reopened(now)  # type: ignore[type-var]


def test_every_outcome_is_a_state_of_the_intent_and_five_come_from_receipts() -> None:
    assert [kind.intent_state.value for kind in OutcomeKind] == [k.value for k in OutcomeKind]
    assert {kind.value for kind in OutcomeKind} - {kind.value for kind in MINED_OUTCOMES} == {
        "expired",
        "abandoned",
    }
