"""What became of a scheduled call, as the chain tells it: through web3, not the scheduler."""

from dataclasses import dataclass

from web3 import Web3
from web3.types import FilterParams

from scheduler.chain.model import Address
from scheduler.devchain.compiler import own_contracts
from scheduler.devchain.scheduling import ScheduledCall

# CallExecuted(address indexed executor, uint gasCost, uint payment, uint donation, bool success)
# of FutureBlockCall v0.7
_CALL_EXECUTED = Web3.to_hex(Web3.keccak(text="CallExecuted(address,uint256,uint256,uint256,bool)"))


@dataclass(frozen=True)
class Evidence:
    """What receipts, logs and the target contract say about a call.

    `executed_in` is a block number, None where the call was not executed; `gas` is what the
    transaction used, `payment` in wei what the executor got besides the gas. `effects` is how
    often the target was called by the call contract.
    """

    call: Address
    target: Address
    target_block: int
    executed_in: int | None
    outcome: str
    gas: int
    payment: int
    effects: int

    @property
    def on_target(self) -> bool:
        """Executed exactly once, at the target block, with effect."""
        at_target = self.executed_in == self.target_block
        return at_target and self.outcome == "succeeded" and self.effects == 1


class Witness:
    """Asks a node about calls whose targets are Counter contracts."""

    def __init__(self, url: str) -> None:
        # Each question has a connection of its own: web3 cannot be told to close the ones it keeps.
        headers = {"Content-Type": "application/json", "Connection": "close"}
        self._web3 = Web3(Web3.HTTPProvider(url, request_kwargs={"headers": headers}))
        self._counter_abi = own_contracts()["Counter"].abi

    def testify(self, call: ScheduledCall, target: Address) -> Evidence:
        """What is known of `call` now, whose target contract is `target`."""
        eth = self._web3.eth
        wanted: FilterParams = {
            "address": Web3.to_checksum_address(call.address),
            "topics": [_CALL_EXECUTED],
            "fromBlock": call.scheduled_in,
            "toBlock": "latest",
        }
        logs = eth.get_logs(wanted)
        counter = eth.contract(Web3.to_checksum_address(target), abi=self._counter_abi)
        effects = int(counter.functions.hits(Web3.to_checksum_address(call.address)).call())
        if not logs:
            return Evidence(
                call.address, target, call.target_block, None, "not executed", 0, 0, effects
            )
        receipt = eth.get_transaction_receipt(logs[0]["transactionHash"])
        # Data: gas cost, payment, donation, success, 32 bytes each.
        words = [int.from_bytes(logs[0]["data"][i : i + 32], "big") for i in range(0, 128, 32)]
        if len(logs) > 1:
            outcome = f"executed {len(logs)} times"
        else:
            outcome = "succeeded" if words[3] else "target failed"
        return Evidence(
            call.address,
            target,
            call.target_block,
            receipt["blockNumber"],
            outcome,
            receipt["gasUsed"],
            words[1],
            effects,
        )


def heading() -> str:
    """The titles of the columns of `row`."""
    return (
        f"{'call':42}  {'contract':11}  {'target block':>12}  {'executed in':>11}  {'outcome':13}  "
        f"{'gas':>7}  {'payment/ETH':>11}"
    )


def row(evidence: Evidence) -> str:
    """One line of a table: blocks by number, the target contract by its ends."""
    executed = "-" if evidence.executed_in is None else str(evidence.executed_in)
    target = f"{evidence.target[:4]}…{evidence.target[-6:]}"
    payment = f"{Web3.from_wei(evidence.payment, 'ether'):.6f}"
    return (
        f"{evidence.call:42}  {target:11}  {evidence.target_block:>12}  {executed:>11}  "
        f"{evidence.outcome:13}  {evidence.gas:>7}  {payment:>11}"
    )
