"""Which node a plan means: the first of its endpoints that can be worked with."""

from dataclasses import dataclass

from scheduler.chain.blocksage import BlockSage
from scheduler.chain.connection import Connection, connect
from scheduler.chain.dialect import dialect_of
from scheduler.chain.endpoint import Endpoint
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.model import Address, Head
from scheduler.chain.node import JsonRpcNode
from scheduler.errors import Misconfigured, NotYet
from scheduler.networks import Network, network_of, networks
from scheduler.plan import Plan
from scheduler.spelling import speak_of


@dataclass(frozen=True, slots=True)
class Reached:
    """A node that can be worked with, what its chain is, and its latest block."""

    node: JsonRpcNode
    chain_id: int
    network: Network
    head: Head


async def account_of(plan: Plan, node: JsonRpcNode) -> Address:
    """The node's account that signs for the plan, which has no key of its own.

    Raises NotYet where the node does not have it, NodeUnavailable, RpcError.
    """
    wanted, accounts = plan.account, await node.accounts()
    if wanted is None and not accounts:
        raise NotYet(
            "the node has no account to sign with; make one there and unlock it, or use "
            'signer = "keystore"'
        )
    if wanted is not None and wanted not in accounts:
        raise NotYet(
            f"the node does not have the account {wanted}; unlock it there, correct account "
            'in the configuration, or use signer = "keystore"'
        )
    return wanted or accounts[0]


class Reach:
    """The nodes of a plan, in the order of preference; a node that may report its new blocks by a
    way of its own, which the plan does not name, is tried that way first."""

    def __init__(self, plan: Plan) -> None:
        """Raises Misconfigured for an endpoint that can be none."""
        self._plan = plan
        # With each, whether the plan names it.
        self._connections: list[tuple[Connection, bool]] = []
        try:
            for each in (plan.endpoint, *plan.fallbacks):
                reporting = Endpoint.parse(each).reporting
                if reporting is not None:
                    self._connections.append((connect(reporting), False))
                self._connections.append((connect(each), True))
        except ValueError as error:
            raise Misconfigured(f"rpc-url: {error}") from error

    @property
    def has_others(self) -> bool:
        """Whether there is another way, to this node or to another, when one is away."""
        return len(self._connections) > 1

    async def node(self) -> Reached:
        """The first that can be worked with.

        Raises NodeUnavailable, NotYet, RpcError as the one says that is the most worth telling.
        """
        failures: list[NodeUnavailable | NotYet | RpcError] = []
        for connection, is_named in self._connections:
            node = JsonRpcNode(connection)
            try:
                return await self._ready(node)
            except (NodeUnavailable, NotYet, RpcError) as error:
                # What nobody asked for may fail in silence.
                if is_named:
                    failures.append(error)
                await node.close()
        # What a node answers is the operator's to mend, more than that another one is away.
        raise next((each for each in failures if isinstance(each, NotYet)), failures[0])

    async def _ready(self, node: JsonRpcNode) -> Reached:
        identity = await node.identity()
        network = self.network(identity.chain_id)
        speak_of(identity.chain_id)
        node.sage = BlockSage(base=network.block_time)
        node.speak(dialect_of(network.node))
        if await node.syncing():
            raise NotYet("the node is syncing; work begins when it has caught up")
        head = await node.block()
        if head is None:
            raise NotYet("the node has no block yet; work begins when it has one")
        return Reached(node, identity.chain_id, network, head)

    def network(self, chain_id: int) -> Network:
        """The network with this chain id. Raises NotYet where the plan means another."""
        name, wanted = self._plan.network, self._plan.chain_id
        if wanted not in (None, chain_id):
            raise NotYet(
                f"the node serves chain id {chain_id}, but the configuration says {wanted}; start "
                "the right node, or correct chain_id or uri in the configuration"
            )
        if name is None:
            return network_of(chain_id)
        network = networks()[name]
        if chain_id not in network.chain_ids:
            raise NotYet(
                f"the node serves chain id {chain_id}, but the network {name} has "
                f"{' or '.join(map(str, network.chain_ids))}; start the right node, or correct "
                "network or rpc-url in the configuration"
            )
        return network
