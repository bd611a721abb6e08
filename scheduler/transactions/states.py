"""The states of attempts, slots and intents, and the steps between them that are legal.

The names are stored in the journal; each says exactly what is true, no more. A step that is not
in a table here raises, so a wrong idea of the world stops before it is written.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar, cast


class AttemptState(Enum):
    """One signed transaction's life.

    SIGNED: committed to the journal; its bytes may have left. BROADCAST: a node took it. MINED:
    in a block of the canonical chain. FINAL: that block has the network's confirmations.
    REPLACED: another attempt of its slot is final.
    """

    SIGNED = "signed"
    BROADCAST = "broadcast"
    MINED = "mined"
    FINAL = "final"
    REPLACED = "replaced"


class Purpose(Enum):
    """What a transaction in a slot is for: ACT for its intent, CANCEL to free the slot of it."""

    ACT = "act"
    CANCEL = "cancel"


class Quarantine(Enum):
    """Why an account is in quarantine. NEW: the journal never sent from it on this chain.

    BEHIND: the chain has, or may get, transactions of it that the journal does not know though it
    knows the account: an older copy was put in the journal's place, or somebody else sent from it
    while no program ran.
    """

    NEW = "new"
    BEHIND = "behind"


class SlotState(Enum):
    """OPEN: what will consume the nonce is not final yet. CONSUMED: it is, by one hash."""

    OPEN = "open"
    CONSUMED = "consumed"


class IntentState(Enum):
    """PLANNED: in no slot. IN_SLOT: an attempt of it may be mined. The others are outcomes.

    SUSPENDED: failed so often that only the operator may resume it.
    """

    PLANNED = "planned"
    IN_SLOT = "in_slot"
    SUSPENDED = "suspended"
    SUCCEEDED = "succeeded"
    TARGET_FAILED = "target_failed"
    NO_EFFECT = "no_effect"
    DEPOSIT_LOST = "deposit_lost"
    REVERTED = "reverted"
    EXPIRED = "expired"
    ABANDONED = "abandoned"


class OutcomeKind(Enum):
    """How an intent ended, as read from a receipt's logs (or, for the last two, from its absence).

    SUCCEEDED: the effect is there. TARGET_FAILED: ours was done, the contract that it was done
    for reverted. NO_EFFECT: mined, but aborted, or somebody else was first. DEPOSIT_LOST: the
    same, and the contract kept the ether that was sent along. REVERTED: the transaction itself
    failed. EXPIRED: its window passed. ABANDONED: given up by rule, for one because it would cost
    more than it may, or by the operator.
    """

    SUCCEEDED = "succeeded"
    TARGET_FAILED = "target_failed"
    NO_EFFECT = "no_effect"
    DEPOSIT_LOST = "deposit_lost"
    REVERTED = "reverted"
    EXPIRED = "expired"
    ABANDONED = "abandoned"

    @property
    def intent_state(self) -> IntentState:
        """The state of an intent that ended in this way."""
        return IntentState(self.value)


MINED_OUTCOMES = frozenset(
    {
        OutcomeKind.SUCCEEDED,
        OutcomeKind.TARGET_FAILED,
        OutcomeKind.NO_EFFECT,
        OutcomeKind.DEPOSIT_LOST,
        OutcomeKind.REVERTED,
    }
)

MINED_FAILURES = MINED_OUTCOMES - {OutcomeKind.SUCCEEDED}

_MINED_STATES = frozenset(kind.intent_state for kind in MINED_OUTCOMES)
_AFTER_FAILURE = frozenset({IntentState.IN_SLOT, IntentState.PLANNED, IntentState.SUSPENDED})

_STEPS: Mapping[Enum, frozenset[Enum]] = {
    AttemptState.SIGNED: frozenset(
        {AttemptState.BROADCAST, AttemptState.MINED, AttemptState.REPLACED}
    ),
    AttemptState.BROADCAST: frozenset({AttemptState.MINED, AttemptState.REPLACED}),
    # A reorg takes an attempt back to BROADCAST, and with it what was judged from its receipt.
    AttemptState.MINED: frozenset({AttemptState.BROADCAST, AttemptState.FINAL}),
    AttemptState.FINAL: frozenset(),
    AttemptState.REPLACED: frozenset(),
    SlotState.OPEN: frozenset({SlotState.CONSUMED}),
    SlotState.CONSUMED: frozenset(),
    IntentState.PLANNED: frozenset(
        {IntentState.IN_SLOT, IntentState.EXPIRED, IntentState.ABANDONED}
    ),
    # PLANNED again: its slot was consumed, finally, by a transaction that is not its own.
    # EXPIRED, ABANDONED: by a cancellation that is final.
    IntentState.IN_SLOT: _MINED_STATES
    | {IntentState.PLANNED, IntentState.EXPIRED, IntentState.ABANDONED},
    IntentState.SUSPENDED: frozenset({IntentState.PLANNED, IntentState.ABANDONED}),
    # IN_SLOT again: a reorg removed the block. PLANNED again: the family's rules allow a retry.
    IntentState.SUCCEEDED: frozenset({IntentState.IN_SLOT}),
    IntentState.TARGET_FAILED: _AFTER_FAILURE,
    IntentState.NO_EFFECT: _AFTER_FAILURE,
    IntentState.DEPOSIT_LOST: _AFTER_FAILURE,
    IntentState.REVERTED: _AFTER_FAILURE,
    IntentState.EXPIRED: frozenset(),
    IntentState.ABANDONED: frozenset({IntentState.PLANNED}),
}

# Where a reorg deeper than the confirmations leads back to: everything that was ever signed for the
# slot may be mined, and nothing that was concluded holds.
_REOPENED: Mapping[Enum, Enum] = {
    AttemptState.FINAL: AttemptState.BROADCAST,
    AttemptState.REPLACED: AttemptState.SIGNED,
    SlotState.CONSUMED: SlotState.OPEN,
    **{state: IntentState.IN_SLOT for state in IntentState if state is not IntentState.IN_SLOT},
}

State = TypeVar("State", AttemptState, SlotState, IntentState)


class IllegalTransition(Exception):
    """A step between two states that cannot happen: the program's idea of the world is wrong."""


def step(now: State, then: State) -> State:
    """`then`, if one may go there from `now`; staying where one is is always allowed.

    Raises IllegalTransition.
    """
    if then is not now and then not in _STEPS[now]:
        raise IllegalTransition(f"{type(now).__name__}: {now.value} cannot become {then.value}")
    return then


def reopened(now: State) -> State:
    """The state again when a slot's end is not final after all. Raises IllegalTransition."""
    if now not in _REOPENED:
        raise IllegalTransition(f"{type(now).__name__}: {now.value} is not the end of anything")
    return cast(State, _REOPENED[now])
