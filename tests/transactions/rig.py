"""A tiny family on a real node, and what a test may put between the node and the sender."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from scheduler.chain.connection import connect
from scheduler.chain.dialect import GETH, RSKJ
from scheduler.chain.errors import METHOD_NOT_FOUND, NodeUnavailable, RpcError
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.model import Address, Conditions, Hash, Head, HeadEvent
from scheduler.chain.node import JsonRpcNode
from scheduler.chain.protocol import Node as NodeProtocol
from scheduler.devchain.accounts import receipt_of
from scheduler.devchain.compiler import own_contracts
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.nodes import Node
from scheduler.errors import NotYet
from scheduler.transactions.desk import Desk
from scheduler.transactions.encoding import LegacyFee, Transaction, sign
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.flow import Flow
from scheduler.transactions.guard import Guard
from scheduler.transactions.intents import (
    Effects,
    Intent,
    Mined,
    Params,
    Progress,
    Recorded,
    Told,
    Verdict,
)
from scheduler.transactions.journal import Account, Attempt, Journal, Location, Prepared
from scheduler.transactions.rules import Rule, RuleBook
from scheduler.transactions.sender import Sender
from scheduler.transactions.signers import KeySigner, NodeSigner, Signer
from scheduler.transactions.states import OutcomeKind
from tests.rskj.server import StandIn
from tests.transactions.places import asked

HIT = keccak(text="hit()")[:4]
VIEW = keccak(text="total()")[:4]
HITS = keccak(text="hits(address)")[:4]
HIT_TOPIC = "0x" + keccak(text="Hit(address,uint256,uint256)").hex()
ETHER = 10**18
CONFIRMATIONS = 2

_numbers = itertools.count(1)


class Bench:
    """A node, shared by the tests of a file, with the contracts Counter and Reverter.

    Tests that share it use accounts of their own. Anvil mines only when told to.
    """

    def __init__(self, node: "Node | StandIn") -> None:
        """What tests look at and do, they do past a stand-in's back, on the node behind it."""
        self.node = node.anvil if isinstance(node, StandIn) else node
        self.way = node.ws if isinstance(node, StandIn) else str(node.ipc)
        self.stand_in = node if isinstance(node, StandIn) else None
        self.endpoint = Endpoint(self.node.http)
        self.chain_id = self.endpoint.number("eth_chainId")
        self.is_anvil = self.node.kind == "anvil"
        self.rich = str(self.endpoint.request("eth_accounts")[0]).lower()
        self.unlocked = iter(str(a).lower() for a in self.endpoint.request("eth_accounts")[1:])

    @cached_property
    def counter(self) -> Address:
        return self.deployed("Counter")

    @cached_property
    def reverter(self) -> Address:
        return self.deployed("Reverter")

    @cached_property
    def code_of_counter(self) -> str:
        """The Counter's code as it was deployed, in hex."""
        return str(self.endpoint.request("eth_getCode", self.counter, "latest"))

    @property
    def head(self) -> int:
        return self.endpoint.number("eth_blockNumber")

    def hits(self, account: Address, counter: Address | None = None) -> int:
        """How often the account has hit the counter, as the chain has it."""
        data = "0x" + HITS.hex() + account[2:].rjust(64, "0")
        call = {"to": counter or self.counter, "data": data}
        return self.endpoint.number("eth_call", call, "latest")

    def nonce(self, account: Address, at: str = "latest") -> int:
        return self.endpoint.number("eth_getTransactionCount", account, at)

    def key(self, balance: int = ETHER) -> PrivateKey:
        """The key of a new account with so many wei."""
        key = PrivateKey(keccak(text=f"account {next(_numbers)} of {self.node.port}"))
        address = key.public_key.to_address()
        if self.is_anvil:
            self.endpoint.request("anvil_setBalance", address, hex(balance))
            self.mine()
        elif balance:
            self._transact({"to": address, "value": hex(balance)})
        return key

    def mine(self, blocks: int = 1) -> None:
        """Mines on anvil; geth mines by itself, every second, and is waited for."""
        if self.is_anvil:
            self.endpoint.request("anvil_mine", hex(blocks))
        else:
            goal = self.head + blocks
            while self.head < goal:
                time.sleep(0.02)

    def deployed(self, name: str) -> Address:
        """The address of one more of the project's own contracts."""
        receipt = self._transact({"data": "0x" + own_contracts()[name].code.hex()})
        return str(receipt["contractAddress"]).lower()

    def _transact(self, fields: dict[str, str]) -> dict[str, Any]:
        price = hex(2 * self.endpoint.number("eth_gasPrice"))
        common = {"from": self.rich, "gas": hex(1_000_000), "gasPrice": price}
        sent = self.endpoint.request("eth_sendTransaction", {**common, **fields})
        if self.is_anvil:
            self.mine()
        return receipt_of(self.endpoint, sent)


class Between:
    """The real node, except for what a test tells it to do otherwise.

    It is also the witness of invariant 1: whatever is sent must be in the journal's file before,
    as a second connection reads it.
    """

    def __init__(self, node: JsonRpcNode, journal: Location) -> None:
        self._node = node
        self._journal = journal
        self.sent: list[Hash] = []
        self.requested: list[dict[str, str]] = []
        self.answer_lost = False
        self.unreachable = False
        self.says_syncing = False
        self.signs = True
        self.edits: Mapping[str, str] = {}
        self.refusal: RpcError | None = None
        self.wrong_hash: Hash | None = None
        # Of all programs that use it: what they hold is given back at the end.
        self.flows: list[Flow] = []

    def __getattr__(self, name: str) -> Any:
        """Everything else is the node's own; a test may set an attribute instead."""
        return getattr(self._node, name)

    async def syncing(self) -> bool:
        return self.says_syncing or await self._node.syncing()

    async def conditions(self, account: str, head: Head) -> Conditions:
        found = await self._node.conditions(account, head)
        return replace(found, syncing=self.says_syncing or found.syncing)

    async def send_raw(self, raws: Sequence[bytes]) -> list[Hash | RpcError]:
        hashes = ["0x" + keccak(raw).hex() for raw in raws]
        known = {hash for (hash,) in self._read("SELECT hash FROM attempts")}
        assert set(hashes) <= known, "sent what is not in the journal"
        self._reachable()
        self.sent += hashes
        if self.refusal is not None:
            return [self.refusal for _ in raws]
        answers = await self._node.send_raw(raws)
        self._answered()
        return answers if self.wrong_hash is None else [self.wrong_hash for _ in raws]

    async def sign_transactions(
        self, fields: Sequence[Mapping[str, object]]
    ) -> list[bytes | RpcError]:
        if not self.signs:
            refusal = RpcError(METHOD_NOT_FOUND, "the method eth_signTransaction does not exist")
            return [refusal for _ in fields]
        return await self._node.sign_transactions([{**each, **self.edits} for each in fields])

    async def send_transaction(self, fields: Mapping[str, object]) -> Hash:
        journaled = [json.loads(text) for (text,) in self._read("SELECT fields FROM attempts")]
        assert dict(fields) in journaled, "asked for what is not in the journal"
        self._reachable()
        self.requested.append(cast(dict[str, str], dict(fields)))
        hash = await self._node.send_transaction(fields)
        self._answered()
        return hash

    def _reachable(self) -> None:
        if self.unreachable:
            raise NodeUnavailable("the node does not answer")

    def _answered(self) -> None:
        if self.answer_lost:
            raise NodeUnavailable("the connection was closed")

    def _read(self, sql: str) -> list[tuple[Any, ...]]:
        return asked(self._journal, sql)


def rules_for(*recipients: Address) -> RuleBook:
    """Lets a family named tests call the functions that tests call, of these contracts."""
    return RuleBook(
        {
            "tests": [
                Rule(name, keccak(text=name)[:4], ETHER, ETHER, frozenset(recipients))
                for name in ("hit()", "total()")
            ]
        }
    )


@dataclass
class Touches:
    """A family whose intents hit the Counter, judged by the event that it emits."""

    contract: Address
    name: str = "tests"
    wishes: list[Intent] = field(default_factory=list)
    strangers: set[Address] = field(default_factory=set)
    asked: list[list[str]] = field(default_factory=list)
    heard: list[tuple[str, Progress]] = field(default_factory=list)
    tries_again_after: frozenset[OutcomeKind] = frozenset()
    useless: set[str] = field(default_factory=set)

    async def observe(self, event: HeadEvent) -> None:
        pass

    def due(self, head: Head) -> list[Intent]:
        return [w for w in self.wishes if w.first_block <= head.number + 1 <= w.last_block]

    async def look_ahead(self, head: Head) -> None:
        pass

    def upcoming(self, head: Head) -> list[Intent]:
        return [w for w in self.wishes if w.first_block == head.number + 2]

    async def recognises(self, intents: Sequence[Intent], head: Head) -> list[str | None]:
        """Imitates what a family reads: there is nothing on chain that says what tests may hit."""
        self.asked.append([intent.key for intent in intents])
        return [None if wish.to in self.strangers else "the test says so" for wish in intents]

    def judge(self, kind: str, params: Params, effects: Effects) -> Verdict:
        if not effects.ok:
            return Verdict(OutcomeKind.REVERTED, effects.error or "reverted")
        if effects.unmet:
            return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
        if effects.foreseen:
            return Verdict(OutcomeKind.SUCCEEDED, "it can hit", effects.refund)
        if any(log.topics[0] == HIT_TOPIC for log in effects.logs):
            return Verdict(OutcomeKind.SUCCEEDED, "hit")
        return Verdict(OutcomeKind.NO_EFFECT, "nothing was hit")

    def still_useful(self, kind: str, params: Params, head: Head) -> bool:
        return params["name"] not in self.useless

    def forgettable(self, kind: str, params: Params, head: Head) -> bool:
        return False

    def retries(self, kind: str, outcome: OutcomeKind) -> bool:
        return outcome in self.tries_again_after

    def told(self, intent: Told, progress: Progress) -> None:
        # That the journal has an outcome is told with every head: these wishes stay due.
        if not isinstance(progress, Recorded):
            self.heard.append((intent.key, progress))

    def story(self, key: str) -> list[str]:
        """What was told of an intent, as the names of the steps; outcomes by their kind."""
        return [
            progress.verdict.kind.value if isinstance(progress, Mined) else type(progress).__name__
            for told, progress in self.heard
            if told == key
        ]


class Office:
    """One program's sender with its journal, on a bench; `key` where it is not the node's."""

    def __init__(
        self, bench: Bench, node: Between, desk: Desk, path: Location, key: PrivateKey | None
    ) -> None:
        self.key = key
        self.bench = bench
        self.node = node
        self.desk = desk
        self.path = path
        self.journal = desk.journal
        self.family = cast(Touches, desk.families[0])
        self.sender = Sender(desk)
        self.flow = Flow(desk, CONFIRMATIONS)
        node.flows.append(self.flow)

    @property
    def address(self) -> Address:
        return self.desk.account.address

    @property
    def hits(self) -> int:
        return self.bench.hits(self.address)

    def wish(self, key: str = "one", **fields: Any) -> Intent:
        """An intent to hit the counter once, which costs at most an ether."""
        values: dict[str, Any] = {
            "family": self.family.name,
            "kind": "hit",
            "chain": self.desk.account.chain,
            "contract": self.family.contract,
            "params": {"name": key},
            "to": self.bench.counter,
            "data": HIT,
            "gas": 100_000,
            "first_block": 0,
            "last_block": 2**31,
            "max_cost": ETHER,
            **fields,
        }
        return Intent(key=key, **values)

    def desk_transaction(self, **fields: Any) -> Transaction:
        """A transfer of nothing on this chain, with other fields where they are given."""
        values = {"chain_id": self.desk.chain_id, "value": 0, "gas": 21_000, "data": b"", **fields}
        return Transaction(**values)

    def want(self, *intents: Intent) -> None:
        """Makes these due, and nothing else."""
        self.family.wishes = list(intents)

    async def head(self) -> Head:
        head = await self.node.block()
        assert head is not None
        return head

    async def send_due(self) -> None:
        """What a turn does until a SIGKILL comes, right after the sending."""
        head = await self.head()
        prepared = await self.sender.prepare(self.family.due(head), head)
        await self.sender.broadcast(await self.sender.commit(prepared, head), are_new=True)

    async def turn(self, removed: Sequence[Head] = (), rebased: bool = False) -> Head:
        """One turn of the flow with the chain's head as it is now."""
        head = await self.head()
        await self.flow.on(HeadEvent(head, (head,), tuple(removed), rebased))
        return head

    async def trying(self) -> None:
        """A turn in which it may be that nothing can be sent yet."""
        with suppress(NotYet):
            await self.turn()

    async def mine_and_turn(self, blocks: int = 1) -> None:
        """Lets the node mine, one turn for each block."""
        for _ in range(blocks):
            await asyncio.to_thread(self.bench.mine)
            await self.turn()

    async def until_mined(self, key: str = "one") -> None:
        """Turns with every block until an outcome of the intent was told."""
        for _ in range(20):
            if any(isinstance(said, Mined) for told, said in self.family.heard if told == key):
                return
            await self.mine_and_turn()
        raise AssertionError(f"{key} was not mined; {self.family.heard}")

    async def prepared(self, *intents: Intent) -> list[Prepared]:
        return await self.sender.prepare(intents, await self.head())

    def stranger(self, nonce: int, data: bytes = HIT, gas_price: int = 10**11) -> Hash:
        """Somebody else sends a call of the counter from the account; its hash."""
        assert self.key is not None
        fields = {"to": self.bench.counter, "gas": 100_000, "data": data}
        asked = self.desk_transaction(nonce=nonce, fee=LegacyFee(gas_price), **fields)
        self.stranger_raw = "0x" + sign(asked, self.key).raw.hex()
        return str(self.bench.endpoint.request("eth_sendRawTransaction", self.stranger_raw))

    def open_attempts(self) -> list[Attempt]:
        return self.journal.open_attempts(self.desk.account)


@asynccontextmanager
async def office(
    bench: Bench,
    path: Location,
    who: "PrivateKey | Address",
    policy: FeePolicy | None = None,
    admitted: bool = True,
    targets: Sequence[Address] = (),
) -> AsyncIterator[Office]:
    """An office that signs with a key, or for an account that the node has unlocked.

    Its journal may send at once, or begins as it would without a word. Besides the bench's
    contracts it may hit `targets`.
    """
    # Deployed now: it must not be among the account's transactions that the journal does not know.
    contracts = bench.counter, bench.reverter, *targets
    real = JsonRpcNode(connect(bench.way))
    real.speak(RSKJ if bench.stand_in else GETH)
    node = Between(real, path)
    signer: Signer = NodeSigner(node, who) if isinstance(who, str) else KeySigner(who)
    account = Account(await fingerprint(real, development=True), signer.address)
    journal = Journal.open(path)
    if admitted:
        journal.admit(account, accounted=bench.nonce(account.address, "pending"))
    family = Touches(bench.counter)
    desk = Desk(
        cast(NodeProtocol, node),
        bench.chain_id,
        account,
        Guard(signer, cast(NodeProtocol, node), rules_for(*contracts), journal),
        journal,
        policy or FeePolicy(),
        [family],
    )
    try:
        yield Office(bench, node, desk, path, None if isinstance(who, str) else who)
    finally:
        for flow in node.flows:
            flow.close()
        journal.close()
        await real.close()


def later(office: Office, contract: Address | None = None, **changes: Any) -> Office:
    """The same program after a restart: what it had in memory is gone; or one for `contract`."""
    if contract is None:
        office.flow.close()
    family = Touches(contract or office.family.contract, wishes=office.family.wishes)
    desk = replace(office.desk, families=[family], **changes)
    return Office(office.bench, office.node, desk, office.path, office.key)
