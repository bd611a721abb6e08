"""Addresses as people write them, and the checksum in the case of their letters. Pure."""

import re

from eth_utils.crypto import keccak

from scheduler.chain.model import Address

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")

EIP_1191 = (30, 31, 33)
"""Ids of the chains with a checksum of their own: Rootstock's mainnet, testnet and regtest, whose
wallets show it (EIP-1191 has the first two, rskj the third)."""

CHAINS = (None, *EIP_1191)
"""Whose checksums are known: that of EIP-55, which is the same on all other chains, and those."""


def address_from(text: str) -> Address:
    """The address that is written so, in small letters.

    Raises ValueError, which says what to write: also where letters of both cases are no checksum of
    it, so that some digit is mistyped. Letters of one case say nothing.
    """
    if not _ADDRESS.fullmatch(text):
        raise ValueError("write an address: 0x and 40 hexadecimal digits")
    address, digits = text.lower(), text[2:]
    plain = (digits.lower(), digits.upper())
    if digits not in plain and text not in [checksummed(address, each) for each in CHAINS]:
        raise ValueError(
            "a digit of this address is wrong, as its checksum says, which is in the case of its "
            "letters; copy it anew, or write all of them small if it is right"
        )
    return address


def in_small_letters(text: str) -> str:
    """`text` with each address in it as programs have it."""
    return _ADDRESS.sub(lambda found: found[0].lower(), text)


def checksummed(address: Address, chain_id: int | None = None) -> str:
    """The address as EIP-55 writes it; with a chain id as EIP-1191 does."""
    digits = address[2:]
    digest = keccak(text=digits if chain_id is None else f"{chain_id}0x{digits}").hex()
    pairs = zip(digits, digest, strict=False)
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) > 7 else digit for digit, nibble in pairs
    )
