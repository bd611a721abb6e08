"""Small EVM programs that read much in one request: creation code that a node runs and forgets.

An `eth_call` without recipient runs its data as the creation code of a contract. What the code
reverts with comes back as the error's data, is bound by no contract's size, and leaves nothing
behind. A program is written as its operations' names; what it is to work on follows it.
"""

_OPERATIONS = {
    "ADD": 0x01,
    "SUB": 0x03,
    "LT": 0x10,
    "GT": 0x11,
    "ISZERO": 0x15,
    "AND": 0x16,
    "SHL": 0x1B,
    "SHR": 0x1C,
    "BALANCE": 0x31,
    "CODESIZE": 0x38,
    "CODECOPY": 0x39,
    "RETURNDATASIZE": 0x3D,
    "RETURNDATACOPY": 0x3E,
    "POP": 0x50,
    "MLOAD": 0x51,
    "MSTORE": 0x52,
    "MSTORE8": 0x53,
    "JUMP": 0x56,
    "JUMPI": 0x57,
    "GAS": 0x5A,
    "JUMPDEST": 0x5B,
    "DUP1": 0x80,
    "DUP2": 0x81,
    "DUP3": 0x82,
    "DUP4": 0x83,
    "DUP5": 0x84,
    "STATICCALL": 0xFA,
    "REVERT": 0xFD,
    "SWAP1": 0x90,
}

MOST_CODE = 49_152
"""Bytes of creation code that a node takes (EIP-3860)."""


def assemble(program: str) -> bytes:
    """The code of a program: operations, numbers to push, `name:` for a place to jump to, `@name`
    to push that place, and `@end` to push where the code ends; after `;` a line is a comment.

    Places are pushed as two bytes. Raises KeyError for what is none of these.
    """
    words = [word for line in program.splitlines() for word in line.split(";")[0].split()]
    places: dict[str, int] = {}
    length = 0
    for word in words:
        if word.endswith(":"):
            places[word[:-1]] = length
        length += len(_encoded(word, None))
    places["end"] = length
    return b"".join(_encoded(word, places) for word in words)


def _encoded(word: str, places: dict[str, int] | None) -> bytes:
    if word.endswith(":"):
        return bytes([_OPERATIONS["JUMPDEST"]])
    if word.startswith("@"):
        place = 0 if places is None else places[word[1:]]
        return b"\x61" + place.to_bytes(2, "big")
    if word.isdecimal() or word.startswith("0x"):
        number = int(word, 0)
        size = max(1, -(-number.bit_length() // 8))
        return bytes([0x5F + size]) + number.to_bytes(size, "big")
    return bytes([_OPERATIONS[word]])
