"""A call that is near enough to be looked at: what is known of it, and what was done about it."""

from dataclasses import dataclass

from scheduler.alarm.calls import Status, Terms
from scheduler.alarm.story import Story
from scheduler.chain.model import ZERO_ADDRESS
from scheduler.transactions.intents import Intent


@dataclass(slots=True)
class Tracked:
    """A call that can be claimed, or whose target is near or past.

    `announced` once the operator was told, `in_loop` when its target is at hand, `done` once an
    execution of ours was mined, `claim_done` once a claim of ours was, or never will be, and
    `cleanup_done` likewise. `execution` is what was asked for last, with all that it followed from:
    once made it is the same until that changes.
    """

    terms: Terms
    status: Status
    story: Story
    announced: bool = False
    in_loop: bool = False
    done: bool = False
    claim_done: bool = False
    cleanup_done: bool = False
    execution: tuple[object, Intent] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still waits for being executed."""
        return not (self.done or self.status.executed or self.status.cancelled)

    @property
    def is_claimable(self) -> bool:
        """Whether nobody has claimed it, as far as is known."""
        return self.is_open and not self.claim_done and self.status.claimer == ZERO_ADDRESS

    @property
    def can_be_cleaned_up(self) -> bool:
        """Whether it is there unexecuted, as far as is known."""
        return not (self.cleanup_done or self.status.executed or self.status.cancelled)
