"""From intents to transactions at the node, in three steps: prepare, commit, broadcast.

`prepare` reads, proves, simulates and signs, with tentative nonces and no trace; `commit` writes
slots and attempts in one durable transaction; only then may `broadcast` let bytes leave. Preparing
and committing may happen at different heads.
"""

from collections.abc import Sequence
from dataclasses import replace

from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.model import Conditions, Hash, Head
from scheduler.errors import NotYet
from scheduler.transactions.broadcast import Broadcaster
from scheduler.transactions.desk import Desk
from scheduler.transactions.intents import Intent
from scheduler.transactions.journal import (
    Attempt,
    HeldBack,
    IntentTaken,
    NonceTaken,
    Prepared,
    SlotClosed,
    Withheld,
)
from scheduler.transactions.pool import Pool
from scheduler.transactions.preparing import Preparer, allowance, next_nonce, signed
from scheduler.transactions.quarantine import SYNCING, Gate


class Sender:
    """Gets intents into slots, once each."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.gate = Gate(desk.node, desk.account, desk.journal)
        self._looked: tuple[Hash, Conditions] | None = None
        self.pool = Pool(desk.node, desk.account.address, desk.slot_time)
        self._preparer = Preparer(desk, self.pool, desk.tell)
        self.admission = self._preparer.admission
        self.shadow = self._preparer.shadow
        self.broadcaster = Broadcaster(
            desk.node, desk.account, desk.signer, desk.journal, desk.tell
        )

    async def prepare(self, intents: Sequence[Intent], head: Head) -> list[Prepared]:
        """Those of `intents` that may and should be mined after `head`, simulated and signed.

        Families are told of what is refused. Raises NotYet where nothing can be sent now,
        NodeUnavailable, RpcError, JournalUnavailable.
        """
        fresh = self.admission.fresh(intents, head.number + 1)
        if not fresh:
            return []
        if any(intent.contested for intent in fresh):
            await self.pool.look(head)
        return await self._preparer.prepare(fresh, head, await self.outlook(head))

    async def commit(self, prepared: Sequence[Prepared], head: Head) -> list[Attempt]:
        """Writes the slots and attempts of all in one transaction; they may leave when it returns.

        Leaves out what is not due in the block after `head` (any more), and intents that have
        found a slot meanwhile. Bytes whose nonce another transaction was given meanwhile, or that
        would leave a gap before them, are discarded and signed again. Raises as `prepare` does.
        """
        desk = self._desk
        aimed = head.number + 1
        rest = [
            item for item in prepared if item.intent.first_block <= aimed <= item.intent.last_block
        ]
        if not rest:
            return []
        conditions = await self.outlook(head)
        allowed = allowance(desk, conditions, head)
        while rest:
            rest = await self._numbered(rest, next_nonce(desk, conditions))
            try:
                attempts = desk.journal.reserve(desk.account, rest, desk.program, allowed)
            except HeldBack:
                rest = [item for item in rest if self.admission.not_held([item.intent])]
            except IntentTaken as taken:
                rest = [item for item in rest if item.intent.key != taken.key]
            except Withheld as withheld:
                # Another process was promised what was there.
                rest = [item for item in rest if item.intent.key not in withheld.keys]
                self.admission.withhold(withheld.shortage)
            except SlotClosed as closed:
                rest = [
                    replace(item, takes=None)
                    if item.takes and item.takes.nonce == closed.nonce
                    else item
                    for item in rest
                ]
            except NonceTaken:
                continue
            else:
                return attempts
        return []

    async def broadcast(self, attempts: Sequence[Attempt], are_new: bool = False) -> bool:
        """Hands committed attempts to the node; see `Broadcaster.broadcast`."""
        return await self.broadcaster.broadcast(attempts, are_new)

    async def look(self, head: Head) -> None:
        """Reads the conditions at `head`, for all that asks for them later: it need not wait then.

        Where they cannot be read, whoever asks for them tries again, and is told why not.
        """
        try:
            self._looked = head.hash, await self._read_conditions(head)
        except (NodeUnavailable, RpcError):
            self._looked = None

    async def conditions(self, head: Head) -> Conditions:
        """What sending depends on at `head`. Raises NodeUnavailable, RpcError."""
        if self._looked is not None and self._looked[0] == head.hash:
            return self._looked[1]
        return await self._read_conditions(head)

    async def outlook(self, head: Head) -> Conditions:
        """What new intents depend on at `head`.

        Raises NotYet where none may be sent, NodeUnavailable, RpcError, JournalUnavailable.
        """
        self.gate.check(head)
        conditions = await self.conditions(head)
        if conditions.syncing:
            raise NotYet(SYNCING)
        return conditions

    async def _read_conditions(self, head: Head) -> Conditions:
        return await self._desk.node.conditions(self._desk.account.address, head)

    async def _numbered(self, items: Sequence[Prepared], first: int) -> list[Prepared]:
        """The same transactions with the nonces from `first` on, signed again where they differ.

        Those that take over a slot keep its nonce. All come in the order of their nonces.
        """
        taking = [item for item in items if item.takes]
        placed = _placed([item for item in items if not item.takes], first)
        moved = {
            nonce: replace(item, transaction=item.transaction.with_nonce(nonce))
            for nonce, item in placed.items()
            if item.transaction.nonce != nonce
        }
        if moved:
            again = await signed(self._desk, list(moved.values()))
            placed.update(zip(moved, again, strict=True))
        return [*taking, *placed.values()]


def _placed(items: Sequence[Prepared], first: int) -> dict[int, Prepared]:
    """Which gets which of the nonces from `first` on.

    Where all are as urgent, those keep theirs that can, so that few are signed again.
    """
    nonces = range(first, first + len(items))
    if len({item.intent.urgency for item in items}) > 1:
        return dict(zip(nonces, items, strict=True))
    staying: dict[int, Prepared] = {}
    moving: list[Prepared] = []
    for item in items:
        nonce = item.transaction.nonce
        if nonce in nonces and nonce not in staying:
            staying[nonce] = item
        else:
            moving.append(item)
    rest = iter(moving)
    return {nonce: staying.get(nonce) or next(rest) for nonce in nonces}
