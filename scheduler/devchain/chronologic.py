"""Schedules calls with the alarm clock's 1.0 ("Chronologic"), as one of its customers would."""

from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from scheduler.chain.model import Address
from scheduler.devchain.accounts import Wallet, receipt_of
from scheduler.devchain.scheduling import DEFAULT_PAYMENT, HIT

_SCHEDULE = keccak(text="schedule(address,bytes,uint256[8])")[:4]
_NEW_REQUEST = "0x" + keccak(text="NewRequest(address)").hex()

# EXECUTION_GAS_OVERHEAD of RequestLib: what execution takes besides the target, in gas.
_OVERHEAD_GAS = 180_000
# Creating the request took 562,174 gas; more with longer call data.
_SCHEDULING_GAS = 1_000_000


@dataclass(frozen=True)
class TransactionRequest:
    """What to schedule: `data` is to be sent to `to` in a window of blocks, or of seconds.

    `window_start` is a block's number or a time in seconds since the epoch, `window_size` in the
    same unit; the window holds both its ends. Amounts in wei, `gas_price` in wei per gas: the
    executor must pay it, and gets it back. Reserved for a claimer are 16 blocks or 300 seconds,
    and a window may not be shorter.
    """

    to: Address
    window_start: int
    window_size: int = 255
    data: bytes = HIT
    call_gas: int = 200_000
    value: int = 0
    gas_price: int = 10**9
    fee: int = 0
    bounty: int = DEFAULT_PAYMENT
    deposit: int = 2 * DEFAULT_PAYMENT

    def call_data(self) -> bytes:
        """The call data of `schedule`."""
        numbers = [
            self.call_gas,
            self.value,
            self.window_size,
            self.window_start,
            self.gas_price,
            self.fee,
            self.bounty,
            self.deposit,
        ]
        types = ["address", "bytes", "uint256[8]"]
        return _SCHEDULE + encode(types, [self.to, self.data, numbers])

    def endowment(self) -> int:
        """What must be sent along, in wei (PaymentLib.computeEndowment)."""
        gas = (self.call_gas + _OVERHEAD_GAS) * self.gas_price
        return self.bounty + self.fee + gas + self.value


@dataclass(frozen=True)
class ScheduledRequest:
    """A scheduled request: its contract, its window's start, the block that scheduled it."""

    address: Address
    window_start: int
    scheduled_in: int


def send_request(
    wallet: Wallet,
    scheduler: Address,
    request: TransactionRequest,
    *,
    gas_price: int | None = None,
    nonce: int | None = None,
) -> str:
    """Sends the transaction that schedules a call, and answers its hash.

    `scheduler` is the BlockScheduler or the TimestampScheduler, which settles the unit. Raises
    RpcError, NodeUnavailable.
    """
    return wallet.send(
        scheduler,
        request.call_data(),
        value=request.endowment(),
        gas=_SCHEDULING_GAS,
        gas_price=gas_price,
        nonce=nonce,
    )


def requested_by(wallet: Wallet, request: TransactionRequest, sent: str) -> ScheduledRequest:
    """What became of a transaction of `send_request`, waited for.

    Raises TransactionFailed where the scheduler refused (it reverts), RpcError, NodeUnavailable.
    """
    receipt = receipt_of(wallet.endpoint, sent)
    [log] = [log for log in receipt["logs"] if log["topics"][0] == _NEW_REQUEST]
    created_in = int(receipt["blockNumber"], 16)
    return ScheduledRequest("0x" + log["data"][-40:], request.window_start, created_in)
