"""How asking a node can fail: no answer, or an answer that is an error."""

from scheduler.redaction import redacted


class NodeUnavailable(Exception):
    """The node did not answer, or not in a form that can be understood.

    Whatever was asked may or may not have happened: for a transaction that was being sent this
    means "maybe sent". The message names the endpoint without its credentials.
    """


class TooManyRequests(NodeUnavailable):
    """The provider takes no more requests for now (HTTP 429): it handled none of these.

    `retry_after` is for how many seconds, None where it does not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RpcError(Exception):
    """The node answered with an error object (JSON-RPC 2.0, section 5.1).

    Its words may repeat what it was asked with; they come into the log, the sign of life and the
    journal, without secrets.
    """

    def __init__(self, code: int, message: str, data: object = None) -> None:
        message = redacted(message)
        super().__init__(f"{message} (code {code})")
        self.code = code
        self.message = message
        self.data = data


class BatchRefused(RpcError):
    """The node answered one error to a message with several requests: it handled none of them."""


METHOD_NOT_FOUND = -32601


class CannotSimulate(Exception):
    """The node has no way to simulate transactions (rskj, and geth before 1.14.9)."""


class ChainChanged(Exception):
    """The node now serves another chain: another chain id, genesis, or first block.

    A development node that was restarted from scratch, or an endpoint that was pointed elsewhere.
    Whatever is known about the old chain says nothing about the new one.
    """


class NodeGone(Exception):
    """The node has been away for longer than it is waited for: another one may be asked."""


class FirstBlockMissing(Exception):
    """A development chain without its block 1 has no fingerprint yet: wait for it."""
