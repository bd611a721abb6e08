"""Walking the index of a Scheduler of v0.6 or v0.7: many calls in one request. Pure.

The index is a list through the contracts: each answers the next one. A program of EVM code follows
it on the node, where a step costs no round trip.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from scheduler.alarm.abi import selector
from scheduler.chain.evm import assemble
from scheduler.chain.model import ZERO_ADDRESS, Address, Call

_STEP_GAS = 2_000_000
"""Gas of one question: in an index of 100,000 calls, a tree in the original, a step reads some
dozens of words, of 2,100 gas each. One that fails the old way burns all of it."""

_NEXT_CALL = selector("getNextCall(uint256)")
_SIBLING = selector("getNextCallSibling(address)")
_TARGET = selector("targetBlock()")

# Behind the program are the Scheduler (a word) and the first question's call data (36 bytes). Two
# words are answered for each call, itself and its target; a zero where the index has no more. An
# answer without that ends where gas runs short, or a question failed.
_WALK = assemble(
    f"""
        32 @end 0 CODECOPY          ; at 0: the Scheduler
        36 32 @end ADD 100 CODECOPY ; at 100: what it is asked
        160 32 MSTORE               ; at 32: where the answer goes on; it begins at 160
    step:
        {2 * _STEP_GAS + _STEP_GAS // 10} GAS GT @ask JUMPI
    out:
        160 32 MLOAD SUB 160 REVERT
    ask:
        32 32 MLOAD 36 100 0 MLOAD {_STEP_GAS} STATICCALL
        31 RETURNDATASIZE GT AND ISZERO @out JUMPI
        32 MLOAD MLOAD              ; the call
        DUP1 ISZERO @last JUMPI
        0x{_TARGET.hex()} 72 MSTORE ; its last 4 bytes are at 100
        32 32 MLOAD 32 ADD 4 100 DUP5 {_STEP_GAS} STATICCALL
        31 RETURNDATASIZE GT AND ISZERO @out JUMPI
        0x{_SIBLING.hex()} 72 MSTORE
        104 MSTORE
        64 32 MLOAD ADD 32 MSTORE
        @step JUMP
    last:
        32 32 MLOAD ADD 32 MSTORE
        @out JUMP
    """
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Calls with their targets, in the order of the index; `ends` where there are no more."""

    calls: Sequence[tuple[Address, int]]
    ends: bool


def first_call(contract: Address, block: int) -> Call:
    """Asks for the first call whose target is this block or later."""
    return Call(contract, _NEXT_CALL + encode(["uint256"], [block]))


def call_after(contract: Address, call: Address) -> Call:
    """Asks for the call that follows another."""
    return Call(contract, _SIBLING + encode(["address"], [call]))


def walk_from(question: Call) -> bytes:
    """Code that walks on from one of the questions above, as far as one request can."""
    return _WALK + encode(["address"], [question.to]) + question.data


def walked(answer: bytes) -> Stretch:
    """What that code answered."""
    words = [answer[at : at + 32] for at in range(0, len(answer) - 31, 32)]
    calls = [
        ("0x" + call[12:].hex(), int.from_bytes(target, "big"))
        for call, target in zip(words[::2], words[1::2], strict=False)
    ]
    return Stretch(calls, ends=len(words) % 2 == 1 and _address(words[-1]) == ZERO_ADDRESS)


def _address(word: bytes) -> Address:
    return "0x" + word[12:].hex()
