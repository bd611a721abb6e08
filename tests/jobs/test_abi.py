"""Functions as operators write them become call data, or an error that says what is wrong."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as some

from scheduler.chain.model import CallResult
from scheduler.jobs.abi import NotAnAnswer, call_data, taken

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


@given(
    some.booleans(),
    some.binary(max_size=200),
    some.integers(0, 2**256 - 1),
    some.text(max_size=50),
    some.integers(-128, 127),
)
def test_what_an_answer_holds_is_handed_on_as_the_type_that_is_wanted(
    flag: bool, octets: bytes, number: int, text: str, small: int
) -> None:
    types = ["bool", "bytes", "uint256", "string", "int8", "address", "bytes4"]
    values = (flag, octets, number, text, small, ADDRESS, b"abcd")
    answer = CallResult(True, encode(types, values))
    for index, (type_, value) in enumerate(zip(types, values, strict=True)):
        assert taken(answer, index, type_) == value
        handed_on = call_data(f"act({type_})", [taken(answer, index, type_)])
        assert handed_on == keccak(text=f"act({type_})")[:4] + encode([type_], [value])


@pytest.mark.parametrize(
    ("result", "index", "type_"),
    [
        (CallResult(False, b"", error="no price"), 0, "bytes"),
        (CallResult(True, encode(["bool"], [True])), 1, "uint256"),
        (CallResult(True, encode(["uint256"], [300])), 0, "uint8"),
        (CallResult(True, encode(["uint256"], [2**255])), 0, "bytes"),
        (CallResult(True, encode(["bytes"], [b"x" * 40])[:-32]), 0, "bytes"),
        (CallResult(True, encode(["bytes"], [b"\xff"])), 0, "string"),
    ],
)
def test_what_an_answer_does_not_hold_is_no_argument(
    result: CallResult, index: int, type_: str
) -> None:
    with pytest.raises(NotAnAnswer):
        taken(result, index, type_)
