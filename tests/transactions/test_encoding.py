"""Transactions as bytes equal eth_account's, and only what was asked for passes as signed."""

from typing import Any

import pytest
import rlp
from eth_account import Account
from eth_keys.constants import SECPK1_N
from eth_keys.datatypes import PrivateKey
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from scheduler.transactions.encoding import (
    DynamicFee,
    LegacyFee,
    Transaction,
    WrongSignature,
    sign,
    verify,
)

WEI = st.integers(0, 2**96)
FEES = st.one_of(
    st.builds(LegacyFee, WEI),
    st.builds(lambda tip, more: DynamicFee(tip + more, tip), WEI, WEI),
)
TRANSACTIONS = st.builds(
    Transaction,
    chain_id=st.one_of(st.sampled_from([1, 30, 31, 1337]), st.integers(1, 2**53)),
    nonce=st.integers(0, 2**64 - 2),
    to=st.binary(min_size=20, max_size=20).map(lambda address: "0x" + address.hex()),
    value=WEI,
    gas=st.integers(21_000, 2**40),
    data=st.binary(max_size=200),
    fee=FEES,
)
KEYS = st.integers(1, SECPK1_N - 1).map(lambda number: PrivateKey(number.to_bytes(32, "big")))

KEY = PrivateKey(b"\x11" * 32)
STRANGER = PrivateKey(b"\x22" * 32)
SENDER = KEY.public_key.to_address()


def transaction(fee: LegacyFee | DynamicFee, **fields: Any) -> Transaction:
    values: dict[str, Any] = {
        "chain_id": 1337,
        "nonce": 7,
        "to": "0x" + "ab" * 20,
        "value": 5,
        "gas": 100_000,
        "data": b"data",
        **fields,
    }
    return Transaction(fee=fee, **values)


BOTH_TYPES = pytest.mark.parametrize(
    "asked",
    [transaction(LegacyFee(10**9)), transaction(DynamicFee(2 * 10**9, 10**9))],
    ids=["legacy", "dynamic"],
)


@given(TRANSACTIONS, KEYS)
def test_bytes_and_hash_are_those_of_eth_account(asked: Transaction, key: PrivateKey) -> None:
    fields: dict[str, Any] = {
        "chainId": asked.chain_id,
        "nonce": asked.nonce,
        "to": to_checksum_address(asked.to),
        "value": asked.value,
        "gas": asked.gas,
        "data": asked.data,
    }
    if isinstance(asked.fee, LegacyFee):
        fields["gasPrice"] = asked.fee.gas_price
    else:
        fields["maxFeePerGas"] = asked.fee.max_fee
        fields["maxPriorityFeePerGas"] = asked.fee.tip
    expected = Account.sign_transaction(fields, key.to_bytes())
    signed = sign(asked, key)
    assert signed.raw == expected.raw_transaction
    assert signed.hash == "0x" + bytes(expected.hash).hex()
    assert Account.recover_transaction(signed.raw).lower() == key.public_key.to_address()


@given(TRANSACTIONS, KEYS)
def test_what_was_asked_for_and_signed_is_verified(asked: Transaction, key: PrivateKey) -> None:
    signed = sign(asked, key)
    assert verify(asked, key.public_key.to_address(), signed.raw) == signed


@BOTH_TYPES
@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1338},
        {"nonce": 8},
        {"to": "0x" + "ac" * 20},
        {"value": 6},
        {"gas": 100_001},
        {"data": b""},
        {"fee": LegacyFee(0)},
        {"fee": LegacyFee(10**9 + 1)},
        {"fee": DynamicFee(2 * 10**9, 0)},
        {"fee": DynamicFee(2 * 10**9 + 1, 10**9)},
    ],
    ids=str,
)
def test_a_changed_field_is_refused(asked: Transaction, change: dict[str, Any]) -> None:
    fields = {name: getattr(asked, name) for name in Transaction.__slots__}
    other = Transaction(**{**fields, **change})
    with pytest.raises(WrongSignature):
        verify(asked, SENDER, sign(other, KEY).raw)


@BOTH_TYPES
def test_another_accounts_signature_is_refused(asked: Transaction) -> None:
    with pytest.raises(WrongSignature, match="not the one"):
        verify(asked, SENDER, sign(asked, STRANGER).raw)


@BOTH_TYPES
def test_the_other_type_is_refused(asked: Transaction) -> None:
    other = transaction(
        DynamicFee(10**9, 10**9) if isinstance(asked.fee, LegacyFee) else LegacyFee(2 * 10**9)
    )
    with pytest.raises(WrongSignature, match="another type"):
        verify(asked, SENDER, sign(other, KEY).raw)


@BOTH_TYPES
def test_trailing_bytes_are_refused(asked: Transaction) -> None:
    with pytest.raises(WrongSignature):
        verify(asked, SENDER, sign(asked, KEY).raw + b"\0")


@BOTH_TYPES
def test_a_longer_list_is_refused(asked: Transaction) -> None:
    with pytest.raises(WrongSignature):
        verify(asked, SENDER, _edited(sign(asked, KEY).raw, lambda fields: [*fields, b""]))


@BOTH_TYPES
def test_numbers_with_leading_zeros_are_refused(asked: Transaction) -> None:
    def padded(fields: list[Any]) -> list[Any]:
        return [*fields[:-1], b"\0" + fields[-1]]

    with pytest.raises(WrongSignature, match="not the one"):
        verify(asked, SENDER, _edited(sign(asked, KEY).raw, padded))


def test_lengths_written_in_more_bytes_than_needed_are_refused() -> None:
    asked = transaction(LegacyFee(10**9))
    raw = sign(asked, KEY).raw
    assert raw[0] == 0xF8, "a list with a length of one byte"
    with pytest.raises(WrongSignature, match="cannot be read"):
        verify(asked, SENDER, b"\xf9\0" + raw[1:])


@BOTH_TYPES
def test_the_twin_signature_that_no_node_takes_is_refused(asked: Transaction) -> None:
    """EIP-2: of the two signatures of a key, the one with the higher s is invalid."""

    def twin(fields: list[Any]) -> list[Any]:
        v, r, s = fields[-3:]
        number = int.from_bytes(v, "big")
        flipped = number ^ 1 if isinstance(asked.fee, DynamicFee) else number + (number % 2) * 2 - 1
        high = SECPK1_N - int.from_bytes(s, "big")
        return [*fields[:-3], flipped, r, high]

    raw = _edited(sign(asked, KEY).raw, twin)
    if isinstance(asked.fee, DynamicFee):
        # The twin is a signature by the same account, hence the rule.
        assert Account.recover_transaction(raw).lower() == SENDER
    with pytest.raises(WrongSignature, match="EIP-2"):
        verify(asked, SENDER, raw)


@BOTH_TYPES
@given(st.data())
def test_no_altered_bytes_pass(asked: Transaction, data: st.DataObject) -> None:
    raw = bytearray(sign(asked, KEY).raw)
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(WrongSignature):
        verify(asked, SENDER, bytes(raw))


@BOTH_TYPES
@given(garbage=st.binary(max_size=300))
def test_garbage_is_refused(asked: Transaction, garbage: bytes) -> None:
    for raw in (garbage, b"\x02" + garbage, rlp.encode([garbage])):
        with pytest.raises(WrongSignature):
            verify(asked, SENDER, raw)


def test_a_node_is_given_every_field() -> None:
    legacy, dynamic = transaction(LegacyFee(9)), transaction(DynamicFee(11, 10))
    common = {
        "from": SENDER,
        "to": "0x" + "ab" * 20,
        "value": "0x5",
        "gas": "0x186a0",
        "nonce": "0x7",
        "data": "0x64617461",
        "chainId": "0x539",
    }
    assert legacy.rpc_fields(SENDER) == {**common, "gasPrice": "0x9"}
    assert dynamic.rpc_fields(SENDER) == {
        **common,
        "maxFeePerGas": "0xb",
        "maxPriorityFeePerGas": "0xa",
    }


def test_another_nonce_changes_nothing_else() -> None:
    asked = transaction(LegacyFee(9))
    assert asked.with_nonce(8) == transaction(LegacyFee(9), nonce=8)


def _edited(raw: bytes, change: Any) -> bytes:
    """The signed bytes with the fields of their list changed."""
    prefix, body = (raw[:1], raw[1:]) if raw[0] == 2 else (b"", raw)
    return prefix + bytes(rlp.encode(change(rlp.decode(body))))
