"""The value that names a chain in keys, slots, locks and leases."""

import hashlib

from scheduler.chain.errors import FirstBlockMissing
from scheduler.chain.protocol import Chain


async def fingerprint(chain: Chain, development: bool) -> str:
    """16 hex characters that are the same for ever on this chain, and different on any other.

    A development chain that was reset may keep its chain id and genesis (geth --dev does), so block
    1, which carries the first deployment there, belongs to what it is. Raises FirstBlockMissing
    while there is none, NodeUnavailable, RpcError.
    """
    identity = await chain.identity()
    parts = [str(identity.chain_id), identity.genesis]
    if development:
        first = await chain.block(1)
        if first is None:
            raise FirstBlockMissing("the development chain has no block 1 yet")
        parts.append(first.hash)
    return hashlib.sha256(":".join(parts).encode()).hexdigest()[:16]
