"""Settles deposits that are out: what became of them, once no reorg takes it back."""

import logging
from collections.abc import Sequence

from scheduler.chain.model import HeadEvent
from scheduler.logs import about
from scheduler.transactions.desk import Desk
from scheduler.transactions.intents import Depositor, Settlement
from scheduler.transactions.journal.deposits import Deposit

log = logging.getLogger("SENDER")


class Deposits:
    """Asks the families of one desk what became of the deposits that they left with contracts."""

    def __init__(self, desk: Desk, confirmations: int) -> None:
        """`confirmations` is for how many blocks a fate must have been the same to be final."""
        self._desk = desk
        self._confirmations = confirmations
        # Since which head each attempt's deposit has had its fate.
        self._seen: dict[int, tuple[Settlement, int]] = {}

    async def turn(self, event: HeadEvent) -> None:
        """Looks at those that are out, as of `event`'s head. Families have observed it.

        Raises NodeUnavailable, RpcError, JournalUnavailable.
        """
        if event.rebased or event.removed:
            self._seen = {}
        out = self._desk.journal.deposits.out(self._desk.account)
        seen = {}
        for deposit, settlement in await self._fates(out, event):
            known, since = self._seen.get(deposit.attempt, (settlement, event.head.number))
            since = since if known == settlement else event.head.number
            if event.head.number - since < self._confirmations:
                seen[deposit.attempt] = settlement, since
            else:
                self._settle(deposit, settlement)
        self._seen = seen

    async def _fates(
        self, out: Sequence[Deposit], event: HeadEvent
    ) -> list[tuple[Deposit, Settlement]]:
        found = []
        for family in self._desk.families:
            own = [each for each in out if self._desk.family(each.intent) is family]
            if own and isinstance(family, Depositor):
                fates = await family.fates([each.intent for each in own], event.head)
                found += [
                    (each, fates[each.intent.key]) for each in own if each.intent.key in fates
                ]
        return found

    def _settle(self, deposit: Deposit, settlement: Settlement) -> None:
        lost = self._desk.journal.deposits.settle(deposit, settlement)
        if lost:
            with about(deposit.intent.key):
                log.warning(
                    "%s lost its deposit of %d wei: %s. What was lost in all: scheduler report",
                    deposit.intent.key,
                    lost,
                    settlement.detail,
                )
