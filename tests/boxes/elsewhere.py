"""A box that is this very process: its kernel's locks are not those of the others."""

from scheduler.locks import Lock
from scheduler.transactions.boxes import Box


class Elsewhere(Box):
    def lock(self, name: str) -> Lock | None:
        return Lock(f"{name} of {self.name}")


def elsewhere(name: str) -> Elsewhere:
    """The box of this name."""
    return Elsewhere(name, f"the boot of {name}")
