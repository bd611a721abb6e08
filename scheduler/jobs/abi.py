"""Functions and events by their signatures, as bytes; answers as words of 32 bytes."""

from collections.abc import Sequence
from functools import cache
from typing import TypeAlias

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError, ParseError
from eth_abi.grammar import BasicType, TupleType, parse
from eth_utils.crypto import keccak

from scheduler.chain.model import CallResult, Hash

Argument: TypeAlias = str | int | bool

WORD = 32

# By the base of a type: a value of it; of the others, which are numbers, it is 0.
_SOMETHING = {"bytes": b"", "string": "", "bool": False, "address": bytes(20)}


class NotAnAnswer(Exception):
    """A call failed, or answered less than was asked for. The message is the node's reason."""


def selector(signature: str) -> bytes:
    """The first four bytes of call data, for a signature such as "poke()"."""
    return keccak(text=signature)[:4]


@cache
def topic(signature: str) -> Hash:
    """An event's topic 0, for a signature such as "LogValue(bytes32)"."""
    return "0x" + keccak(text=signature).hex()


def types_of(signature: str) -> tuple[str, ...]:
    """The types of a function's arguments. Raises ValueError where the signature is none."""
    return tuple(f"{each.base}{each.sub or ''}" for each in _types(signature))


def call_data(signature: str, arguments: Sequence[Argument | bytes | None]) -> bytes:
    """Raises ValueError where the signature is none, or the arguments are not as it has them.

    Text for bytesN is hex with 0x, or else ASCII, filled with zeros as Solidity does. None is
    something of its type, where only the function matters.
    """
    types = _types(signature)
    if len(types) != len(arguments):
        raise ValueError(f"{signature} takes {len(types)} arguments, not {len(arguments)}")
    values = [_fitting(type_, value) for type_, value in zip(types, arguments, strict=True)]
    try:
        return selector(signature) + encode(types_of(signature), values)
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


def taken(result: CallResult, index: int, type_: str) -> Argument | bytes:
    """What stands at the word with this number in an answer, as an argument of this type.

    Of bytes and string the word says where in the answer they are (Solidity's ABI, "Use of Dynamic
    Types"). Raises NotAnAnswer.
    """
    head, content = word(result, index).to_bytes(WORD, "big"), b""
    if type_ in ("bytes", "string"):
        content = result.data[int.from_bytes(head, "big") :]
        head = WORD.to_bytes(WORD, "big")
    try:
        [value] = decode([type_], head + content)
    except (DecodingError, UnicodeDecodeError) as error:
        raise NotAnAnswer(f"there is no {type_} at word {index} of its answer: {error}") from error
    found: Argument | bytes = value
    return found


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


def _fitting(type_: BasicType, value: Argument | bytes | None) -> object:
    """A value as eth_abi takes it for this type."""
    if value is None:
        return _SOMETHING.get(type_.base, 0)
    if type_.base != "bytes" or not isinstance(value, str):
        return value
    content = bytes.fromhex(value[2:]) if value.startswith("0x") else value.encode("ascii")
    size = int(type_.sub) if type_.sub else len(content)
    return content.ljust(size, b"\0")
