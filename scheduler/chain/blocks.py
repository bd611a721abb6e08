"""Reading blocks by number or hash."""

from collections.abc import Sequence

from scheduler.chain import codec
from scheduler.chain.connection import Connection
from scheduler.chain.jsonrpc import Json, Request
from scheduler.chain.model import Hash, Head


def block_request(which: int | Hash | None) -> Request:
    """Asks for the block with this number or hash, or for the latest, without transactions."""
    if isinstance(which, int):
        return Request("eth_getBlockByNumber", (hex(which), False))
    if which is None:
        return Request("eth_getBlockByNumber", ("latest", False))
    return Request("eth_getBlockByHash", (which, False))


async def blocks(connection: Connection, which: Sequence[int | Hash | None]) -> list[Head | None]:
    """The blocks with these numbers or hashes, the latest for None; None where there is none.

    Raises RpcError, NodeUnavailable.
    """
    answers = await connection.read([block_request(one) for one in which])
    return [connection.understand(_block, answer) for answer in answers]


def _block(answer: Json) -> Head | None:
    return None if answer is None else codec.head(answer)
