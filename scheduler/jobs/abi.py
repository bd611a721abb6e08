"""Functions and events by their signatures, as bytes; answers as words of 32 bytes."""

from collections.abc import Sequence
from functools import cache
from typing import TypeAlias

from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError, ParseError
from eth_abi.grammar import BasicType, TupleType, parse
from eth_utils.crypto import keccak

from scheduler.chain.model import CallResult, Hash

Argument: TypeAlias = str | int | bool

WORD = 32


class NotAnAnswer(Exception):
    """A call failed, or answered less than was asked for. The message is the node's reason."""


def selector(signature: str) -> bytes:
    """The first four bytes of call data, for a signature such as "poke()"."""
    return keccak(text=signature)[:4]


@cache
def topic(signature: str) -> Hash:
    """An event's topic 0, for a signature such as "LogValue(bytes32)"."""
    return "0x" + keccak(text=signature).hex()


def call_data(signature: str, arguments: Sequence[Argument]) -> bytes:
    """Raises ValueError where the signature is none, or the arguments are not as it has them.

    Text for bytesN is hex with 0x, or else ASCII, filled with zeros as Solidity does.
    """
    types = _types(signature)
    if len(types) != len(arguments):
        raise ValueError(f"{signature} takes {len(types)} arguments, not {len(arguments)}")
    values = [_fitting(type_, value) for type_, value in zip(types, arguments, strict=True)]
    try:
        return selector(signature) + encode(
            [f"{each.base}{each.sub or ''}" for each in types], values
        )
    except (EncodingError, ValueError) as error:
        raise ValueError(f"{signature} does not take {list(arguments)}: {error}") from error


def word(result: CallResult, index: int) -> int:
    """The word with this number in an answer, as an unsigned integer. Raises NotAnAnswer."""
    if not result.ok:
        raise NotAnAnswer(result.error or "the call reverted")
    found = result.data[index * WORD : (index + 1) * WORD]
    if len(found) < WORD:
        raise NotAnAnswer(f"it answered {len(result.data)} bytes; is there such a contract?")
    return int.from_bytes(found, "big")


def number(value: Argument) -> int:
    """A value as the word that it is in an answer. Raises ValueError for text that is not hex."""
    return int(value, 16) if isinstance(value, str) else int(value)


def _types(signature: str) -> Sequence[BasicType]:
    name, parenthesis, _ = signature.partition("(")
    if not name.isidentifier() or not parenthesis:
        raise ValueError(f"{signature!r} is no signature; write one such as poke() or sum(uint256)")
    types = signature[len(name) :]
    if types == "()":
        return ()
    try:
        parsed = parse(types)
    except ParseError as error:
        raise ValueError(f"{signature!r} is no signature: {types} are no types") from error
    if not isinstance(parsed, TupleType) or any(
        not isinstance(each, BasicType) or each.is_array for each in parsed.components
    ):
        raise ValueError(f"{signature!r}: arguments that are lists or tuples are not supported")
    return tuple(parsed.components)


def _fitting(type_: BasicType, value: Argument) -> object:
    """A value as eth_abi takes it for this type."""
    if type_.base != "bytes" or not isinstance(value, str):
        return value
    content = bytes.fromhex(value[2:]) if value.startswith("0x") else value.encode("ascii")
    size = int(type_.sub) if type_.sub else len(content)
    return content.ljust(size, b"\0")
