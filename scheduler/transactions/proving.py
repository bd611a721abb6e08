"""Has families prove on chain that what they want sent goes where it belongs, once for each."""

import asyncio
from collections.abc import Sequence

from scheduler.chain.model import Head
from scheduler.transactions.intents import Family, Intent
from scheduler.transactions.journal import Journal
from scheduler.transactions.proofs import Proof


class Prover:
    """Has the proofs of intents that are due: from the journal, from before, or made now."""

    def __init__(self, journal: Journal, families: Sequence[Family]) -> None:
        self._journal = journal
        self._families = families
        # Of intents that are due and not in the journal: proved once, however long they wait.
        self._before: dict[str, Proof] = {}
        # Those that their families were asked about last, and that have none.
        self._doubted: set[str] = set()

    def is_doubted(self, intent: Intent) -> bool:
        """Whether its family was asked about it before, and did not recognise it."""
        return intent.key in self._doubted

    async def proofs(self, intents: Sequence[Intent], head: Head) -> dict[str, Proof]:
        """The proofs of those of these intents that have one, by key.

        One request for each family with intents that it was not asked about before. Raises
        JournalUnavailable, NodeUnavailable, RpcError.
        """
        on_file = self._journal.mandates([intent.key for intent in intents])
        proofs: dict[str, Proof] = {}
        unknown: list[Intent] = []
        for intent in intents:
            proof = on_file[intent.key].proof if intent.key in on_file else None
            proof = proof or self._before.get(intent.key)
            if proof is not None and proof.is_about(intent):
                proofs[intent.key] = proof
            else:
                unknown.append(intent)
        answers = await asyncio.gather(
            *(self._asked(family, unknown, head) for family in self._families)
        )
        for found in answers:
            proofs.update(found)
        self._before = proofs
        self._doubted = {intent.key for intent in unknown} - proofs.keys()
        return proofs

    async def _asked(
        self, family: Family, unknown: Sequence[Intent], head: Head
    ) -> dict[str, Proof]:
        own = [
            intent
            for intent in unknown
            if (intent.family, intent.contract) == (family.name, family.contract)
        ]
        if not own:
            return {}
        answers = await family.recognises(own, head)
        return {
            intent.key: Proof.of(intent, says, head)
            for intent, says in zip(own, answers, strict=True)
            if says is not None
        }
