"""What the node's pool shows of others who are after what ours are for."""

from collections.abc import Mapping, Sequence

from scheduler.chain.endpoint import within
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.model import Address, Hash, Head
from scheduler.chain.protocol import Node
from scheduler.transactions.rivals import Rival

# The share of a slot for which the pool is waited for: what is due must leave in any case.
SHARE = 0.1


class Pool:
    """Reads it once at each head at which somebody asks."""

    def __init__(self, node: Node, us: Address, slot_time: int) -> None:
        """`slot_time` is the least time between two blocks' timestamps, in seconds."""
        self._node = node
        self._us = us
        self._patience = SHARE * slot_time
        self._seen_at: Hash | None = None
        self._rivals: Mapping[Address, Sequence[Rival]] = {}

    async def look(self, head: Head) -> None:
        """Reads it, unless that was done at `head`.

        A node that does not show it, or not in time, hides no more than one that did not hear of
        them yet.
        """
        if self._seen_at == head.hash:
            return
        self._seen_at, self._rivals = head.hash, {}
        try:
            pending = await within(self._patience, self._node.pending())
        except (NodeUnavailable, RpcError, TimeoutError):
            return
        found: dict[Address, list[Rival]] = {}
        for (sender, _), sent in pending.items():
            if sender != self._us and sent.to is not None:
                found.setdefault(sent.to, []).append(Rival(sender, sent))
        self._rivals = found

    def rivals(self, recipient: Address, head: Head) -> Sequence[Rival]:
        """What it showed of others' transactions to `recipient`, if it was looked at at `head`."""
        return self._rivals.get(recipient, ()) if self._seen_at == head.hash else ()
