"""A scheduler in this process on a real chain, which is shown the chain's heads by the test.

Everything is real: node, contracts, journal, sender. What the supervised program leaves to time,
when a block is mined and when its head is seen, the test decides.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from scheduler.alarm.claiming import Draw, Policy
from scheduler.alarm.claims import Claims
from scheduler.alarm.drafts import NAME
from scheduler.alarm.family import AlarmClock
from scheduler.alarm.leftovers import Leftovers
from scheduler.alarm.rules import rules
from scheduler.alarm.v07 import V07
from scheduler.alarm.version import Version
from scheduler.chain.connection import Connection, connect
from scheduler.chain.dialect import GETH, RSKJ
from scheduler.chain.endpoint import Endpoint
from scheduler.chain.errors import NodeUnavailable
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.heads import HeadTracker
from scheduler.chain.jsonrpc import Json
from scheduler.chain.model import CallResult, Hash, Head
from scheduler.chain.node import JsonRpcNode
from scheduler.chain.transport_ipc import IpcTransport
from scheduler.devchain.accounts import Wallet
from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.scheduling import (
    CallRequest,
    ScheduledCall,
    scheduled_by,
    send_schedule,
)
from scheduler.transactions.desk import Desk
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.flow import Flow
from scheduler.transactions.guard import Guard
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.purse import NO_BUDGET
from scheduler.transactions.rules import RuleBook
from scheduler.transactions.signers import NodeSigner
from tests.devchain.alarm import Alarm
from tests.rskj.server import StandIn
from tests.seeing import Seeing

CONFIRMATIONS = 2
EXECUTE = keccak(text="execute()")[:4]


class CountingTransport(IpcTransport):
    """Counts the messages that go to the node, and the requests in them."""

    messages = 0
    requests = 0

    async def exchange(self, body: bytes, ids: Sequence[int], repeatable: bool) -> list[Any]:
        self.messages += 1
        self.requests += len(ids)
        return await super().exchange(body, ids, repeatable)


class FailingNode(JsonRpcNode):
    """A real node whose connection breaks at the read of state that the test says."""

    reads_before_failure: int | None = None

    async def _call(self, messages: Sequence[Json], at: Hash) -> list[CallResult]:
        if self.reads_before_failure is not None and messages:
            if self.reads_before_failure == 0:
                self.reads_before_failure = None
                raise NodeUnavailable("the connection broke")
            self.reads_before_failure -= 1
        return await super()._call(messages, at)


class World:
    """The chain as all the others see and change it; blocks are mined by the test alone."""

    def __init__(self, chain: DevelopmentChain) -> None:
        self.alarm = Alarm(chain)
        self.chain = chain
        self.request = chain.endpoint.request
        self.counter = chain.deployment.counter
        self.reverter = chain.deployment.reverter
        self.customer = self.alarm.customer
        self.rival = self.alarm.executor
        self._forks = 0

    @property
    def head(self) -> int:
        return self.alarm.head

    def mine(self, blocks: int = 1) -> None:
        """So many blocks more; geth makes its blocks itself."""
        if blocks and self.chain.node.kind == "anvil":
            self.request("anvil_mine", hex(blocks))

    def mine_to(self, block: int) -> None:
        """Mines until `block` is the head."""
        assert block >= self.head
        self.mine(block - self.head)

    def schedule(self, *targets: int, **request: Any) -> list[ScheduledCall]:
        """Schedules calls with these targets, all in the next block, which it mines."""
        gas_price = request.pop("gas_price", None)
        endowment = request.pop("endowment", None)
        contract = self.chain.deployment.scheduler
        requests = [
            CallRequest(**{"to": self.counter, "target_block": target, **request})
            for target in targets
        ]
        sent = [
            send_schedule(self.customer, contract, item, gas_price=gas_price, endowment=endowment)
            for item in requests
        ]
        self.mine()
        return [
            scheduled_by(self.customer, contract, item, hash_)
            for item, hash_ in zip(requests, sent, strict=True)
        ]

    def send(self, wallet: Wallet, call: ScheduledCall, function: str, **fields: Any) -> str:
        """Sends a call contract a transaction for the next block, as `wallet` would."""
        return wallet.send(call.address, keccak(text=function)[:4], gas=400_000, **fields)

    def rival_executes(self, call: ScheduledCall, gas_price: int | None = None) -> str:
        return self.send(self.rival, call, "execute()", gas_price=gas_price)

    def claim(self, call: ScheduledCall, wallet: Wallet) -> None:
        """`wallet` claims the call in the next block, which it mines."""
        self.send(wallet, call, "claim()", value=10**16)
        self.mine()
        assert self.alarm.view(call.address, "claimer()", "address") == wallet.address

    def claim_as(self, account: str, call: ScheduledCall) -> None:
        """The node's own account claims the call in the next block, which it mines."""
        data = "0x" + keccak(text="claim()")[:4].hex()
        fields = {"from": account, "to": call.address, "data": data, "gas": hex(400_000)}
        self.request("eth_sendTransaction", {**fields, "value": hex(10**16)})
        self.mine()
        assert self.alarm.view(call.address, "claimer()", "address") == account

    def make_claimed(self, call: ScheduledCall, claimer: str | None) -> None:
        """Writes a claimer into the call's storage, where no transaction could put it any more.

        Slot 8 of FutureCall holds requiredStackDepth (16 bits, 10) and, packed above it, claimer.
        """
        word = int(claimer or "0x0", 16) << 16 | 10
        self.request("anvil_setStorageAt", call.address, f"0x{8:064x}", f"0x{word:064x}")
        found = int(self.alarm.view(call.address, "claimer()", "address"), 16)
        assert found == int(claimer or "0x0", 16)

    def snapshot(self) -> str:
        return str(self.request("evm_snapshot"))

    def reorg(self, snapshot: str) -> None:
        """Takes out all blocks since the snapshot; those mined from now on have other hashes."""
        assert self.request("evm_revert", snapshot)
        self.request("anvil_dropAllTransactions")
        self._forks += 1
        self.request("anvil_setCoinbase", f"0x{self._forks:040x}")

    def hits(self, call: ScheduledCall) -> int:
        """How often the counter was called by this call."""
        return int(self.alarm.view(self.counter, "hits(address)", "uint256", call.address))

    def executions(self, call: ScheduledCall, account: str) -> list[tuple[int, str]]:
        """In which blocks this account's transactions to the call are, and their hashes."""
        found = []
        for number in range(call.scheduled_in, self.head + 1):
            block = self.request("eth_getBlockByNumber", hex(number), True)
            found += [
                (number, transaction["hash"])
                for transaction in block["transactions"]
                if transaction["to"] == call.address and transaction["from"] == account
            ]
        return found

    def transactions(self, account: str) -> int:
        """How many transactions of the account are mined or pending."""
        return self.chain.endpoint.number("eth_getTransactionCount", account, "pending")


class Program(Seeing):
    """What the supervised scheduler is made of; `see` shows it the present head."""

    slot_time = 1
    policy = FeePolicy()
    # How calls are claimed; None for not at all.
    claiming: Policy | None = None
    # Decides by chance; the least number makes each claim that can be made.
    draw: Draw = staticmethod(lambda call, block: 0)
    # Whether calls that nobody executed are cleaned up.
    cleans = False
    budget = NO_BUDGET

    def __init__(
        self, world: World, transport: CountingTransport, node: FailingNode, journal: Journal,
        path: Path, chain: str, us: str | None = None,
    ) -> None:  # fmt: skip
        self.world = world
        self.transport = transport
        self.node = node
        self.journal = journal
        self.path = path
        self.us = us or world.chain.account
        self.chain = chain
        self.account = Account(chain, self.us)
        self.versions: Sequence[Version] = [V07(node, world.chain.deployment.scheduler)]
        self.restart()

    def restart(self) -> None:
        """Begins anew with nothing but the journal."""
        families = [
            AlarmClock(
                self.node, version, self.chain, self.us, self.slot_time, self.claims(),
                Leftovers(self.node, self.us, self.draw if self.cleans else None),
            )
            for version in self.versions
        ]  # fmt: skip
        self.family = families[0]
        chain_id = self.world.chain.deployment.chain_id
        guard = Guard(
            NodeSigner(self.node, self.us), self.node, RuleBook({NAME: rules(10**18)}), self.journal
        )
        self.desk = Desk(
            self.node, chain_id, self.account, guard, self.journal, self.policy, families,
            budget=self.budget, slot_time=self.slot_time,
        )  # fmt: skip
        self.flow = Flow(self.desk, CONFIRMATIONS)
        self.tracker = HeadTracker()

    def claims(self) -> Claims | None:
        if self.claiming is None:
            return None
        return Claims(self.node, self.us, self.claiming, self.draw, self.slot_time)

    async def watch_to(self, block: int) -> None:
        """Mines and sees one block after the other until `block` is the head."""
        while self.world.head < block:
            self.world.mine()
            await self.see()

    async def jump_to(self, block: int) -> None:
        """Mines until `block` is the head, and sees them all at once."""
        self.world.mine_to(block)
        await self.see()

    def serve(self, *versions: Version) -> None:
        """Begins anew with these contracts."""
        self.versions = versions
        self.restart()

    def due(self, head: Head) -> list[str]:
        """The calls that are due in the block after `head`."""
        return [str(intent.params["call"]) for intent in self.family.due(head)]

    def outcomes(self) -> Mapping[str, int]:
        """What the journal says became of what was sent, by kind."""
        return self.journal.outcome_counts(self.chain)


@asynccontextmanager
async def program(
    world: World, directory: Path, rskj: StandIn | None = None, us: str | None = None
) -> AsyncIterator[Program]:
    """A scheduler with a new journal in `directory`; its node is rskj where one is given.

    `us` is its account, or the development chain's own.
    """
    transport = CountingTransport(Endpoint.parse(str(world.chain.node.ipc)), timeout=10.0)
    node = FailingNode(connect(rskj.ws) if rskj else Connection(transport))
    node.speak(RSKJ if rskj else GETH)
    path = directory / "journal.db"
    journal = Journal.open(path)
    chain = await fingerprint(node, development=True)
    us = us or world.chain.account
    journal.admit(Account(chain, us), accounted=world.transactions(us))
    try:
        yield Program(world, transport, node, journal, path, chain, us)
    finally:
        journal.close()
        await node.close()
