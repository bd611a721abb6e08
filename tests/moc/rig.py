"""The seven jobs in this process on the real contracts; see tests.jobs.rig."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scheduler.devchain.moc import MocDeployment, deploy_moc
from scheduler.devchain.moc_contracts import call_data
from scheduler.devchain.moc_market import LIQUIDATION_PRICE, Market
from scheduler.devchain.nodes import Node
from scheduler.moc.jobs import TASKS, Contracts, Deployment, Task
from tests.jobs import rig
from tests.jobs.rig import CONFIRMATIONS, Program, program

__all__ = ["CONFIRMATIONS", "Program", "World", "calls", "deployment_of", "program"]


class World(rig.World):
    """A chain with one deployment of Money on Chain, seeded."""

    def __init__(self, node: Node, generation: str = "moc_base", proxied: bool = False) -> None:
        super().__init__(node)
        self.at = deploy_moc(self.endpoint, generation, proxied=proxied)
        self.market = Market(self.endpoint, self.at)
        self.market.seed()
        self.quiet()

    @contextmanager
    def instantly(self) -> Iterator[Market]:
        """What the market is told within is mined at once, each in a block of its own."""
        self.request("evm_setAutomine", True)
        try:
            yield self.market
        finally:
            self.request("evm_setAutomine", False)

    def liquidate_at_any_gas_price(self) -> None:
        """The next block has a price that liquidates all, however dear gas is in it."""
        post = "post(uint128,uint32,address)"
        expiry, medianizer = self.market.now + 10**6, self.at["MoCMedianizer"]
        data = call_data(post, LIQUIDATION_PRICE, expiry, medianizer)
        self.market.wallet.send(self.at["PriceFeed"], data, gas_price=10**12)

    def call_as_rival(self, name: str, signature: str, *values: Any) -> None:
        """Somebody else does a job, in a block of its own."""
        with self.instantly() as market:
            market.wallet.transact(self.at[name], call_data(signature, *values))


def deployment_of(at: MocDeployment, tasks: dict[str, Task] | None = None) -> Deployment:
    """The deployment as the jobs' program knows it."""
    contracts = Contracts(
        moc=at["MoC"],
        state=at["MoCState"],
        inrate=at["MoCInrate"],
        settlement=at["MoCSettlement"],
        medianizer=at["MoCMedianizer"],
    )
    return Deployment(contracts, at.generation, tasks or TASKS)


def calls(world: World) -> list[tuple[int, str]]:
    """What we sent and is mined: the block of each transaction and its job, in their order; of a
    cancellation "", since it calls nothing."""
    jobs = {b"": "", **{job.action.sample: job.name for job in deployment_of(world.at).jobs()}}
    found = []
    for receipt in world.ours():
        sent = world.request("eth_getTransactionByHash", receipt["transactionHash"])
        found.append((int(receipt["blockNumber"], 16), jobs[bytes.fromhex(sent["input"][2:])]))
    return found
