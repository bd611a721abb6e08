"""The journal: each method is one transaction, durable when it returns but for one."""

import json
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from scheduler.chain.model import Address, Hash, Receipt
from scheduler.transactions.intents import Intent, Params, Told, Verdict
from scheduler.transactions.journal import series
from scheduler.transactions.journal.database import opened
from scheduler.transactions.journal.location import Location
from scheduler.transactions.journal.reopening import Reopening
from scheduler.transactions.journal.values import (
    Account,
    Attempt,
    Mandate,
    attempt_of,
    mandate_of,
)
from scheduler.transactions.retries import Failures
from scheduler.transactions.states import (
    MINED_FAILURES,
    AttemptState,
    IntentState,
    OutcomeKind,
    Purpose,
    step,
)

# A transaction as eth_sendTransaction takes it.
Fields: TypeAlias = dict[str, str]


class Journal(Reopening):
    """Intents, slots, attempts and outcomes of all accounts that it is for."""

    @classmethod
    def open(cls, location: Location, clock: Callable[[], float] = time.time) -> "Journal":
        """The journal there; a file is made, and brought to this release's schema, where it is
        missing or older. Raises JournalUnavailable, and Misconfigured for a PostgreSQL database
        that cannot be reached as it is configured."""
        return cls(opened(location), clock)

    def next_nonce(self, account: Account) -> int:
        """The lowest nonce above all that were given out; 0 where none was."""
        [(highest,)] = self._read("highest_nonce", **account.columns)
        return 0 if highest is None else int(highest) + 1

    def intent_states(self, keys: Sequence[str]) -> dict[str, IntentState]:
        """The states of those of these intents that the journal knows."""
        rows = self._read("intent_states", keys=json.dumps(list(keys)))
        return {key: IntentState(state) for key, state in rows}

    def admissible(self, intents: Sequence[Intent]) -> list[Intent]:
        """Those of these intents whose series is free (see Order), their keys complete."""
        return series.admissible(self._read, intents)

    def newest_in_series(
        self, chain: str, contract: Address, family: str, kind: str, many: int
    ) -> list[tuple[Params, OutcomeKind]]:
        """What was mined last of the intents in turn of this kind; see `series.newest`."""
        return series.newest(self._read, chain, contract, family, kind, many)

    def mandates(self, keys: Sequence[str]) -> dict[str, Mandate]:
        """What may be signed for those of these intents that the journal knows."""
        rows = self._read("mandates", keys=json.dumps(list(keys))) if keys else []
        return {key: mandate_of(*columns) for key, *columns in rows}

    def has_turns(self, chain: str) -> bool:
        """Whether the next of some series on this chain waits for one to be mined."""
        return self._read("any_turn", chain=chain) != []

    def open_attempts(self, account: Account) -> list[Attempt]:
        """All attempts in slots whose end is not final, by nonce."""
        return [attempt_of(row) for row in self._read("open_attempts", **account.columns)]

    def raised_bids(self, account: Account) -> list[tuple[Fields, Fields]]:
        """All bids of the newest slots that outbid another, each with the first of its slot."""
        rows = self._read("raised_bids", **account.columns)
        return [(json.loads(bid), json.loads(first)) for bid, first in rows]

    def broadcast(self, attempts: Sequence[tuple[Attempt, Hash]]) -> None:
        """Notes that a node took these; the hash is what it answered.

        Not durably: what a power cut takes of it is found out again as after any crash between
        the answer and its note, by sending the same once more.
        """
        nameless = [(each, hash_) for each, hash_ in attempts if each.raw is None]
        with self.together(durable=False):
            self._run("set_broadcast", ids=json.dumps([each.id for each, _ in attempts]))
            self._run_each("set_hash", [{"id": each.id, "hash": hash_} for each, hash_ in nameless])

    def unchanged(self, attempts: Sequence[Attempt]) -> set[int]:
        """The ids of those of these attempts of which nothing else was concluded since they were
        read: by another process that stood in for this one, or for which this one stood in."""
        before = {attempt.id: (attempt.state.value, attempt.block_hash) for attempt in attempts}
        rows = self._read("attempt_states", ids=json.dumps(list(before)))
        return {id_ for id_, *now in rows if tuple(now) == before[id_]}

    def mined(self, attempt: Attempt, receipt: Receipt, verdict: Verdict) -> bool:
        """Notes in which block the attempt is and what it did there; both may be taken back.

        False, and nothing is noted, where another of its slot is mined as far as is known.
        """
        with self.together():
            if self._run("other_mined_in_slot", id=attempt.id):
                return False
            self._step_attempt(
                attempt,
                AttemptState.MINED,
                "set_mined",
                hash=receipt.transaction_hash,
                block_number=receipt.block_number,
                block_hash=receipt.block_hash,
            )
            self._run("saw_block", id=attempt.id, head=receipt.block_number)
            series.end_turn(self._run, attempt.intent.key)
            if attempt.purpose is Purpose.ACT and self._is_where_it_is_mined(attempt):
                self._step_intent(attempt.intent.key, verdict.kind.intent_state)
            self._run(
                "insert_outcome",
                id=attempt.id,
                key=attempt.intent.key,
                kind=verdict.kind.value,
                detail=verdict.detail,
                gas_used=receipt.gas_used,
                gas_price=str(receipt.gas_price),
                sent=str(attempt.sent(receipt)),
                earned=str(verdict.earned),
                returned=str(verdict.returned),
                now=self._clock(),
            )
            if verdict.staked:
                self._run(
                    "deposits.leave",
                    id=attempt.id,
                    key=attempt.intent.key,
                    amount=str(verdict.staked),
                )
            return True

    def unmined(self, attempt: Attempt) -> None:
        """Takes back what `mined` noted: a reorg removed the block."""
        with self.together():
            self._run("note_reorg", id=attempt.id, now=self._clock())
            self._step_attempt(attempt, AttemptState.BROADCAST, "set_unmined")
            self._run("delete_outcome", id=attempt.id)
            self._run("deposits.undo", id=attempt.id)
            if attempt.purpose is Purpose.ACT and self._run("is_placed", id=attempt.id):
                self._step_intent(attempt.intent.key, IntentState.IN_SLOT)

    def final(
        self,
        account: Account,
        attempt: Attempt,
        retries: Callable[[OutcomeKind], bool] = lambda _: False,
    ) -> None:
        """Notes that the attempt's block is final: it consumed the slot, all else in it is void.

        Only now is an intent that was cancelled expired, or abandoned; and only now may one that
        failed, or that gave way to another in the slot, have another slot. The latter is planned
        again; so is the former, or after too many failures suspended, where `retries` says that
        its family's rules allow another try after such an outcome.
        """
        slot = {**account.columns, "nonce": attempt.nonce}
        key = attempt.intent.key
        with self.together():
            self._step_attempt(attempt, AttemptState.FINAL, "set_final")
            self._run("finish_outcome", id=attempt.id)
            [(name,)] = self._run("outcome_kind", id=attempt.id)
            kind = OutcomeKind(name)
            if self._run("is_placed", id=attempt.id):
                if attempt.purpose is Purpose.CANCEL:
                    self._leave(key, slot, kind.intent_state)
                elif kind in MINED_FAILURES and retries(kind):
                    self._leave(key, slot, self.failures([key])[key].next_state)
            self._release(slot, but=key)
            self._consume(slot, *self._run("mined_in", id=attempt.id)[0])

    def failures(self, keys: Sequence[str]) -> dict[str, Failures]:
        """The final failures of those of these intents that have any, since they were resumed."""
        rows = self._read("failures", keys=json.dumps(list(keys)))
        return {
            key: Failures(count - pardoned, last_block)
            for key, count, pardoned, last_block in rows
            if count > pardoned
        }

    def displaced(
        self, account: Account, attempt: Attempt, hash_: Hash, number: int, block: Hash
    ) -> None:
        """Notes that another's transaction, `hash_`, consumed the attempt's slot, finally.

        It did so in the block `block` with this number. Nothing in the slot can be mined any more,
        so its intents may be given others.
        """
        slot = {**account.columns, "nonce": attempt.nonce}
        with self.together():
            self._release(slot)
            self._consume(slot, hash_, number, block)

    def planned(self, account: Account) -> list[tuple[Told, int]]:
        """The intents on the account's chain that are in no slot, with their last blocks."""
        return [
            (Told(key, family, contract, kind, json.loads(params)), last_block)
            for key, family, contract, kind, params, last_block in self._read(
                "planned", chain=account.chain
            )
        ]

    def expire(self, key: str) -> bool:
        """Notes that a planned intent is not sent any more; False where it is in a slot by now."""
        with self.together():
            if self._intent_state(key) is not IntentState.PLANNED:
                return False
            self._step_intent(key, IntentState.EXPIRED)
            return True

    def outcome_counts(self, chain: str) -> dict[str, int]:
        """How many outcomes of each kind the journal has for this chain."""
        return dict(self._read("outcome_counts", chain=chain))

    def _release(self, slot: dict[str, object], but: str | None = None) -> None:
        """Plans the slot's intents again, but for the one whose transaction consumed it."""
        for (key,) in self._run("placed_in", **slot):
            if key != but:
                self._leave(key, slot, IntentState.PLANNED)
                series.end_turn(self._run, key)

    def _leave(self, key: str, slot: dict[str, object], then: IntentState) -> None:
        """Takes the intent out of a slot in which nothing of it can be mined any more.

        It goes to the state `then`; but where a deep reorg opened another of its slots again,
        something of it may be mined there still, and that is where it is now.
        """
        found = self._run("other_open_slot", **slot, key=key)
        self._step_intent(key, IntentState.IN_SLOT if found else then)
        for (nonce,) in found:
            other = {**slot, "nonce": nonce}
            self._run("leave_other_slots", key=key)
            self._run("reopen_placement", **other, key=key)
            for (kind,) in self._run("mined_outcome", **other, key=key):
                self._step_intent(key, OutcomeKind(kind).intent_state)

    def _is_where_it_is_mined(self, attempt: Attempt) -> bool:
        """Whether the intent is in the slot of its mined attempt; puts it there if it waits in
        another, which it may after a deep reorg: the first that is mined is its own."""
        if self._run("is_placed", id=attempt.id):
            return True
        if self._intent_state(attempt.intent.key) is not IntentState.IN_SLOT:
            return False
        self._run("leave_other_slots", key=attempt.intent.key)
        self._run("place_where_it_is_mined", key=attempt.intent.key, id=attempt.id)
        return True

    def _consume(self, slot: dict[str, object], hash_: Hash, number: int, block: Hash) -> None:
        words = f"its nonce was consumed by {hash_} before"
        self._run("orders.overtaken", **slot, result=words, now=self._clock())
        self._run("replace_others", **slot)
        self._run("consume_slot", **slot, hash=hash_, block_number=number, block_hash=block)
        self._run("close_placements", **slot)

    def _step_attempt(
        self, attempt: Attempt, then: AttemptState, query: str, **values: object
    ) -> None:
        [(now,)] = self._run("attempt_state", id=attempt.id)
        state = step(AttemptState(now), then)
        self._run(query, id=attempt.id, state=state.value, **values)
