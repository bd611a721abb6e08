"""Addresses with the checksums of all chains, and those that somebody mistyped."""

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from scheduler.chain.addresses import CHAINS, address_from, checksummed

addresses = st.binary(min_size=20, max_size=20).map(lambda octets: "0x" + octets.hex())


@pytest.mark.parametrize(
    ("chain_id", "written"),
    [
        # The examples of EIP-55 and of EIP-1191.
        (None, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
        (None, "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"),
        (30, "0x5aaEB6053f3e94c9b9a09f33669435E7ef1bEAeD"),
        (30, "0xDBF03B407c01E7CD3cBea99509D93F8Dddc8C6FB"),
        (31, "0x5aAeb6053F3e94c9b9A09F33669435E7EF1BEaEd"),
        (31, "0xdbF03B407C01E7cd3cbEa99509D93f8dDDc8C6fB"),
    ],
)
def test_the_checksum_is_that_of_the_chain(chain_id: int | None, written: str) -> None:
    assert checksummed(written.lower(), chain_id) == written


@given(addresses)
def test_an_address_is_read_with_the_checksum_of_any_chain_and_without(address: str) -> None:
    assert checksummed(address) == to_checksum_address(address)
    for chain_id in CHAINS:
        assert address_from(checksummed(address, chain_id)) == address
    assert address_from("0x" + address[2:].upper()) == address_from(address) == address


@pytest.mark.parametrize(
    "text",
    [
        # One digit, one letter's case, the chain id of nobody.
        "0x6aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        checksummed("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", 61),
    ],
)
def test_a_mistyped_address_is_told_by_its_checksum(text: str) -> None:
    with pytest.raises(ValueError, match="a digit of this address is wrong"):
        address_from(text)


@pytest.mark.parametrize("text", ["", "me", "0x12", "0x" + "g" * 40, "0x" + "1" * 41])
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="0x and 40 hexadecimal digits"):
        address_from(text)
