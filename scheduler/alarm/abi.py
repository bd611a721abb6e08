"""What all versions of the contracts are spoken to with: selectors, topics, words."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from scheduler.chain.model import Address, Call, CallResult, Hash

EXECUTE = keccak(text="execute()")[:4]
CLAIM = keccak(text="claim()")[:4]
CANCEL = keccak(text="cancel()")[:4]


class NotThisContract(Exception):
    """The address does not answer as a contract of this version does."""


@cache
def selector(signature: str) -> bytes:
    """The first four bytes of call data of the function with this signature."""
    return keccak(text=signature)[:4]


def topic(signature: str) -> Hash:
    """The first topic of the event with this signature."""
    return "0x" + keccak(text=signature).hex()


def getter(contract: Address, signature: str) -> Call:
    """A view without arguments."""
    return Call(contract, selector(signature))


def integer(result: CallResult) -> int:
    """Raises NotThisContract."""
    found = value("uint256", result)
    assert isinstance(found, int)
    return found


def says_yes(result: CallResult) -> bool:
    """Whether it is a view's answer of true; no answer is none."""
    try:
        return bool(value("bool", result))
    except NotThisContract:
        return False


def address(result: CallResult) -> Address:
    """Raises NotThisContract."""
    return str(value("address", result))


def value(type_: str, result: CallResult) -> object:
    """The one value of this type that a view answered. Raises NotThisContract."""
    return values([type_], result)[0]


def values(types: Sequence[str], result: CallResult) -> tuple[Any, ...]:
    """What a view answered. Raises NotThisContract."""
    if not result.ok:
        raise NotThisContract(result.error or "the call reverted")
    return decoded(types, result.data)


def decoded(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Raises NotThisContract where the data is not of these types."""
    try:
        return tuple(decode(types, data))
    except DecodingError as error:
        raise NotThisContract(str(error)) from error
