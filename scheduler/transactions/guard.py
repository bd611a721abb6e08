"""The only way to a key: whatever is to be signed passes the rules and has its proof, or is not.

A key may be this program's, or the node's: asking the node to sign and send is signing, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scheduler.chain.endpoint import within
from scheduler.chain.model import Address, Hash
from scheduler.chain.protocol import NodeAccounts
from scheduler.errors import NotYet
from scheduler.transactions.encoding import Signed, Transaction
from scheduler.transactions.intents import Told
from scheduler.transactions.journal import Attempt, Journal
from scheduler.transactions.ladder import fee_of
from scheduler.transactions.proofs import Proof
from scheduler.transactions.rules import RuleBook, is_own_transfer
from scheduler.transactions.signers import Signer

# Seconds in which a signer must have answered: less than most chains' blocks take, and more than
# a node with much to do needs.
TIME_LIMIT = 8.0


class NotAllowed(NotYet):
    """Something was to be signed that may not be; nothing was."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction to be signed for an intent.

    `proof` is None where the journal must have it: for another price of what it holds already.
    """

    told: Told
    transaction: Transaction
    proof: Proof | None = None


class Guard:
    """Signs for one account what the rules allow, and nothing else."""

    def __init__(
        self, signer: Signer, node: NodeAccounts, rules: RuleBook, journal: Journal
    ) -> None:
        self._signer = signer
        self._node = node
        self._rules = rules
        self._journal = journal

    @property
    def address(self) -> Address:
        return self._signer.address

    def objections(self, drafts: Sequence[Draft]) -> list[str | None]:
        """For each, why it may not be signed; None where it may. Raises JournalUnavailable."""
        on_file = self._journal.mandates(
            [draft.told.key for draft in drafts if draft.proof is None]
        )
        found: list[str | None] = []
        for draft in drafts:
            told, transaction, proof = draft.told, draft.transaction, draft.proof
            objection = self._rules.objection(told.family, self.address, transaction)
            if objection is None and not is_own_transfer(self.address, transaction):
                if proof is None and told.key in on_file:
                    mandate = on_file[told.key]
                    proof = mandate.proof
                    if not mandate.is_for(transaction):
                        objection = "it differs from what the journal has of its intent"
                if objection is None and (proof is None or not proof.allows(told, transaction)):
                    objection = f"nothing proves that {transaction.to} belongs to {told.family}"
            found.append(objection)
        return found

    async def sign(self, drafts: Sequence[Draft]) -> list[Signed | None]:
        """The transactions signed, in order; None where only the node can sign, by sending.

        Raises NotAllowed where there is an objection to any of them, NotYet where the signer does
        not sign now or takes too long, NodeUnavailable.
        """
        self._check(drafts)
        signing = self._signer.sign([draft.transaction for draft in drafts])
        try:
            return await within(TIME_LIMIT, signing)
        except TimeoutError:
            raise NotYet(
                f"{self.address}: nothing was signed within {TIME_LIMIT:g} seconds; see what keeps "
                "the signer busy (a node, or clef waiting for somebody to approve)"
            ) from None

    def objection_to_sending(self, attempt: Attempt) -> str | None:
        """Why the node may not be asked to sign and send what the journal has without bytes."""
        try:
            transaction = _transaction(attempt.fields)
        except (KeyError, ValueError):
            transaction = None
        if (
            transaction is None
            or transaction.rpc_fields(self.address) != attempt.fields
            or transaction.nonce != attempt.nonce
        ):
            return "the journal has it with fields that no program wrote"
        return self.objections([Draft(attempt.intent, transaction)])[0]

    async def send(self, attempt: Attempt) -> Hash:
        """Lets the node sign and send it; answers its hash.

        Raises NotAllowed, RpcError, NodeUnavailable.
        """
        objection = self.objection_to_sending(attempt)
        if objection is not None:
            raise _refusal(attempt.intent, objection)
        return await self._node.send_transaction(attempt.fields)

    def _check(self, drafts: Sequence[Draft]) -> None:
        for draft, objection in zip(drafts, self.objections(drafts), strict=True):
            if objection is not None:
                raise _refusal(draft.told, objection)


def _refusal(told: Told, objection: str) -> NotAllowed:
    return NotAllowed(f"{told.key} is not signed: {objection}")


def _transaction(fields: Mapping[str, str]) -> Transaction:
    return Transaction(
        chain_id=int(fields["chainId"], 16),
        nonce=int(fields["nonce"], 16),
        to=fields["to"],
        value=int(fields["value"], 16),
        gas=int(fields["gas"], 16),
        data=bytes.fromhex(fields["data"][2:]),
        fee=fee_of(fields),
    )
