"""Four small contracts for the tests, written in EVM assembly so that no compiler is needed."""

import time
from contextlib import suppress
from typing import Any

from scheduler.chain.errors import RpcError
from scheduler.chain.model import Address, Hash
from scheduler.devchain.nodes import Node

# Logs (topic 0xff) and returns five words: GASPRICE, BASEFEE, NUMBER, TIMESTAMP, CALLER.
# BASEFEE is left out on chains before London, where it is an invalid opcode.
PROBE = (
    "3a600052" + "48602052" + "43604052" + "42606052" + "33608052" + "60ff60a06000a1" + "60a06000f3"
)
OLD_PROBE = PROBE.replace("48602052", "")

# Without call data: returns its count. With any: adds one, logs (topic 0xaa) and returns it.
COUNTER = "36600f57" + "600054600052" + "60206000f3"
COUNTER += "5b" + "600054600101" + "80600055" + "600052" + "60aa60206000a1" + "60206000f3"

# Reverts with the word 0xaa.
REVERTER = "60aa600052" + "60206000fd"

# The invalid opcode: burns all its gas.
BURNER = "fe"

COUNTED = "0x" + "00" * 31 + "aa"
PROBED = "0x" + "00" * 31 + "ff"


class Rig:
    """A node with the contracts, and the account that it unlocks."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.account: Address = node.rpc("eth_accounts")[0].lower()
        block = node.rpc("eth_getBlockByNumber", "latest", False)
        london = "baseFeePerGas" in block
        self._price = {} if london else {"gasPrice": hex(10**9)}
        first = int(node.rpc("eth_getTransactionCount", self.account, "pending"), 16)
        probe = PROBE if london else OLD_PROBE
        # Sent in a row, so counted here: see devchain.chain.fund.
        sent = [
            self.send(data=creation(code), nonce=hex(nonce))
            for nonce, code in enumerate((probe, COUNTER, REVERTER, BURNER), first)
        ]
        self.probe, self.counter, self.reverter, self.burner = map(self.created, sent)

    def send(self, **fields: str) -> Hash:
        """A transaction from the account."""
        transaction = {"from": self.account, "gas": hex(500_000), **self._price, **fields}
        return str(self.node.rpc("eth_sendTransaction", transaction))

    def created(self, hash: Hash) -> Address:
        """The contract that this transaction created."""
        return str(self.receipt(hash)["contractAddress"]).lower()

    def deploy(self, runtime: str) -> Address:
        return self.created(self.send(data=creation(runtime)))

    def mined(self, **fields: str) -> dict[str, Any]:
        """The receipt of a transaction from the account."""
        return self.receipt(self.send(**fields))

    def receipt(self, hash: Hash) -> dict[str, Any]:
        """Waits for the receipt; anvil has it at once, geth within its period."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            # A geth that has just started refuses: "transaction indexing is in progress".
            with suppress(RpcError):
                receipt: dict[str, Any] | None = self.node.rpc("eth_getTransactionReceipt", hash)
                if receipt:
                    return receipt
            time.sleep(0.05)
        raise AssertionError(f"{hash} was not mined")


def creation(runtime: str) -> str:
    """Code that creates a contract with this runtime code of less than 256 bytes."""
    size = f"{len(runtime) // 2:02x}"
    return f"0x60{size}600c60003960{size}6000f3{runtime}"
