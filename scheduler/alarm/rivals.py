"""What others are about to do to calls, as far as the node's pool shows it."""

from scheduler.chain.errors import RpcError
from scheduler.chain.model import Address
from scheduler.chain.protocol import Chain


async def rivals(chain: Chain, us: Address, selector: bytes) -> set[Address | None]:
    """The calls for which the pool shows another's transaction with this function, that would be
    mined next. Raises NodeUnavailable.

    It is up to 2 s old on geth. A node that does not show it hides no more than one whose pool did
    not hear of them yet.
    """
    try:
        pending = await chain.pending()
    except RpcError:
        return set()
    return {
        sent.to
        for (sender, _), sent in pending.items()
        if sender != us and sent.data[:4] == selector
    }
