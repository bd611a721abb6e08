"""The jobs in this process on the real contracts; the tests alone mine blocks, and show them."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from scheduler.chain.connection import Connection, connect
from scheduler.chain.dialect import GETH, RSKJ
from scheduler.chain.endpoint import Endpoint as Target
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.heads import HeadTracker
from scheduler.chain.node import JsonRpcNode
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.moc import MocDeployment, deploy_moc
from scheduler.devchain.moc_contracts import call_data
from scheduler.devchain.moc_market import Market
from scheduler.devchain.nodes import Node
from scheduler.jobs.declaration import Job
from scheduler.jobs.family import families_of
from scheduler.moc.jobs import GENERATIONS, TASKS, Contracts, Deployment, Task
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.flow import Flow
from scheduler.transactions.guard import Guard
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.rules import RuleBook
from scheduler.transactions.sender import Desk
from scheduler.transactions.signers import NodeSigner
from tests.alarm.rig import CountingTransport
from tests.rskj.server import StandIn
from tests.seeing import Seeing

CONFIRMATIONS = 2


class World:
    """A chain with one deployment of Money on Chain, seeded."""

    def __init__(self, node: Node, generation: str = "moc_base", proxied: bool = False) -> None:
        self.node = node
        self.endpoint = Endpoint(node.http)
        self.request = self.endpoint.request
        self.at = deploy_moc(self.endpoint, generation, proxied=proxied)
        self.market = Market(self.endpoint, self.at)
        self.market.seed()
        self.us = str(self.request("eth_accounts")[0]).lower()
        # geth's account funded the others.
        self._sent_before = self.sent()
        if node.kind == "anvil":
            # The deployment filled blocks, and so made gas dear.
            if self.request("eth_getBlockByNumber", "latest", False).get("baseFeePerGas"):
                self.request("anvil_setNextBlockBaseFeePerGas", hex(10**9))
            self.request("anvil_mine", "0x1")
            self.request("evm_setAutomine", False)

    @property
    def head(self) -> int:
        return self.endpoint.number("eth_blockNumber")

    def sent(self) -> int:
        """How many transactions of the jobs' account are mined."""
        return self.endpoint.number("eth_getTransactionCount", self.us, "latest")

    def mine(self, blocks: int = 1) -> None:
        self.request("anvil_mine", hex(blocks))

    @contextmanager
    def instantly(self) -> Iterator[Market]:
        """What the market is told within is mined at once, each in a block of its own."""
        self.request("evm_setAutomine", True)
        try:
            yield self.market
        finally:
            self.request("evm_setAutomine", False)

    def call_as_rival(self, name: str, signature: str, *values: Any) -> None:
        """Somebody else does a job, in a block of its own."""
        with self.instantly() as market:
            market.wallet.transact(self.at[name], call_data(signature, *values))

    def ours(self) -> list[dict[str, Any]]:
        """Receipts of all transactions of the jobs' account that are mined, oldest first."""
        found: list[dict[str, Any]] = []
        number = self.head
        missing = self.sent() - self._sent_before
        while len(found) < missing:
            block = self.request("eth_getBlockByNumber", hex(number), True)
            found += [
                self.request("eth_getTransactionReceipt", transaction["hash"])
                for transaction in reversed(block["transactions"])
                if transaction["from"] == self.us
            ]
            number -= 1
        return found[::-1]

    def close(self) -> None:
        self.endpoint.close()


def deployment_of(at: MocDeployment, tasks: dict[str, Task] | None = None) -> Deployment:
    """The deployment as the jobs' program knows it."""
    contracts = Contracts(
        moc=at["MoC"],
        state=at["MoCState"],
        inrate=at["MoCInrate"],
        settlement=at["MoCSettlement"],
        medianizer=at["MoCMedianizer"],
    )
    return Deployment(contracts, GENERATIONS[at.generation], tasks or TASKS)


class Program(Seeing):
    """What the supervised program is made of; `see` shows it the present head."""

    def __init__(
        self,
        world: World,
        transport: CountingTransport | None,
        node: JsonRpcNode,
        journal: Journal,
        chain: str,
        jobs: Sequence[Job],
    ) -> None:
        self.world = world
        self.transport = transport
        self.node = node
        self.journal = journal
        self.chain = chain
        self.account = Account(chain, world.us)
        self.jobs = jobs
        self.chain_id = world.endpoint.number("eth_chainId")
        self.restart()

    def restart(self) -> None:
        """Begins anew with nothing but the journal."""
        self.families = families_of(self.node, self.chain, self.jobs)
        rules = RuleBook({family.name: [family.rule] for family in self.families})
        signer = NodeSigner(self.node, self.world.us)
        self.desk = Desk(
            self.node,
            self.chain_id,
            self.account,
            Guard(signer, self.node, rules, self.journal),
            self.journal,
            FeePolicy(),
            self.families,
        )
        self.flow = Flow(self.desk, CONFIRMATIONS)
        self.tracker = HeadTracker()

    async def live(self, blocks: int) -> None:
        """Sees the present head, and then so many more blocks, one after the other."""
        for _ in range(blocks):
            await self.see_what_is_new()
            self.world.mine()
        await self.see()

    async def see_what_is_new(self) -> None:
        """Sees the present head, unless it was seen."""
        event = await self.event()
        if event is not None:
            await self.flow.on(event)

    def outcomes(self) -> dict[str, int]:
        """What the journal says became of what was sent, by kind."""
        return self.journal.outcome_counts(self.chain)


@asynccontextmanager
async def program(
    world: World,
    directory: Path,
    jobs: Sequence[Job],
    rskj: StandIn | None = None,
    accounted: int = 0,
) -> AsyncIterator[Program]:
    """The jobs with a new journal in `directory`; their node is rskj where one is given.

    `accounted` is how many transactions the account had before.
    """
    transport = None
    if rskj is None:
        transport = CountingTransport(Target.parse(str(world.node.ipc)), timeout=10.0)
    node = JsonRpcNode(Connection(transport) if transport else connect(rskj.ws))  # type: ignore[union-attr]
    node.speak(RSKJ if rskj else GETH)
    journal = Journal.open(directory / "journal.db")
    chain = await fingerprint(node, development=True)
    # Its account is not new to the journal, so nothing keeps the first transaction back.
    journal.admit(Account(chain, world.us), accounted=accounted)
    try:
        yield Program(world, transport, node, journal, chain, jobs)
    finally:
        journal.close()
        await node.close()
