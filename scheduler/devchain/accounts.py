"""The development accounts: public keys to play money, and who uses which."""

import time
from enum import IntEnum
from functools import cache
from typing import Any

from scheduler.chain.errors import RpcError
from scheduler.chain.model import Address
from scheduler.devchain.endpoint import Endpoint

# The mnemonic that development nodes use by default; whatever it owns is public knowledge.
MNEMONIC = "test test test test test test test test test test test junk"

# Pays for every block of a development chain; wei per gas.
_MINIMUM_GAS_PRICE = 10**9


class Role(IntEnum):
    """What a development account is for; the value is its index on the derivation path.

    Index 0 is anvil's eth_accounts[0] and belongs to the scheduler alone.
    """

    DEPLOYER = 1
    CUSTOMER = 2
    RIVAL = 3
    CROWD = 4


class TransactionFailed(Exception):
    """A transaction was mined and reverted, or was not mined in time."""


@cache
def _account(index: int) -> Any:
    from eth_account import Account

    Account.enable_unaudited_hdwallet_features()
    return Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")


def address_of(role: Role) -> Address:
    """The address of the development account with this role."""
    return str(_account(role).address).lower()


class Wallet:
    """One development account on one node: signs here, sends, waits for the receipt."""

    def __init__(self, endpoint: Endpoint, role: Role) -> None:
        self.endpoint = endpoint
        self.address = address_of(role)
        self._account = _account(role)
        self._chain_id = endpoint.number("eth_chainId")

    def gas_price(self) -> int:
        """A legacy gas price that the next blocks accept: twice the node's idea, >= 1 gwei."""
        return max(_MINIMUM_GAS_PRICE, 2 * self.endpoint.number("eth_gasPrice"))

    def send(
        self,
        to: Address | None,
        data: bytes = b"",
        *,
        value: int = 0,
        gas: int = 3_000_000,
        gas_price: int | None = None,
        nonce: int | None = None,
    ) -> str:
        """Sends a legacy transaction and answers its hash; creates a contract without `to`.

        The nonce is that of the node's pool unless given. Amounts in wei. Raises RpcError,
        NodeUnavailable.
        """
        if nonce is None:
            nonce = self.endpoint.number("eth_getTransactionCount", self.address, "pending")
        fields: dict[str, Any] = {
            "chainId": self._chain_id,
            "nonce": nonce,
            "gas": gas,
            "gasPrice": self.gas_price() if gas_price is None else gas_price,
            "value": value,
            "data": data,
        }
        if to is not None:
            fields["to"] = _checksummed(to)
        raw = self._account.sign_transaction(fields).raw_transaction
        return str(self.endpoint.request("eth_sendRawTransaction", "0x" + bytes(raw).hex()))

    def transact(self, to: Address | None, data: bytes = b"", **fields: Any) -> dict[str, Any]:
        """Sends as `send` does and answers the receipt. Raises TransactionFailed if it reverted."""
        return receipt_of(self.endpoint, self.send(to, data, **fields))


def receipt_of(endpoint: Endpoint, sent: str, seconds: float = 60.0) -> dict[str, Any]:
    """The receipt of a transaction, waited for. Raises TransactionFailed."""
    deadline = time.monotonic() + seconds
    while True:
        receipt = _receipt(endpoint, sent)
        if receipt is not None:
            break
        if time.monotonic() > deadline:
            raise TransactionFailed(f"transaction {sent} was not mined within {seconds:g} seconds")
        time.sleep(0.02)
    if int(receipt["status"], 16) != 1:
        raise TransactionFailed(f"transaction {sent} was mined and reverted")
    return receipt


def _receipt(endpoint: Endpoint, sent: str) -> dict[str, Any] | None:
    try:
        receipt: dict[str, Any] | None = endpoint.request("eth_getTransactionReceipt", sent)
    except RpcError as error:
        if "indexing is in progress" not in error.message:
            raise
        # geth 1.16.7 for some moments after its start: it does not know yet.
        return None
    return receipt


def _checksummed(address: Address) -> str:
    from eth_utils.address import to_checksum_address

    return to_checksum_address(address)
