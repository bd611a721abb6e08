"""Private keys in the environment: how Money on Chain's jobs have always been given them.

ACCOUNT_PK_SECRET holds one key or several with commas between them, ACCOUNT_PK_SECRET_1 to _9 one
or several more. They make one list of accounts, in this order; the first one sends.
"""

import re
from collections.abc import Iterator, Mapping

from eth_keys.constants import SECPK1_N
from eth_keys.datatypes import PrivateKey

from scheduler.chain.model import Address
from scheduler.errors import Misconfigured
from scheduler.redaction import hide_key

VARIABLES = ("ACCOUNT_PK_SECRET", *(f"ACCOUNT_PK_SECRET_{number}" for number in range(1, 10)))

EXAMPLE: Address = "0x0e424e9a8598a55918e12de47172f3180c4b4e13"
"""The account of the key that the README of Money on Chain's jobs gave as an example."""

_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


def key_for(account: Address | None, environment: Mapping[str, str]) -> PrivateKey:
    """The key of `account`; for None the first one.

    Raises Misconfigured, which names the variable and never what is in it.
    """
    keys = {key.public_key.to_address(): key for key in keys_in(environment)}
    if not keys:
        raise Misconfigured(
            f'signer = "environment" needs a private key in {VARIABLES[0]}; '
            "safer is a key file: scheduler account new"
        )
    if account is None:
        return next(iter(keys.values()))
    if account not in keys:
        raise Misconfigured(
            f"account = {account}, but the keys in {VARIABLES[0]} (and _1 to _9) are those of "
            f"{', '.join(keys)}; correct one of them"
        )
    return keys[account]


def keys_in(environment: Mapping[str, str]) -> Iterator[PrivateKey]:
    """All keys, in order; an empty variable holds none. Raises Misconfigured as `key_for` does."""
    for variable in VARIABLES:
        if environment.get(variable, "").strip():
            parts = environment[variable].split(",")
            for number, text in enumerate(parts, 1):
                place = f"{variable}: key {number} of {len(parts)}" if parts[1:] else variable
                yield private_key(text.strip(), place)


def private_key(text: str, place: str) -> PrivateKey:
    """The key that is written so. Raises Misconfigured, which names the place, never the text."""
    match = _KEY.fullmatch(text)
    # SEC 2, section 2.4.1: a key is a number from 1 to the order of the group less one.
    if match is None or not 0 < int(match[1], 16) < SECPK1_N:
        raise Misconfigured(
            f"{place}: this is no private key; write 64 hexadecimal digits, with or without 0x"
        )
    key = bytes.fromhex(match[1])
    hide_key(key)
    return PrivateKey(key)
