"""How this process writes addresses: as the wallets of the network do that it speaks of.

Inside, every address is in small letters. Rootstock's wallets show the checksum of EIP-1191, which
has the chain id in it; so where text leaves the process, in its log and in what its commands print,
each address in it is written like that. Keys of the journal are names, and stay as they are.
"""

import io
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TextIO

from scheduler.chain.addresses import EIP_1191, checksummed

# An address that is no part of a key (family:kind:chain:contract:…) or of something longer; the
# letter m may be the end of a terminal's colour.
_ADDRESS = re.compile(r"(?:(?<![:\w])|(?<=\dm))0x[0-9a-f]{40}(?!\w|[:-]\w)")

_chain_id: int | None = None


def speak_of(chain_id: int | None) -> None:
    """From now on addresses are those of this chain; None where it is not known."""
    global _chain_id
    _chain_id = chain_id


def spelled(text: str) -> str:
    """`text` with its addresses as the chain's wallets write them; unchanged on most chains."""
    chain_id = _chain_id
    if chain_id not in EIP_1191:
        return text
    return _ADDRESS.sub(lambda found: checksummed(found[0], chain_id), text)


class _Spelled(io.TextIOWrapper):
    """Standard output or error whose addresses are spelled. A text comes in one piece."""

    def write(self, text: str) -> int:
        super().write(spelled(text))
        return len(text)


@contextmanager
def spelled_output() -> Iterator[None]:
    """What is written to standard output and error meanwhile is spelled; of no chain at first."""
    speak_of(None)
    with ExitStack() as wrapped:
        for name in ("stdout", "stderr"):
            wrapped.enter_context(_wrapped(name, getattr(sys, name)))
        yield
    speak_of(None)


@contextmanager
def _wrapped(name: str, stream: TextIO) -> Iterator[None]:
    if not isinstance(stream, io.TextIOWrapper):
        # Of a test, which reads what was printed.
        yield
        return
    stream.flush()
    spelled_stream = _Spelled(
        stream.buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    setattr(sys, name, spelled_stream)
    try:
        yield
    finally:
        # Another is there where nobody reads any more (click.utils.PacifyFlushWrapper).
        if getattr(sys, name) is spelled_stream:
            setattr(sys, name, stream)
            # Else its end would close the original, which tells itself what cannot be written.
            with suppress(OSError):
                spelled_stream.detach()
