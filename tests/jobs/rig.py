"""Jobs in this process on a real node; the tests alone mine blocks, and show them."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from scheduler.agenda import SHOWN, Appointment
from scheduler.chain.connection import Connection, connect
from scheduler.chain.dialect import GETH, RSKJ
from scheduler.chain.endpoint import Endpoint as Target
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.heads import HeadTracker
from scheduler.chain.node import JsonRpcNode
from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.compiler import own_contracts
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.nodes import Node
from scheduler.jobs.abi import call_data, topic
from scheduler.jobs.declaration import Job
from scheduler.jobs.family import families_of, rule_of
from scheduler.transactions.desk import Desk
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.flow import Flow
from scheduler.transactions.guard import Guard
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.rules import RuleBook
from scheduler.transactions.signers import NodeSigner
from tests.alarm.rig import CountingTransport
from tests.rskj.server import StandIn
from tests.seeing import Seeing

CONFIRMATIONS = 2

CONTRACTS = Path(__file__).parent / "contracts"


class World:
    """A chain whose first account is the jobs'. What is set up before `quiet` is mined at once."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.endpoint = Endpoint(node.http)
        self.request = self.endpoint.request
        self.us = str(self.request("eth_accounts")[0]).lower()
        self._sent_before = 0

    def quiet(self) -> None:
        """From now on nothing is mined on anvil but what the test wants."""
        # geth's account funded the others.
        self._sent_before = self.sent()
        if self.node.kind == "anvil":
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


class Keepers(World):
    """The small contracts of this directory, by their names, on an anvil."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.wallet = Wallet(self.endpoint, Role.DEPLOYER)
        self.at = {
            name: self.deployed(artifact.code)
            for name, artifact in own_contracts(CONTRACTS).items()
            if name != "Proxy"
        }
        self.quiet()

    def deployed(self, code: bytes, *arguments: bytes) -> str:
        """A new contract with this creation code and these words for its constructor."""
        receipt = self.wallet.transact(None, b"".join([code, *arguments]))
        return str(receipt["contractAddress"]).lower()

    def proxy_of(self, name: str) -> str:
        """A new proxy in front of this contract."""
        with self.instantly():
            code = own_contracts(CONTRACTS)["Proxy"].code
            return self.deployed(code, bytes.fromhex(self.at[name][2:]).rjust(32, b"\0"))

    def do(self, contract: str, signature: str, *arguments: Any) -> None:
        """Somebody else calls it, in a block of its own."""
        with self.instantly():
            self.wallet.transact(self.at.get(contract, contract), call_data(signature, arguments))

    @contextmanager
    def instantly(self) -> Iterator[None]:
        """What is sent within is mined at once."""
        self.request("evm_setAutomine", True)
        try:
            yield
        finally:
            self.request("evm_setAutomine", False)

    def effects(self, contract: str, event: str) -> list[int]:
        """The blocks in which transactions of ours had this effect."""
        return [
            int(receipt["blockNumber"], 16)
            for receipt in self.ours()
            for log in receipt["logs"]
            if (log["address"], log["topics"][0]) == (self.at[contract], topic(event))
        ]


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
        self.families = families_of(self.node, self.chain, self.jobs, self.world.us)
        for family in self.families:
            family.resume(self.journal)
        rules = RuleBook({family.name: [rule_of(family.job)] for family in self.families})
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

    def agenda(self) -> list[Appointment]:
        """What is known to be due, as the program tells it."""
        return [each for family in self.families for each in family.agenda(SHOWN)]

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
    way: str = "ws",
) -> AsyncIterator[Program]:
    """The jobs with a new journal in `directory`; their node is rskj where one is given, reached by
    `way`: ws or http.

    `accounted` is how many transactions the account had before.
    """
    transport = None
    if rskj is None:
        transport = CountingTransport(Target.parse(str(world.node.ipc)), timeout=10.0)
    connection = Connection(transport) if transport else connect(getattr(rskj, way))
    node = JsonRpcNode(connection)
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
