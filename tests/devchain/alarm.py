"""The alarm clock's contracts as tests speak to them: views, claims, executions and their logs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.scheduling import CallRequest, ScheduledCall, schedule

ENOUGH_GAS = 400_000


@dataclass(frozen=True)
class Event:
    """A decoded log of a call contract: CallExecuted, CallAborted, Claimed or Cancelled."""

    name: str
    values: tuple[Any, ...]


_EVENTS = {
    "CallExecuted(address,uint256,uint256,uint256,bool)": ["uint256", "uint256", "uint256", "bool"],
    "CallAborted(address,bytes32)": ["address", "bytes32"],
    "Claimed(address,uint256)": ["address", "uint256"],
    "Cancelled(address)": [],
}
_BY_TOPIC = {"0x" + keccak(text=text).hex(): (text, types) for text, types in _EVENTS.items()}


class Alarm:
    """An alarm clock on an anvil that makes a block for every transaction."""

    def __init__(self, chain: DevelopmentChain) -> None:
        self.chain = chain
        self.endpoint = chain.endpoint
        self.contracts = chain.deployment
        self.customer = Wallet(chain.endpoint, Role.CUSTOMER)
        self.executor = Wallet(chain.endpoint, Role.RIVAL)
        self.claimer = Wallet(chain.endpoint, Role.CROWD)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is done to the chain within is undone at the end."""
        snapshot = self.endpoint.request("evm_snapshot")
        try:
            yield
        finally:
            assert self.endpoint.request("evm_revert", snapshot)

    @property
    def head(self) -> int:
        return self.endpoint.number("eth_blockNumber")

    def view(self, to: str, function: str, result: str, *arguments: Any) -> Any:
        """The result of a view, such as view(call, "targetBlock()", "uint256")."""
        types = [t for t in function[function.index("(") + 1 : -1].split(",") if t]
        data = keccak(text=function)[:4] + encode(types, arguments)
        answer = self.endpoint.request("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
        return decode([result], bytes.fromhex(answer[2:]))[0]

    def balance(self, account: str) -> int:
        return self.endpoint.number("eth_getBalance", account, "latest")

    def schedule(self, ahead: int, **request: Any) -> ScheduledCall:
        """Schedules a call of the counter so many blocks after the block that schedules it."""
        fields = {"to": self.contracts.counter, **request}
        return schedule(
            self.customer,
            self.contracts.scheduler,
            CallRequest(target_block=self.head + 1 + ahead, **fields),
        )

    def at(self, block: int) -> None:
        """Mines so that the next transaction is in `block`."""
        missing = block - 1 - self.head
        assert missing >= 0
        if missing:
            self.endpoint.request("anvil_mine", hex(missing))

    def execute(
        self, call: ScheduledCall, block: int, wallet: Wallet | None = None, gas: int = ENOUGH_GAS
    ) -> list[Event]:
        """The events of the call contract when `wallet` executes it in `block`."""
        return self._events(call, block, wallet or self.executor, "execute()", gas=gas)

    def claim(self, call: ScheduledCall, block: int, value: int = 10**16) -> list[Event]:
        """The events of the call contract when the claimer claims it in `block`."""
        return self._events(call, block, self.claimer, "claim()", gas=ENOUGH_GAS, value=value)

    def cancel(self, call: ScheduledCall, block: int, wallet: Wallet) -> list[Event]:
        """The events of the call contract when `wallet` cancels it in `block`."""
        return self._events(call, block, wallet, "cancel()", gas=ENOUGH_GAS)

    def _events(
        self, call: ScheduledCall, block: int, wallet: Wallet, function: str, **fields: Any
    ) -> list[Event]:
        self.at(block)
        receipt = wallet.transact(call.address, keccak(text=function)[:4], **fields)
        assert int(receipt["blockNumber"], 16) == block
        events = []
        for log in receipt["logs"]:
            if log["address"] == call.address:
                text, types = _BY_TOPIC[log["topics"][0]]
                values = decode(types, bytes.fromhex(log["data"][2:]))
                events.append(Event(text.partition("(")[0], values))
        return events


def executed(events: list[Event]) -> bool:
    """Whether the one event says that the call was executed and its target succeeded."""
    return len(events) == 1 and events[0].name == "CallExecuted" and events[0].values[-1] is True


def aborted(events: list[Event]) -> str | None:
    """The reason of the one event where that is CallAborted."""
    if len(events) != 1 or events[0].name != "CallAborted":
        return None
    reason: bytes = events[0].values[1]
    return reason.rstrip(b"\0").decode()
