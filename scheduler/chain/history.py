"""The logs of a range of blocks, whatever its length: in chunks, each asked when it is wanted."""

from collections.abc import AsyncGenerator, Mapping

from scheduler.chain import codec
from scheduler.chain.connection import Connection
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.jsonrpc import Json
from scheduler.chain.model import LogChunk
from scheduler.chain.strides import Strides


async def chunks(
    connection: Connection, wanted: Mapping[str, Json], first: int, last: int
) -> AsyncGenerator[LogChunk, None]:
    """What `eth_getLogs` finds of `wanted` in the blocks from `first` to `last`, oldest first.

    Nodes bound the blocks, the logs or the time of one question, each in its own words: whatever
    they refuse is asked in shorter ones. Raises RpcError where they refuse a single block, and
    NodeUnavailable.
    """
    strides = Strides(first, last)
    while not strides.over:
        start, end = strides.question
        blocks = {"fromBlock": hex(start), "toBlock": hex(end)}
        try:
            answer = await connection.request("eth_getLogs", {**wanted, **blocks})
        except (RpcError, NodeUnavailable) as error:
            took_too_long = isinstance(error.__cause__, TimeoutError)
            if (isinstance(error, RpcError) or took_too_long) and strides.refused():
                continue
            raise
        logs = connection.understand(lambda found: [codec.log(log) for log in found], answer)
        strides.answered(len(logs))
        chunk = LogChunk(end, logs)
        # Nothing of it is kept here while the next one is read.
        del answer, logs
        yield chunk
        del chunk
