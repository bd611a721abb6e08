"""What differs between kinds of nodes in how they are to be asked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of node wants its requests.

    `batch_limit` is the most requests in one message. `require_canonical` is what goes with a
    block's hash where state is read at it (EIP-1898), None for nothing: geth and anvil read the
    state of that very block in any case. `runs_code` says that an `eth_call` without recipient runs
    its data as creation code, and answers what that reverts with.
    """

    batch_limit: int
    require_canonical: str | None = None
    runs_code: bool = True


# geth itself takes 1,000 requests (--rpc.batch-request-limit), public endpoints often 100.
GETH = Dialect(batch_limit=100)

# rskj refuses larger batches (max_batch_requests_size of its reference.conf). Asked for the state
# at a block's hash, it reads that of the canonical block with the same number, unless this string,
# which geth would not take for a truth value (rskj's BlockRefParam, Web3Impl.invokeByBlockRef).
# Whether it runs code that is nowhere was not measured.
RSKJ = Dialect(batch_limit=50, require_canonical="true", runs_code=False)


def dialect_of(kind: str) -> Dialect:
    """The dialect of a network's kind of node, as networks.toml names it."""
    return RSKJ if kind == "rskj" else GETH
