"""Reading what tells one chain from another."""

from typing import NamedTuple

from scheduler.chain import codec
from scheduler.chain.blocks import block_request
from scheduler.chain.connection import Connection
from scheduler.chain.errors import RpcError
from scheduler.chain.jsonrpc import Request
from scheduler.chain.model import Hash


class Landmarks(NamedTuple):
    """A chain's id and the hashes of its blocks 0 and 1.

    A development node that was reset may keep all but the first block (geth --dev); `first` is
    None where there is none yet, or where the node does not keep it.
    """

    chain_id: int
    genesis: Hash
    first: Hash | None

    def differ(self, other: "Landmarks") -> bool:
        """Whether these are certainly two chains."""
        known = self.first is not None and other.first is not None
        return self[:2] != other[:2] or (known and self.first != other.first)


async def landmarks(connection: Connection) -> Landmarks:
    """The landmarks of the chain that the node serves now. Raises RpcError, NodeUnavailable."""
    chain_id, genesis, first = await connection.batch(
        [Request("eth_chainId"), block_request(0), block_request(1)]
    )
    if isinstance(chain_id, RpcError):
        raise chain_id
    if isinstance(genesis, RpcError):
        # A geth that prunes old history (1.16: --history.chain postmerge) keeps the headers only.
        genesis = await connection.request("eth_getHeaderByNumber", "0x0")
    return Landmarks(
        connection.understand(codec.quantity, chain_id),
        connection.understand(lambda block: codec.head(block).hash, genesis),
        None
        if first is None or isinstance(first, RpcError)
        else connection.understand(codec.head, first).hash,
    )
