"""What was final and is not any more: a reorg deeper than the confirmations took it back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.chain.model import Hash
from scheduler.transactions.intents import Told
from scheduler.transactions.journal.reservations import Reservations
from scheduler.transactions.journal.values import Account
from scheduler.transactions.states import AttemptState, reopened


@dataclass(frozen=True, slots=True)
class Consumed:
    """A slot whose end was final: by which hash, in which block; the intents that it was given."""

    nonce: int
    by: Hash
    block_number: int
    block_hash: Hash
    intents: tuple[Told, ...]


class Reopening(Reservations):
    """Opens consumed slots again, with everything that was ever signed for them."""

    def consumed(self, account: Account, below: int | None, limit: int) -> list[Consumed]:
        """The newest `limit` consumed slots, of those with nonces under `below`; newest first."""
        rows = self._read("consumed_slots", **account.columns, below=below, limit=limit)
        return [
            Consumed(nonce, by, number, block, self._placed_in(account, nonce))
            for nonce, by, number, block in rows
        ]

    def reopen(self, account: Account, nonces: Sequence[int]) -> list[tuple[Told, Hash]]:
        """Takes back that these slots were consumed; what is open already stays as it is.

        Any of their bytes may be mined now: what was final is broadcast again, what was replaced is
        signed, and the slot's intents are in it again, but for those that are in a later slot by
        now. Returns the intents, and by which hash their slots were consumed.
        """
        told: list[tuple[Told, Hash]] = []
        with self.together():
            # An intent that was given several of them is where it was last.
            for nonce in sorted(nonces, reverse=True):
                for slot in self.consumed(account, nonce + 1, 1):
                    if slot.nonce == nonce:
                        told += [(intent, slot.by) for intent in self._reopen(account, slot)]
        return told

    def _reopen(self, account: Account, slot: Consumed) -> list[Told]:
        where = {**account.columns, "nonce": slot.nonce}
        self._run("reopen_slot", **where)
        for id_, name in self._run("attempts_in", **where):
            self._run("note_reorg", id=id_, now=self._clock())
            self._run("set_unmined", id=id_, state=reopened(AttemptState(name)).value)
            self._run("delete_outcome", id=id_)
            self._run("deposits.undo", id=id_)
        back = []
        for intent in slot.intents:
            self._run("limit_pardon", key=intent.key)
            if self._run("reopen_placement", **where, key=intent.key):
                state = reopened(self._intent_state(intent.key))
                self._run("set_intent_state", key=intent.key, state=state.value)
                back.append(intent)
        return back

    def _placed_in(self, account: Account, nonce: int) -> tuple[Told, ...]:
        rows = self._read("ever_placed_in", **account.columns, nonce=nonce)
        return tuple(
            Told(key, family, contract, kind, json.loads(params))
            for key, family, contract, kind, params in rows
        )
