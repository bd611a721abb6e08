"""What a program will have to do, as far as it knows: left for whoever looks after it."""

from dataclasses import dataclass
from typing import Literal

from scheduler.chain.model import Address

SHOWN = 24
"""How many appointments a program tells of, the next ones."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """Something is due `at` this block, or at this second since the epoch.

    `what` is an intent's kind, `subject` what it is done to; `intent` is the intent's key, None
    while it is too far ahead to have been looked at.
    """

    what: str
    subject: Address
    unit: Literal["blocks", "seconds"]
    at: int
    intent: str | None = None
