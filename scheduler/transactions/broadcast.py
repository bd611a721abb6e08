"""Hands committed attempts to the node, and keeps in mind why it did not take one."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.model import Hash, Sent
from scheduler.chain.protocol import Node
from scheduler.logs import about
from scheduler.notices import Notice
from scheduler.transactions.answers import Answer, classify
from scheduler.transactions.guard import Guard
from scheduler.transactions.intents import Accepted, Attempting, Progress, Told
from scheduler.transactions.journal import Account, Attempt, Journal
from scheduler.transactions.ladder import fee_of
from scheduler.transactions.states import Purpose

log = logging.getLogger("SENDER")

# What becomes of a transaction after an answer; after any other it may be at the node all the same.
NEXT = {
    Answer.NONCE_TOO_LOW: "its nonce is used already, by what, the receipts will tell",
    Answer.NONCE_TOO_HIGH: "there is no room for it yet, and it is sent again with every block",
    Answer.POOL_FULL: "there is no room for it yet, and it is sent again with every block",
    Answer.UNDERPRICED: "its price is raised if that lasts",
    Answer.REPLACEMENT_UNDERPRICED: "its price is raised with the next block",
}
UNCHANGED = "the transaction stays in its slot and is sent again, unchanged"


class Refusal(NamedTuple):
    """What a node answered to an attempt that it did not take, in its words."""

    nonce: int
    answer: Answer
    words: str


class Broadcaster:
    """Sends what is in the journal, as often as it takes. `tell` is for the attempts' families."""

    def __init__(
        self,
        node: Node,
        account: Account,
        signer: Guard,
        journal: Journal,
        tell: Callable[[Told, Progress], None],
    ) -> None:
        self._node = node
        self._account = account
        self._signer = signer
        self._journal = journal
        self._tell = tell
        self._unanswered = Notice(log)
        self._refusals: dict[int, Refusal] = {}
        # Why the signer was not asked, by attempt.
        self._objections: dict[int, str] = {}
        self._was_taken = False
        self.rejection: str | None = None
        """Why the node took nothing of what it was given since `begin`, nor has anything, for no
        reason that is the transactions' own."""
        # The attempts, by id, that this process has handed to the node, whatever came of it.
        self.tried: set[int] = set()

    @property
    def unfunded(self) -> str | None:
        """That the node says that the account cannot pay, as long as it does."""
        for refusal in self._refusals.values():
            if refusal.answer is Answer.INSUFFICIENT_FUNDS:
                return (
                    f"{self._account.address} cannot pay for nonce {refusal.nonce}, says the node "
                    f"({refusal.words}); send ether to it"
                )
        return None

    def refusal(self, attempt: Attempt) -> Answer | None:
        """Why the node did not take it when it was sent last, if so."""
        refusal = self._refusals.get(attempt.id)
        return refusal.answer if refusal else None

    def begin(self) -> None:
        """From now on it counts what the node takes."""
        self._was_taken, self.rejection = False, None

    def seen(self, attempts: Iterable[Attempt]) -> None:
        """The node has these, whatever it answered."""
        for attempt in attempts:
            self._refusals.pop(attempt.id, None)
            self._was_taken, self.rejection = True, None

    def forget_all_but(self, ids: Collection[int]) -> None:
        """Only these attempts are still waited for."""
        self.tried &= set(ids)
        self._refusals = {id_: each for id_, each in self._refusals.items() if id_ in self.tried}

    async def broadcast(self, attempts: Sequence[Attempt], are_new: bool = False) -> bool:
        """Hands attempts to the node, in the order of their nonces; whether it says of one that its
        nonce is used. Families hear of those that `are_new` while the node is waited for.

        Whatever goes wrong here means "maybe sent": the attempt stays in its slot and is sent
        again, the same bytes, with a later head.
        """
        self.tried |= {attempt.id for attempt in attempts}
        attempts = [each for each in attempts if each.raw is not None or self._may_leave(each)]
        sending = asyncio.ensure_future(self._send(attempts))
        if are_new:
            # The bytes leave first.
            await asyncio.sleep(0)
            for attempt in attempts:
                self._tell(attempt.intent, Attempting(attempt.nonce))
        try:
            answers = await sending
        except NodeUnavailable as error:
            self._unanswered.raised(
                f"sending was not answered ({error}); the transactions may be at the node, and are "
                "sent again, unchanged, until they are seen"
            )
            self._rejected(str(error))
            return False
        self._unanswered.cleared("Sending is answered again")
        taken: list[tuple[Attempt, Hash]] = []
        refused: list[Refusal] = []
        for attempt, answer in zip(attempts, answers, strict=True):
            if not isinstance(answer, RpcError):
                # A node that answers another hash does not change what the bytes' hash is.
                known = attempt.hash if attempt.raw is not None else None
                taken.append((attempt, known or answer))
            elif attempt.hash is not None and classify(answer.message) is Answer.KNOWN:
                taken.append((attempt, attempt.hash))
            else:
                refusal = Refusal(attempt.nonce, classify(answer.message), answer.message)
                refused.append(refusal)
                self._refused(attempt, refusal)
        self._journal.broadcast(taken)
        self.seen([attempt for attempt, _ in taken])
        if refused and all(each.answer is Answer.UNCERTAIN for each in refused):
            self._rejected(refused[0].words)
        for attempt, hash_ in taken:
            if attempt.purpose is Purpose.ACT:
                self._tell(attempt.intent, Accepted(hash_))
        return any(each.answer is Answer.NONCE_TOO_LOW for each in refused)

    def _rejected(self, why: str) -> None:
        if not self._was_taken:
            self.rejection = why

    def _may_leave(self, attempt: Attempt) -> bool:
        """Whether the node may be asked to sign it; says why not, once."""
        objection = self._signer.objection_to_sending(attempt)
        if objection is not None and self._objections.get(attempt.id) != objection:
            self._objections[attempt.id] = objection
            with about(attempt.intent.key):
                log.warning(
                    "nonce %d: the node is not asked to sign it: %s", attempt.nonce, objection
                )
        return objection is None

    def _refused(self, attempt: Attempt, refusal: Refusal) -> None:
        """Says why the node did not take it, once for each reason, however often it is sent."""
        before = self._refusals.get(attempt.id)
        self._refusals[attempt.id] = refusal
        if refusal != before and refusal.answer is not Answer.INSUFFICIENT_FUNDS:
            with about(attempt.intent.key):
                log.warning(
                    "nonce %d: the node answered %r; %s",
                    attempt.nonce,
                    refusal.words,
                    NEXT.get(refusal.answer, UNCHANGED),
                )

    async def _send(self, attempts: Sequence[Attempt]) -> list[Hash | RpcError]:
        if all(attempt.raw is not None for attempt in attempts):
            return await self._node.send_raw([attempt.raw or b"" for attempt in attempts])
        return [await self._send_one(attempt) for attempt in attempts]

    async def _send_one(self, attempt: Attempt) -> Hash | RpcError:
        """For nodes that sign only what they send: the identical request, as often as needed."""
        if attempt.raw is not None:
            return (await self._node.send_raw([attempt.raw]))[0]
        found = await self._node.sent_by(
            self._account.address, attempt.nonce, since=attempt.head_number
        )
        bids = [
            bid for bid in self._journal.open_attempts(self._account) if bid.nonce == attempt.nonce
        ]
        nameless = None if found is None else nameless_bid(found, bids)
        if found is not None and nameless is not None and nameless.id == attempt.id:
            return found.hash
        try:
            return await self._signer.send(attempt)
        except RpcError as error:
            return error


def nameless_bid(sent: Sent, bids: Sequence[Attempt]) -> Attempt | None:
    """The one of a slot's bids that this transaction is, where only a node knows.

    None for one whose hash is known already, and for what somebody else sent. A node may have
    changed the price: where no bid has this one, it is the last.
    """
    if sent.hash in [bid.hash for bid in bids]:
        return None
    nameless = [bid for bid in bids if bid.hash is None and bid.is_like(sent)]
    exact = [bid for bid in nameless if fee_of(bid.fields).cap == sent.cap]
    return max(exact or nameless, key=lambda bid: bid.id, default=None)
