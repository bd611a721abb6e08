"""The one flow: head, what is due, slots and attempts, outcomes."""

import asyncio
import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from scheduler.chain.errors import RpcError
from scheduler.chain.model import Head, HeadEvent, Nonces
from scheduler.errors import NotYet
from scheduler.transactions.ahead import Ahead
from scheduler.transactions.care import OpenSlot, slots_of
from scheduler.transactions.custody import Custody
from scheduler.transactions.deposits import Deposits
from scheduler.transactions.desk import Desk
from scheduler.transactions.instructions import Instructions
from scheduler.transactions.intents import Ended, Verdict
from scheduler.transactions.journal import Prepared
from scheduler.transactions.keeper import Keeper
from scheduler.transactions.pruning import Keeping, Pruning
from scheduler.transactions.receipts import Receipts
from scheduler.transactions.reorgs import Reorgs
from scheduler.transactions.repairs import NAME as ACCOUNT
from scheduler.transactions.repairs import Repairs, Upkeep
from scheduler.transactions.sender import Sender
from scheduler.transactions.states import OutcomeKind
from scheduler.transactions.takeover import in_the_way

PASSED = Verdict(OutcomeKind.EXPIRED, "it was in no slot when it could do no good any more")


class Flow:
    """What a program does with each head, for all its families."""

    def __init__(self, desk: Desk, confirmations: int, keeping: Keeping | None = None) -> None:
        """`confirmations` in blocks; without `keeping` nothing is ever forgotten."""
        repairs = Repairs(desk.account)
        self._families = desk.families
        # The account's own slots are looked after like any other, by its custodian.
        desk = replace(desk, families=[*desk.families, repairs])
        self._desk = desk
        self._sender = Sender(desk)
        self._upkeep = Upkeep(desk, self._sender, repairs)
        self._reorgs = Reorgs(desk, self._sender.gate, confirmations)
        self._receipts = Receipts(desk, self._sender.gate, confirmations)
        self._ahead = Ahead(desk, self._sender)
        self._keeper = Keeper(desk, self._sender)
        self._custody = Custody(desk)
        self._instructions = Instructions(desk)
        self._deposits = Deposits(desk, confirmations)
        self._pruning = None if keeping is None else Pruning(desk, keeping)
        self._came_at = 0.0
        self._has_adopted = False
        self.due = 0
        self.in_flight = 0

    @property
    def shadowed(self) -> int:
        """How much would have been sent, had this program not only looked on."""
        return self._sender.shadow.count

    @property
    def rejection(self) -> str | None:
        """Why the node took nothing of what was sent at the last head, if so (Broadcaster)."""
        return self._sender.broadcaster.rejection

    async def on(self, event: HeadEvent) -> None:
        """Sends what is due after `event`'s head, then looks after what was sent, then prepares
        what comes next.

        In this order, since what is due has until the next block, and receipts have not; but what
        became of earlier ones comes first where it decides what may be sent, and so does, once,
        what a former process left. Raises NotYet where something could not be sent,
        NodeUnavailable, RpcError, JournalUnavailable: whatever prevents sending, what was sent is
        looked after.
        """
        self._came_at = time.monotonic()
        # Whatever prevents that it is looked into now.
        self._reorgs.hear(event)
        self._receipts.hear(event)
        self._sender.broadcaster.begin()
        trouble: Exception | None = None
        looked = followed = False
        try:
            with _without_pauses():
                await self._sender.gate.look(event.head)
                await self._look_around(event)
                looked = True
                await self._adopt(event)
                if self._past_decides():
                    # Families have looked around by now: some outcomes take that to be judged.
                    await self._follow(event)
                    followed = True
                await self._act(event)
        except Exception as error:
            trouble = error
        try:
            await self._look_after(event, followed)
        except NotYet as error:
            # A further bid that nobody signs keeps nothing back that is due later.
            trouble = trouble or error
        if looked:
            await self._look_ahead(event.head)
            # What became of them does not wait for what is kept back, which may be for days.
            await self._deposits.turn(event)
        if trouble is not None:
            raise trouble
        _raise_first(self._sender.broadcaster.unfunded)
        if self._pruning is not None and self.due == 0:
            self._pruning.turn(event.head)

    async def _adopt(self, event: HeadEvent) -> None:
        """Looks after what a former process left, here or on another box, before anything is put
        behind it: bytes of it that never left would keep that waiting."""
        if not self._has_adopted:
            # What cannot be mended of it keeps nothing back but this once.
            self._has_adopted = True
            if self._open_slots():
                await self._look_after(event, followed=False)

    def _past_decides(self) -> bool:
        """Whether an effect may have been taken back, or the next of a series waits for one."""
        return self._receipts.doubtful or self._desk.journal.has_turns(self._desk.account.chain)

    async def _follow(self, event: HeadEvent) -> None:
        """What became of this program's own, as far as receipts tell."""
        nonces = await self._nonces(event.head)
        await self._reorgs.look(event, nonces.latest, self._custody.minds)
        await self._receipts.follow(event, nonces.latest, self._followed(self._open_slots()))

    async def _nonces(self, head: Head) -> Nonces:
        """The account's; read alone where the node refuses what else sending depends on."""
        try:
            return (await self._sender.conditions(head)).nonces
        except RpcError:
            return await self._desk.node.nonces(self._desk.account.address)

    async def _look_after(self, event: HeadEvent, followed: bool) -> None:
        nonces = await self._nonces(event.head)
        if not followed:
            await self._reorgs.look(event, nonces.latest, self._custody.minds)
        there = self._open_slots()
        with self._custody.orphans(there) as orphans:
            if not followed:
                await self._receipts.follow(event, nonces.latest, self._followed(there))
            slots = self._own(there)
            if (slots or orphans) and not self._desk.shadow:
                queue = self._open_slots()
                slots = self._own(queue)
                tended = [*orphans, *slots]
                ordered = self._instructions.for_slots(tended)
                others = in_the_way(queue, tended, nonces.latest, event.head.number)
                if await self._keeper.tend(
                    tended, queue, event.head, nonces.latest, ordered, others
                ):
                    # Since the receipts were read: no need to wait for the next head.
                    nonces = await self._desk.node.nonces(self._desk.account.address)
                    there = self._open_slots()
                    await self._receipts.follow(event, nonces.latest, self._followed(there))
                    slots = self._own(self._open_slots())
            self._sender.gate.account_for_strangers(event.head, nonces.latest)
        self.in_flight = len(slots)
        # In the end: a signer that does not sign for it keeps nothing else back.
        if self._upkeep.is_needed(event.head, nonces) and self._custody.is_custodian():
            await self._upkeep.do(event.head, nonces)

    def _end_plans(self, head: Head) -> None:
        """Ends the intents in no slot that can do no good any more: nothing else would."""
        if self._sender.gate.lags(head):
            return
        for intent, last_block in self._desk.journal.planned(self._desk.account):
            family = self._desk.family(intent)
            if family is None:
                continue
            over = (
                # Another transaction did what the account itself wanted.
                intent.family == ACCOUNT
                or head.number >= last_block
                or not family.still_useful(intent.kind, intent.params, head)
            )
            if over and self._desk.journal.expire(intent.key):
                self._desk.tell(intent, Ended(PASSED))

    def _open_slots(self) -> list[OpenSlot]:
        """All that nothing has consumed finally, whoever's they are, by nonce."""
        return slots_of(self._desk.journal.open_attempts(self._desk.account))

    def _followed(self, slots: Sequence[OpenSlot]) -> list[OpenSlot]:
        """Those with anything in them of this program's families: one that gave way counts, too,
        though by now another program may have what took its slot over."""
        own = self._custody.is_own
        return [slot for slot in slots if any(own(each.intent) for each in slot.attempts)]

    def _own(self, slots: Sequence[OpenSlot]) -> list[OpenSlot]:
        """Those of this program's families, and the account's own where it is the custodian."""
        return [slot for slot in slots if self._custody.is_own(slot.bid.intent)]

    def close(self) -> None:
        """Lets go of what other programs may take over."""
        self._custody.release()

    async def _look_around(self, event: HeadEvent) -> None:
        self._instructions.tell()
        head = event.head
        looks = self._sender.look(head), self._ahead.look(head), self._observe(event)
        for trouble in await asyncio.gather(*looks, return_exceptions=True):
            if trouble is not None:
                raise trouble

    async def _look_ahead(self, head: Head) -> None:
        for family in self._families:
            await family.look_ahead(head)
        await self._ahead.prepare(head)

    async def _observe(self, event: HeadEvent) -> None:
        for family in self._families:
            await family.observe(event)

    async def _act(self, event: HeadEvent) -> None:
        intents = [intent for family in self._families for intent in family.due(event.head)]
        self.due = len(intents)
        self._end_plans(event.head)
        self._sender.admission.begin()
        ready, rest = await self._ahead.take(intents, event)
        # What must be simulated first keeps nothing back that is ready to leave.
        await self._send(ready, event.head)
        await self._send(await self._sender.prepare(rest, event.head), event.head)
        _raise_first(self._sender.admission.held, self._sender.admission.withheld)

    async def _send(self, prepared: Sequence[Prepared], head: Head) -> None:
        attempts = await self._sender.commit(prepared, head)
        if attempts:
            await self._sender.broadcast(attempts, are_new=True)
            self._desk.counters.has_left(time.monotonic() - self._came_at)


@contextmanager
def _without_pauses() -> Iterator[None]:
    """What is due does not wait for the search for garbage, which looks at all that there is."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _raise_first(*troubles: str | None) -> None:
    for trouble in troubles:
        if trouble is not None:
            raise NotYet(trouble)
