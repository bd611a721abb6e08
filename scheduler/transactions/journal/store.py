"""The journal on SQLite: each method is one transaction, durable when it returns."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scheduler.chain.model import Hash, Receipt
from scheduler.transactions.encoding import Signed, Transaction
from scheduler.transactions.intents import Limits, Told, Verdict
from scheduler.transactions.journal import named
from scheduler.transactions.journal.errors import (
    IntentTaken,
    JournalUnavailable,
    NonceTaken,
    unavailable,
)
from scheduler.transactions.journal.values import (
    Account,
    Attempt,
    Prepared,
    Replacement,
    Row,
    attempt_of,
)
from scheduler.transactions.states import (
    AttemptState,
    IntentState,
    OutcomeKind,
    Purpose,
    step,
)

DIALECT = "sqlite"

# How long a writer waits for another process's transaction, milliseconds. Longer than any of ours
# takes on a slow disk, shorter than a block.
BUSY_TIMEOUT_MS = 2_000


class Journal:
    """Intents, slots, attempts and outcomes of all accounts of this box, in one SQLite file."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock
        self._together = False
        self._queries = named.queries(DIALECT)
        [(_, _, self._path)] = connection.execute("PRAGMA database_list").fetchall()

    @classmethod
    def open(cls, path: Path, clock: Callable[[], float] = time.time) -> "Journal":
        """Opens the file, making it and its schema where they are missing.

        Raises JournalUnavailable. WAL with synchronous=FULL: what a commit wrote survives a power
        cut (NORMAL does not; tests/faults).
        """
        try:
            connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
        except sqlite3.Error as error:
            raise unavailable(str(path), "opened", error) from error
        try:
            mode = _mode_after_asking_for_wal(connection)
            if mode != "wal":
                raise JournalUnavailable(
                    f"the journal {path} cannot be kept there: {mode} instead of WAL mode; "
                    "give it a path on a local file system with journal = in the configuration"
                )
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            journal = cls(connection, clock)
            journal._migrate()
        except sqlite3.Error as error:
            connection.close()
            raise unavailable(str(path), "opened", error) from error
        except BaseException:
            connection.close()
            raise
        return journal

    def close(self) -> None:
        self._connection.close()

    def admitted(self, account: Account) -> bool:
        """Whether the journal may send from this account on this chain."""
        return self._read("admitted", **_of(account)) != []

    def admit(self, account: Account) -> None:
        """Notes that the account passed the check before the first transaction."""
        with self.together():
            self._run("admit", **_of(account), now=self._clock())

    def next_nonce(self, account: Account) -> int:
        """The lowest nonce above all that were given out; 0 where none was."""
        [(highest,)] = self._read("highest_nonce", **_of(account))
        return 0 if highest is None else int(highest) + 1

    def intent_states(self, keys: Sequence[str]) -> dict[str, IntentState]:
        """The states of those of these intents that the journal knows."""
        rows = self._read("intent_states", keys=json.dumps(list(keys)))
        return {key: IntentState(state) for key, state in rows}

    def reserve(self, account: Account, prepared: Sequence[Prepared]) -> list[Attempt]:
        """Writes intent, slot and attempt of each, all or none; durable when it returns.

        Raises NonceTaken or IntentTaken, and then has written nothing.
        """
        with self.together():
            return [self._reserve(account, item) for item in prepared]

    def replace(self, account: Account, replacements: Sequence[Replacement]) -> list[Attempt]:
        """Writes further attempts for open slots, all or none; durable when it returns.

        Leaves out those whose slot has a mined attempt by now.
        """
        with self.together():
            return [
                self._insert_attempt(
                    account,
                    item.replaced.intent,
                    item.replaced.limits,
                    item.purpose,
                    item.transaction,
                    item.signed,
                    item.head_number,
                )
                for item in replacements
                if self._run("slot_is_free", **_of(account), nonce=item.transaction.nonce)
            ]

    def open_attempts(self, account: Account) -> list[Attempt]:
        """All attempts in slots whose end is not final, by nonce."""
        return [attempt_of(row) for row in self._read("open_attempts", **_of(account))]

    def broadcast(self, attempts: Sequence[tuple[Attempt, Hash]]) -> None:
        """Notes that a node took these; the hash is what it answered."""
        with self.together():
            for attempt, hash_ in attempts:
                self._step_attempt(attempt, AttemptState.BROADCAST, "set_broadcast", hash=hash_)

    def mined(self, attempt: Attempt, receipt: Receipt, verdict: Verdict) -> None:
        """Notes in which block the attempt is and what it did there; both may be taken back."""
        with self.together():
            self._step_attempt(
                attempt,
                AttemptState.MINED,
                "set_mined",
                hash=receipt.transaction_hash,
                block_number=receipt.block_number,
                block_hash=receipt.block_hash,
            )
            if attempt.purpose is Purpose.ACT:
                self._step_intent(attempt.intent.key, verdict.kind.intent_state)
            self._run(
                "insert_outcome",
                id=attempt.id,
                key=attempt.intent.key,
                kind=verdict.kind.value,
                detail=verdict.detail,
                gas_used=receipt.gas_used,
                gas_price=str(receipt.gas_price),
                earned=str(verdict.earned),
                now=self._clock(),
            )

    def unmined(self, attempt: Attempt) -> None:
        """Takes back what `mined` noted: a reorg removed the block."""
        with self.together():
            self._step_attempt(attempt, AttemptState.BROADCAST, "set_unmined")
            self._run("delete_outcome", id=attempt.id)
            if attempt.purpose is Purpose.ACT:
                self._step_intent(attempt.intent.key, IntentState.IN_SLOT)

    def final(self, account: Account, attempt: Attempt) -> None:
        """Notes that the attempt's block is final: it consumed the slot, all else in it is void.

        Only now is an intent that was cancelled expired, or abandoned.
        """
        slot = {**_of(account), "nonce": attempt.nonce}
        with self.together():
            self._step_attempt(attempt, AttemptState.FINAL, "set_final")
            self._run("finish_outcome", id=attempt.id)
            if attempt.purpose is Purpose.CANCEL:
                [(kind,)] = self._run("outcome_kind", id=attempt.id)
                self._step_intent(attempt.intent.key, OutcomeKind(kind).intent_state)
            self._consume(slot, attempt.hash)

    def displaced(self, account: Account, attempt: Attempt, hash_: Hash) -> None:
        """Notes that another's transaction, `hash_`, consumed the attempt's slot, finally.

        Nothing in the slot can be mined any more, so its intent may be given another.
        """
        with self.together():
            self._step_intent(attempt.intent.key, IntentState.PLANNED)
            self._consume({**_of(account), "nonce": attempt.nonce}, hash_)

    def outcome_counts(self, chain: str) -> dict[str, int]:
        """How many outcomes of each kind the journal has for this chain."""
        return dict(self._read("outcome_counts", chain=chain))

    def _consume(self, slot: dict[str, object], hash_: Hash | None) -> None:
        self._run("replace_others", **slot)
        self._run("consume_slot", **slot, hash=hash_)
        self._run("close_placements", **slot)

    def _reserve(self, account: Account, item: Prepared) -> Attempt:
        intent, transaction = item.intent, item.transaction
        slot = {**_of(account), "nonce": transaction.nonce, "now": self._clock()}
        self._run(
            "insert_intent",
            key=intent.key,
            family=intent.family,
            kind=intent.kind,
            chain=intent.chain,
            contract=intent.contract,
            params=json.dumps(dict(intent.params), sort_keys=True),
            recipient=intent.to,
            data=intent.data,
            value=str(intent.value),
            gas=intent.gas,
            first_block=intent.first_block,
            last_block=intent.last_block,
            urgency=intent.urgency.value,
            max_cost=str(intent.max_cost),
            worth_sending=json.dumps(sorted(kind.value for kind in intent.worth_sending)),
            expects=json.dumps(intent.expects.as_data()),
            now=self._clock(),
        )
        if self._intent_state(intent.key) is not IntentState.PLANNED:
            raise IntentTaken(intent.key)
        if not self._run("insert_slot", **slot):
            raise NonceTaken(str(transaction.nonce))
        if not self._run("insert_placement", **slot, key=intent.key):
            raise IntentTaken(intent.key)
        self._step_intent(intent.key, IntentState.IN_SLOT)
        return self._insert_attempt(
            account,
            intent.told,
            intent.limits,
            Purpose.ACT,
            transaction,
            item.signed,
            item.head_number,
        )

    def _insert_attempt(
        self,
        account: Account,
        intent: Told,
        limits: Limits,
        purpose: Purpose,
        transaction: Transaction,
        signed: Signed | None,
        head_number: int,
    ) -> Attempt:
        fields = transaction.rpc_fields(account.address)
        raw, hash_ = (signed.raw, signed.hash) if signed else (None, None)
        [(id_,)] = self._run(
            "insert_attempt",
            **_of(account),
            nonce=transaction.nonce,
            key=intent.key,
            purpose=purpose.value,
            fields=json.dumps(fields),
            raw=raw,
            hash=hash_,
            head_number=head_number,
            now=self._clock(),
        )
        return Attempt(
            id=id_,
            nonce=transaction.nonce,
            intent=intent,
            limits=limits,
            purpose=purpose,
            fields=fields,
            raw=raw,
            hash=hash_,
            state=AttemptState.SIGNED,
            head_number=head_number,
            block_number=None,
            block_hash=None,
        )

    def _step_attempt(
        self, attempt: Attempt, then: AttemptState, query: str, **values: object
    ) -> None:
        [(now,)] = self._run("attempt_state", id=attempt.id)
        state = step(AttemptState(now), then)
        self._run(query, id=attempt.id, state=state.value, **values)

    def _intent_state(self, key: str) -> IntentState:
        [(state,)] = self._run("intent_state", key=key)
        return IntentState(state)

    def _step_intent(self, key: str, then: IntentState) -> None:
        state = step(self._intent_state(key), then)
        self._run("set_intent_state", key=key, state=state.value)

    def _run(self, query: str, **values: object) -> list[Row]:
        return self._connection.execute(self._queries[query], values).fetchall()

    def _read(self, query: str, **values: object) -> list[Row]:
        try:
            return self._run(query, **values)
        except sqlite3.Error as error:
            raise unavailable(self._path, "read", error) from error

    @contextmanager
    def together(self) -> Iterator[None]:
        """One durable transaction of whatever is called in it; on any exception none is written.

        IMMEDIATE, so that what is read in it is still true when it is written. Raises
        JournalUnavailable.
        """
        if self._together:
            yield
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._together = True
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._together = False
        except sqlite3.Error as error:
            raise unavailable(self._path, "written", error) from error

    def _migrate(self) -> None:
        """Applies the migrations that the file lacks; their number is its user_version."""
        migrations = named.migrations(DIALECT)
        newest, _ = migrations[-1]
        for number, sql in migrations:
            with self.together():
                [(version,)] = self._connection.execute("PRAGMA user_version").fetchall()
                if version > newest:
                    raise JournalUnavailable(
                        f"the journal {self._path} was written by a newer release (schema "
                        f"{version}, this one knows {newest}); install that release again"
                    )
                if number <= version:
                    continue
                for statement in _statements(sql):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number}")


def _mode_after_asking_for_wal(connection: sqlite3.Connection) -> str:
    """The file's journal mode: not WAL where the file system has no shared memory.

    Of programs that open a new file at the same time all but one are told at once that it is
    locked: the busy timeout does not apply to this (sqlite 3.40).
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            [(mode,)] = connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return str(mode)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _of(account: Account) -> dict[str, object]:
    return {"chain": account.chain, "account": account.address}


def _statements(sql: str) -> Iterator[str]:
    """The statements of a script one by one: executescript would commit between them."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
