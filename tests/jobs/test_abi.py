"""Functions as operators write them become call data, or an error that says what is wrong."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from scheduler.jobs.abi import call_data

ADDRESS = "0x" + "ab" * 20


@pytest.mark.parametrize(
    ("signature", "arguments", "values"),
    [
        ("poke()", (), ()),
        ("run(uint256)", (25,), (25,)),
        ("set(int8,bool)", (-3, True), (-3, True)),
        ("pay(address,uint128)", (ADDRESS, 7), (ADDRESS, 7)),
        ("evalBucket(bytes32)", ("X2",), (b"X2".ljust(32, b"\0"),)),
        ("evalBucket(bytes32)", ("0x5832",), (b"X2".ljust(32, b"\0"),)),
        ("perform(bytes)", ("0x",), (b"",)),
        ("say(string)", ("hello",), ("hello",)),
    ],
)
def test_arguments_are_encoded_as_their_types_want(
    signature: str, arguments: tuple[object, ...], values: tuple[object, ...]
) -> None:
    types = [each for each in signature.partition("(")[2][:-1].split(",") if each]
    expected = keccak(text=signature)[:4] + encode(types, values)
    assert call_data(signature, arguments) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("signature", "arguments", "reason"),
    [
        ("poke", (), "is no signature"),
        ("po ke()", (), "is no signature"),
        ("run(uint256", (1,), "is no signature"),
        ("run(number)", (1,), "number"),
        ("run(uint256)", (), "takes 1 arguments, not 0"),
        ("run(uint8)", (256,), "does not take"),
        ("run(uint256)", ("many",), "does not take"),
        ("pay(address)", ("0x12",), "does not take"),
        ("evalBucket(bytes32)", ("x" * 33,), "does not take"),
        ("run(uint256[])", (1,), "not supported"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    signature: str, arguments: tuple[object, ...], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        call_data(signature, arguments)  # type: ignore[arg-type]
