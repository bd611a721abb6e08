"""Whether an account can pay for what is to be sent, at the worst case. Pure."""

from scheduler.chain.model import Address


class Purse:
    """An account's ether in wei, and what of it is promised; says what it lacked first."""

    def __init__(self, address: Address, balance: int, committed: int) -> None:
        """`committed` is the most that what is in flight may still cost."""
        self._address = address
        self._balance = balance
        self._free = balance - committed
        self.shortage: str | None = None

    def could_hold(self, cost: int) -> bool:
        """Whether the whole balance would be enough for this alone."""
        return self._enough(self._balance, cost)

    def takes(self, cost: int) -> bool:
        """Promises `cost`, if it is there; one that is too much keeps no smaller one back."""
        if not self._enough(self._free, cost):
            return False
        self._free -= cost
        return True

    def _enough(self, there: int, cost: int) -> bool:
        if cost > there and self.shortage is None:
            self.shortage = (
                f"{self._address} has {self._balance} wei, {cost - there} wei less than what is "
                "due may cost; send ether to it"
            )
        return cost <= there
