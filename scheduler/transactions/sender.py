"""From intents to transactions at the node, in three steps: prepare, commit, broadcast.

`prepare` reads, simulates and signs, with tentative nonces and no trace; `commit` writes slots
and attempts in one durable transaction; only then may `broadcast` let bytes leave. Preparing and
committing may happen at different heads.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.model import Call, CallResult, Head
from scheduler.chain.protocol import Node
from scheduler.errors import NotYet
from scheduler.notices import Notice
from scheduler.transactions.encoding import DynamicFee, Fee, LegacyFee, Transaction
from scheduler.transactions.fees import (
    FeePolicy,
    FeeTooHigh,
    base_fee_after,
    first_price,
    price_at,
)
from scheduler.transactions.intents import (
    Accepted,
    Attempting,
    Effects,
    Family,
    Intent,
    Refused,
    Told,
    Verdict,
)
from scheduler.transactions.journal import (
    Account,
    Attempt,
    IntentTaken,
    Journal,
    NonceTaken,
    Prepared,
)
from scheduler.transactions.signers import Signer
from scheduler.transactions.states import IntentState, OutcomeKind

log = logging.getLogger("SENDER")

# geth's default --rpc.gascap, which bounds all calls of one eth_simulateV1 together (1.16.7).
SIMULATION_GAS = 50_000_000

# What the nodes say to a transaction that they have: geth 1.16.7 and rskj, anvil 1.7.1.
ALREADY_KNOWN = ("already known", "already imported")


@dataclass(frozen=True, slots=True)
class Desk:
    """What sending from one account on one chain needs, and who it is done for."""

    node: Node
    chain_id: int
    account: Account
    signer: Signer
    journal: Journal
    policy: FeePolicy
    families: Sequence[Family]

    def family(self, told: Told) -> Family | None:
        """Whose intent this is; None for one that another program on this account takes care of."""
        for family in self.families:
            if (family.name, family.contract) == (told.family, told.contract):
                return family
        return None


class Sender:
    """Gets intents into slots, once each."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._trouble = Notice(log)

    async def admit(self) -> None:
        """Lets a journal that never sent from this account begin; does nothing for another.

        Raises NotYet while the node is syncing, or has transactions of the account pending: with
        a journal that does not know them, their nonces would be given out again.
        """
        desk = self._desk
        if desk.journal.admitted(desk.account):
            return
        nonces = await desk.node.nonces(desk.account.address)
        if nonces.pending != nonces.latest:
            raise NotYet(
                f"{nonces.pending - nonces.latest} transactions of {desk.account.address} are "
                "pending that this journal does not know; nothing is sent until they are mined"
            )
        desk.journal.admit(desk.account)

    async def prepare(
        self, intents: Sequence[Intent], head: Head, blocks_ahead: int = 1
    ) -> list[Prepared]:
        """Those of `intents` that are worth sending, simulated on `head` and signed.

        They are aimed at the block `blocks_ahead` after `head`. Nothing is reserved: the nonces
        are the ones that would be given out now. Families are told of what is refused.
        Raises NotYet where nothing can be sent now, NodeUnavailable, JournalUnavailable.
        """
        desk = self._desk
        states = desk.journal.intent_states([intent.key for intent in intents])
        fresh = [
            intent
            for intent in intents
            if states.get(intent.key, IntentState.PLANNED) is IntentState.PLANNED
        ]
        if not fresh:
            return []
        await self.admit()
        fee, syncing, nonces, [balance] = await asyncio.gather(
            self._fee(head),
            desk.node.syncing(),
            desk.node.nonces(desk.account.address),
            desk.node.balances([desk.account.address], at=head.hash),
        )
        if syncing:
            raise NotYet("the node is syncing; nothing is sent until it has caught up")
        affordable = self._affordable(fresh, fee, balance)
        # The node's pool may hold transactions that the journal does not know: never replace one.
        nonce = max(desk.journal.next_nonce(desk.account), nonces.pending)
        transactions: list[tuple[Intent, Transaction]] = []
        verdicts = await self._simulate(affordable, head, blocks_ahead, fee)
        for intent, verdict in zip(affordable, verdicts, strict=True):
            if verdict.kind not in intent.worth_sending:
                self._tell(intent.told, Refused(verdict))
                continue
            transactions.append((intent, self._transaction(intent, nonce, fee)))
            nonce += 1
        return await self._signed(transactions, head.number)

    async def commit(self, prepared: Sequence[Prepared], head: Head) -> list[Attempt]:
        """Writes the slots and attempts of all in one transaction; they may leave when it returns.

        Leaves out what is not due in the block after `head` (any more), and intents that have
        found a slot meanwhile. Where another process was given a nonce first, the bytes are
        discarded and signed again with the next. Raises as `prepare` does.
        """
        desk = self._desk
        aimed = head.number + 1
        rest = [
            item for item in prepared if item.intent.first_block <= aimed <= item.intent.last_block
        ]
        while rest:
            try:
                attempts = desk.journal.reserve(desk.account, rest)
            except IntentTaken as taken:
                rest = [item for item in rest if item.intent.key != taken.key]
                rest = await self._renumbered(rest)
            except NonceTaken:
                rest = await self._renumbered(rest)
            else:
                for attempt in attempts:
                    self._tell(attempt.intent, Attempting(attempt.nonce))
                return attempts
        return []

    async def broadcast(self, attempts: Sequence[Attempt]) -> None:
        """Hands committed attempts to the node, in the order of their nonces.

        Whatever goes wrong here means "maybe sent": the attempt stays in its slot and is sent
        again, the same bytes, with a later head.
        """
        try:
            answers = await self._send(attempts)
        except NodeUnavailable as error:
            log.warning(
                "sending %d transactions was not answered (%s); they may be at the node, "
                "and are sent again, unchanged, until they are seen",
                len(attempts),
                error,
            )
            return
        taken = []
        for attempt, answer in zip(attempts, answers, strict=True):
            if isinstance(answer, RpcError) and attempt.hash and _already_known(answer):
                answer = attempt.hash
            if isinstance(answer, RpcError):
                log.warning(
                    "nonce %d: the node answered %r; the transaction stays in its slot and is "
                    "sent again, unchanged",
                    attempt.nonce,
                    answer.message,
                )
            else:
                taken.append((attempt, answer))
        self._desk.journal.broadcast(taken)
        for attempt, hash_ in taken:
            self._tell(attempt.intent, Accepted(hash_))

    async def _send(self, attempts: Sequence[Attempt]) -> list[str | RpcError]:
        if all(attempt.raw is not None for attempt in attempts):
            return await self._desk.node.send_raw([attempt.raw or b"" for attempt in attempts])
        return [await self._send_one(attempt) for attempt in attempts]

    async def _send_one(self, attempt: Attempt) -> str | RpcError:
        """For nodes that sign only what they send: the identical request, as often as needed."""
        node = self._desk.node
        if attempt.raw is not None:
            return (await node.send_raw([attempt.raw]))[0]
        account = self._desk.account.address
        found = await node.sent_by(account, attempt.nonce, since=attempt.head_number)
        if found is not None:
            return found
        try:
            return await node.send_transaction(attempt.fields)
        except RpcError as error:
            return error

    async def _fee(self, head: Head) -> Fee:
        node = self._desk.node
        dynamic = head.base_fee is not None
        suggested = await (node.suggested_tip() if dynamic else node.suggested_gas_price())
        try:
            return first_price(head, suggested, self._desk.policy)
        except FeeTooHigh as error:
            raise NotYet(str(error)) from error

    def _affordable(self, intents: Sequence[Intent], fee: Fee, balance: int) -> list[Intent]:
        """The first of `intents`, as many as the account can pay for besides what is in flight.

        At the worst case: all their gas used, at the highest price.
        """
        desk = self._desk
        address = desk.account.address
        funds = balance - sum(
            _worst_cost(attempt.fields) for attempt in desk.journal.open_attempts(desk.account)
        )
        affordable: list[Intent] = []
        for intent in intents:
            funds -= _worst_cost(self._transaction(intent, 0, fee).rpc_fields(address))
            if funds < 0:
                self._trouble.raised(
                    f"{address} has {balance} wei, {-funds} wei less than what is due may cost; "
                    "send ether to it"
                )
                return affordable
            affordable.append(intent)
        self._trouble.cleared(f"{address} has enough ether again")
        return affordable

    def _transaction(self, intent: Intent, nonce: int, fee: Fee) -> Transaction:
        return Transaction(
            self._desk.chain_id, nonce, intent.to, intent.value, intent.gas, intent.data, fee
        )

    async def _simulate(
        self, intents: Sequence[Intent], head: Head, blocks_ahead: int, fee: Fee
    ) -> list[Verdict]:
        """What each would do in the block aimed at: the families' verdicts, and what it costs."""
        base_fee = None if head.base_fee is None else base_fee_after(head.base_fee, blocks_ahead)
        results: list[CallResult] = []
        for batch in _within_gas(intents, min(head.gas_limit, SIMULATION_GAS)):
            results += await self._desk.node.simulate(
                [self._call(intent, fee) for intent in batch],
                on=head,
                number=head.number + blocks_ahead,
                # The earliest possible: a block is at least a second after its parent.
                timestamp=head.timestamp + blocks_ahead,
                base_fee=base_fee,
            )
        price = price_at(fee, base_fee)
        return [
            self._verdict(intent, result, price)
            for intent, result in zip(intents, results, strict=True)
        ]

    def _call(self, intent: Intent, fee: Fee) -> Call:
        return Call(
            to=intent.to,
            data=intent.data,
            sender=self._desk.account.address,
            value=intent.value,
            gas=intent.gas,
            gas_price=fee.gas_price if isinstance(fee, LegacyFee) else None,
            max_fee=fee.max_fee if isinstance(fee, DynamicFee) else None,
            tip=fee.tip if isinstance(fee, DynamicFee) else None,
        )

    def _verdict(self, intent: Intent, result: CallResult, price: int) -> Verdict:
        family = self._desk.family(intent.told)
        assert family is not None, "intents come from the families of this desk"
        effects = Effects(result.ok, result.logs, result.gas_used, result.error)
        verdict = family.judge(intent.kind, intent.params, effects)
        cost = result.gas_used * price - verdict.earned
        if verdict.kind in intent.worth_sending and cost > intent.max_cost:
            return Verdict(
                OutcomeKind.ABANDONED,
                f"it would cost {result.gas_used * price} wei and pay {verdict.earned} wei",
            )
        return verdict

    async def _signed(
        self, transactions: Sequence[tuple[Intent, Transaction]], head_number: int
    ) -> list[Prepared]:
        signed = await self._desk.signer.sign([transaction for _, transaction in transactions])
        return [
            Prepared(intent, transaction, signature, head_number)
            for (intent, transaction), signature in zip(transactions, signed, strict=True)
        ]

    async def _renumbered(self, items: Sequence[Prepared]) -> list[Prepared]:
        """The same transactions from the journal's next nonce on, signed again."""
        if not items:
            return []
        first = self._desk.journal.next_nonce(self._desk.account)
        transactions = [
            (item.intent, item.transaction.with_nonce(first + offset))
            for offset, item in enumerate(items)
        ]
        return await self._signed(transactions, items[0].head_number)

    def _tell(self, told: Told, progress: Attempting | Accepted | Refused) -> None:
        family = self._desk.family(told)
        if family is not None:
            family.told(told, progress)


def _within_gas(intents: Sequence[Intent], limit: int) -> list[list[Intent]]:
    """The intents in order, in batches whose gas limits together stay within `limit`."""
    batches: list[list[Intent]] = [[]]
    total = 0
    for intent in intents:
        if batches[-1] and total + intent.gas > limit:
            batches.append([])
            total = 0
        batches[-1].append(intent)
        total += intent.gas
    return batches


def _worst_cost(fields: Mapping[str, str]) -> int:
    """The most that a transaction can take from its account, in wei."""
    price = fields.get("maxFeePerGas") or fields["gasPrice"]
    return int(fields["value"], 16) + int(fields["gas"], 16) * int(price, 16)


def _already_known(error: RpcError) -> bool:
    return any(text in error.message.lower() for text in ALREADY_KNOWN)
