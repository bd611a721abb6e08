"""Many views in one request: packed behind a program that asks them all, and unpacked. Pure.

Measured beside a batch of as many requests, 5 words of each of 1,000 contracts: 29 ms instead of
118 on geth 1.16.7.
"""

from collections.abc import Iterator, Sequence

from scheduler.chain.evm import MOST_CODE, assemble
from scheduler.chain.model import Address, Call, CallResult

VIEW_GAS = 1_000_000
"""Gas of a packed view: some hundred words of storage. One that fails the old way (solc before
0.4.10: an invalid jump) burns all of it, and what it burns the others do not get."""

WORTH_PACKING = 4
"""Fewer views than this are asked one by one."""

# A view is its contract (20 bytes), the length of its call data (2), and the call data. Answered
# are, one behind the other, for each: 1 or 0 for success, the length of its return data (4), and
# the return data. Where gas runs short, the answer ends with the last view that was asked.
_VIEWS = assemble(
    f"""
        @end 0 MSTORE           ; at 0: where the next view is
        64 32 MSTORE            ; at 32: where the answer goes on; it begins at 64
    next:
        CODESIZE 0 MLOAD LT
        {VIEW_GAS + VIEW_GAS // 10} GAS GT AND
        @ask JUMPI
        64 32 MLOAD SUB 64 REVERT
    ask:
        22 0 MLOAD 32 MLOAD CODECOPY
        32 MLOAD MLOAD
        DUP1 80 SHR 0xffff AND
        SWAP1 96 SHR            ; length, contract
        0 MLOAD 22 ADD          ; length, contract, where the call data is
        DUP3 DUP2 32 MLOAD CODECOPY
        DUP3 ADD 0 MSTORE       ; length, contract
        0 0 DUP4 32 MLOAD DUP5 {VIEW_GAS} STATICCALL
        32 MLOAD MSTORE8
        POP POP
        RETURNDATASIZE 224 SHL 1 32 MLOAD ADD MSTORE
        RETURNDATASIZE 0 5 32 MLOAD ADD RETURNDATACOPY
        RETURNDATASIZE 5 ADD 32 MLOAD ADD 32 MSTORE
        @next JUMP
    """
)

# Accounts of 20 bytes; a word for each.
_BALANCES = assemble(
    """
        @end 0 MSTORE           ; at 0: where the next account is
        64 32 MSTORE            ; at 32: where the answer goes on; it begins at 64
    next:
        CODESIZE 0 MLOAD LT @read JUMPI
        64 32 MLOAD SUB 64 REVERT
    read:
        20 0 MLOAD 32 MLOAD CODECOPY
        32 MLOAD MLOAD 96 SHR BALANCE
        32 MLOAD MSTORE
        20 0 MLOAD ADD 0 MSTORE
        32 32 MLOAD ADD 32 MSTORE
        @next JUMP
    """
)

# Far less than what the size of code allows; longer call data is no view's.
_LONGEST_DATA = 4_096

UNASKED = CallResult(ok=False, data=b"")
"""Of a view for which the gas did not go as far, or whose node does not run such code."""


def worth_packing(calls: Sequence[Call]) -> bool:
    """Whether these are many, and can be packed: from nobody, without value or gas of their own."""
    return len(calls) >= WORTH_PACKING and all(
        call == Call(call.to, call.data) and len(call.data) <= _LONGEST_DATA for call in calls
    )


def packed_views(calls: Sequence[Call]) -> Iterator[tuple[bytes, Sequence[Call]]]:
    """Codes that ask these plain views, as few as the size of code allows; each with its own."""
    code, first = bytearray(_VIEWS), 0
    for number, call in enumerate(calls):
        view = bytes.fromhex(call.to[2:]) + len(call.data).to_bytes(2, "big") + call.data
        if len(code) + len(view) > MOST_CODE and number > first:
            yield bytes(code), calls[first:number]
            code, first = bytearray(_VIEWS), number
        code += view
    if calls:
        yield bytes(code), calls[first:]


def unpacked_views(data: bytes) -> list[CallResult]:
    """What the views answered, as far as the gas went; nothing from what is no such answer."""
    results = []
    at = 0
    while at < len(data):
        start, length = at + 5, int.from_bytes(data[at + 1 : at + 5], "big")
        at = start + length
        if data[start - 5] > 1 or at > len(data):
            return []
        ok, answer = data[start - 5] == 1, data[start:at]
        results.append(CallResult(ok, answer))
    return results


def packed_balances(accounts: Sequence[Address]) -> Iterator[bytes]:
    """Code that reads the balances of these accounts."""
    room = (MOST_CODE - len(_BALANCES)) // 20
    for start in range(0, len(accounts), room):
        some = accounts[start : start + room]
        yield _BALANCES + b"".join(bytes.fromhex(account[2:]) for account in some)


def unpacked_balances(data: bytes) -> list[int]:
    """The balances in wei; fewer than were asked where the node did not run the code."""
    return [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]
