"""Nothing new is sent while the journal may not know what is on its way.

A journal that is new to an account, or that the chain is ahead of when a program starts, may be the
successor of one that was lost, or an older copy of it. What that one sent last may still be
pending, so its effects are not in any state that a simulation can see, and doing the work again
would do it twice. So the account waits in quarantine, one row that all programs obey, until nothing
that the journal does not know is pending for some blocks. After that every effect is in the state
on which each intent is simulated before it gets a slot.

Once a program runs, a stranger's transaction is no reason to stop due work: the journal was never
away, so whatever it does not know is not its own, and no intent's effect depends on it. It is said,
its nonce is accounted for, and the nonces given out go on above it.
"""

import logging

from scheduler.chain.model import Head, Nonces
from scheduler.chain.protocol import Node
from scheduler.errors import NotYet
from scheduler.transactions.journal import Account, Journal, Quarantined, Standing
from scheduler.transactions.states import Quarantine

log = logging.getLogger("SENDER")

# Consecutive blocks in which nothing unknown was pending. A transaction that only other nodes have
# reaches this one within seconds, if it reaches it at all.
CALM_BLOCKS = 3

SYNCING = "the node is syncing; nothing is sent until it has caught up"

_WHY = {
    Quarantine.NEW: "this journal never sent from {account} before",
    Quarantine.BEHIND: (
        "when a program started, the chain had transactions of {account} that this journal does "
        "not know"
    ),
}


class Gate:
    """What an account has to pass before anything new is sent from it."""

    def __init__(self, node: Node, account: Account, journal: Journal) -> None:
        self._node = node
        self._account = account
        self._journal = journal
        self._begun = False

    async def look(self, head: Head) -> None:
        """With every head, before anything is sent: may a quarantine begin, or end?

        It can begin only with the first head that the program sees. Raises NotYet where the node
        cannot tell yet, NodeUnavailable, RpcError, JournalUnavailable.
        """
        if self._begun and self._journal.admitted(self._account):
            return
        if await self._node.syncing():
            raise NotYet(SYNCING)
        standing = self._journal.standing(self._account)
        if standing is not None:
            _must_not_lag(head, standing.highest_head)
        # The chain first: meanwhile other programs may give out nonces, and get them mined.
        nonces = await self._node.nonces(self._account.address)
        if not self._begun:
            self._begin(nonces)
            self._begun = True
        standing = self._journal.standing(self._account)
        if standing is not None and standing.quarantine is not None:
            self._count(head, nonces, standing)

    def check(self, head: Head) -> None:
        """Raises NotYet unless new intents may be sent at `head`: in quarantine, or where the node
        does not have what the journal was written at."""
        standing = self._journal.standing(self._account)
        why = Quarantine.NEW if standing is None else standing.quarantine
        if why is not None:
            raise Quarantined(
                f"{_WHY[why].format(account=self._account.address)}; nothing new "
                f"is sent until nothing unknown of it is pending for {CALM_BLOCKS} blocks; if you "
                "know that nothing is on its way: scheduler journal trust"
            )
        if standing is not None:
            _must_not_lag(head, standing.highest_head)

    def lags(self, head: Head) -> bool:
        """Whether the node is behind the highest block that the journal was written at.

        What such a node does not have is no evidence of anything.
        """
        standing = self._journal.standing(self._account)
        return standing is not None and head.number < standing.highest_head

    def account_for_strangers(self, head: Head, latest: int) -> None:
        """Notes, and says, that others' transactions are among the `latest` mined at `head`."""
        standing = self._journal.standing(self._account)
        if standing is None or head.number < standing.highest_head:
            return
        if latest <= max(self._journal.next_nonce(self._account), standing.accounted):
            return
        first = self._journal.account_for(self._account, latest)
        if first and standing.quarantine is None:
            log.warning(
                "transactions of %s that this journal does not know were mined, up to nonce %d: "
                "somebody else sends from the account; what is due is sent after them",
                self._account.address,
                latest - 1,
            )

    def _begin(self, nonces: Nonces) -> None:
        """Compares the journal with the chain."""
        standing = self._journal.standing(self._account)
        if standing is None:
            why = Quarantine.NEW
        elif standing.quarantine is not None:
            why = standing.quarantine
        elif nonces.pending > max(self._journal.next_nonce(self._account), standing.accounted):
            why = Quarantine.BEHIND
        else:
            return
        self._journal.put_in_quarantine(self._account, why, accounted=nonces.latest)

    def _count(self, head: Head, nonces: Nonces, standing: Standing) -> None:
        """Ends the quarantine when nothing unknown was pending for CALM_BLOCKS."""
        # What somebody else sent stays unknown while it is watched.
        known = {
            attempt.nonce
            for attempt in self._journal.open_attempts(self._account)
            if not attempt.is_found
        }
        since = standing.calm_since
        if any(nonce not in known for nonce in range(nonces.latest, nonces.pending)):
            since = None
        elif since is None:
            since = head.number
        if since is not None and head.number - since + 1 >= CALM_BLOCKS:
            if self._journal.release(self._account, since):
                log.info("Nothing unknown of %s is pending: work begins", self._account.address)
        elif since != standing.calm_since:
            self._journal.calm_since(self._account, since)


def _must_not_lag(head: Head, highest: int) -> None:
    if head.number < highest:
        raise NotYet(
            f"the node is at block {head.number}, behind block {highest}, which the journal was "
            "written at; nothing new is sent until it has caught up"
        )
