"""Schedules calls with the alarm clock's v0.6 and v0.7, as one of its customers would."""

from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from scheduler.chain.model import Address
from scheduler.devchain.accounts import Wallet, receipt_of

_SCHEDULE_CALL = keccak(text="scheduleCall(address,bytes4,uint256,uint256,uint8,uint256)")[:4]
_SCHEDULE_CALL_V06 = keccak(
    text="scheduleCall(address,bytes4,uint256,uint256,uint8,uint256,uint256)"
)[:4]
_CALL_SCHEDULED = "0x" + keccak(text="CallScheduled(address)").hex()
_CALL_REJECTED = "0x" + keccak(text="CallRejected(address,bytes32)").hex()

HIT = keccak(text="hit()")[:4]
DEFAULT_PAYMENT = 5 * 10**15  # wei; the Scheduler's own default
# Creating the call takes up to 1.25 million gas with this project's Scheduler of v0.7, and 1.42
# million with that of v0.6.
_SCHEDULING_GAS, _SCHEDULING_GAS_V06 = 1_400_000, 1_600_000
_MINIMUM_GAS_V06 = 200_000  # which every call must be able to pay for (Scheduler v0.6)
_DONATION_PERCENT = 1  # of the default payment (Scheduler v0.7)


class CallRejected(Exception):
    """The Scheduler refused; `reason` is its own word, such as TOO_SOON. The money came back."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the Scheduler contract refused the call: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class ScheduledCall:
    """A scheduled call: its contract, its target block, the block that scheduled it, gas used."""

    address: Address
    target_block: int
    scheduled_in: int
    gas_used: int


@dataclass(frozen=True)
class CallRequest:
    """What to schedule: `selector` is to be called on `to` at `target_block`.

    `required_gas` in gas, `grace` in blocks, `payment` in wei.
    """

    to: Address
    target_block: int
    selector: bytes = HIT
    required_gas: int = 200_000
    grace: int = 255
    payment: int = DEFAULT_PAYMENT

    def data(self) -> bytes:
        """The call data of the six-argument scheduleCall."""
        types = ["address", "bytes4", "uint256", "uint256", "uint8", "uint256"]
        values = (
            self.to,
            self.selector,
            self.target_block,
            self.required_gas,
            self.grace,
            self.payment,
        )
        return _SCHEDULE_CALL + encode(types, values)

    def minimum_endowment(self, gas_price: int) -> int:
        """What must be sent along at `gas_price` wei per gas, in wei."""
        donation = DEFAULT_PAYMENT * _DONATION_PERCENT // 100
        return gas_price * self.required_gas + 2 * (self.payment + donation)


@dataclass(frozen=True)
class CallRequestV06:
    """The same of v0.6, whose calls name the gas that they suggest, and a fee for its creator."""

    to: Address
    target_block: int
    selector: bytes = HIT
    suggested_gas: int = 0
    grace: int = 255
    payment: int = DEFAULT_PAYMENT
    fee: int = DEFAULT_PAYMENT // 100

    def data(self) -> bytes:
        """The call data of the seven-argument scheduleCall."""
        types = ["address", "bytes4", "uint256", "uint256", "uint8", "uint256", "uint256"]
        values = (
            self.to,
            self.selector,
            self.target_block,
            self.suggested_gas,
            self.grace,
            self.payment,
            self.fee,
        )
        return _SCHEDULE_CALL_V06 + encode(types, values)

    def minimum_endowment(self, gas_price: int) -> int:
        """What must be sent along at `gas_price` wei per gas, in wei."""
        return gas_price * _MINIMUM_GAS_V06 + 2 * (self.payment + self.fee)


def schedule(
    wallet: Wallet,
    scheduler: Address,
    request: CallRequest | CallRequestV06,
    *,
    endowment: int | None = None,
    gas_price: int | None = None,
) -> ScheduledCall:
    """Schedules a call and answers it as the log of the mined transaction has it.

    The endowment in wei is, unless given, twice the least, so that an executor who pays twice
    this transaction's gas price is reimbursed in full. Raises CallRejected, TransactionFailed,
    RpcError, NodeUnavailable.
    """
    sent = send_schedule(wallet, scheduler, request, endowment=endowment, gas_price=gas_price)
    return scheduled_by(wallet, scheduler, request, sent)


def send_schedule(
    wallet: Wallet,
    scheduler: Address,
    request: CallRequest | CallRequestV06,
    *,
    endowment: int | None = None,
    gas_price: int | None = None,
    nonce: int | None = None,
) -> str:
    """Sends the transaction that schedules a call, and answers its hash; see `schedule`."""
    price = wallet.gas_price() if gas_price is None else gas_price
    value = 2 * request.minimum_endowment(price) if endowment is None else endowment
    return wallet.send(
        scheduler,
        request.data(),
        value=value,
        gas=_SCHEDULING_GAS_V06 if isinstance(request, CallRequestV06) else _SCHEDULING_GAS,
        gas_price=price,
        nonce=nonce,
    )


def scheduled_by(
    wallet: Wallet, scheduler: Address, request: CallRequest | CallRequestV06, sent: str
) -> ScheduledCall:
    """What became of a transaction of `send_schedule`, waited for. Raises as `schedule` does."""
    receipt = receipt_of(wallet.endpoint, sent)
    for log in receipt["logs"]:
        if log["address"].lower() != scheduler:
            continue
        if log["topics"][0] == _CALL_REJECTED:
            reason = bytes.fromhex(log["data"].removeprefix("0x"))[:32].rstrip(b"\0")
            raise CallRejected(reason.decode("ascii", "replace"))
        if log["topics"][0] == _CALL_SCHEDULED:
            return ScheduledCall(
                "0x" + log["data"][-40:],
                request.target_block,
                int(receipt["blockNumber"], 16),
                int(receipt["gasUsed"], 16),
            )
    raise CallRejected(f"no log from {scheduler}, which seems to be no Scheduler")
