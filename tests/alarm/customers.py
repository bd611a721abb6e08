"""Customers of each version of the contracts, who schedule calls with it in the same way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from scheduler.alarm.calls import Unit
from scheduler.alarm.v06 import V06
from scheduler.alarm.v07 import V07
from scheduler.alarm.v10 import V10
from scheduler.alarm.version import Version
from scheduler.devchain.accounts import receipt_of
from scheduler.devchain.chronologic import TransactionRequest, requested_by, send_request
from scheduler.devchain.scheduling import (
    HIT,
    CallRequest,
    CallRequestV06,
    ScheduledCall,
    scheduled_by,
    send_schedule,
)
from tests.alarm.rig import Program, World

_CREATE_REQUEST = keccak(text="createRequest(address[3],uint256[12],bytes)")[:4]


@dataclass(frozen=True)
class Customer:
    """One who schedules with one version; `lead` is the least blocks from head to target, and
    `window` from target to the last block, with the fields that make it as short as it can be."""

    version: str
    lead: int
    window: int

    def served_by(self, scheduler: Program) -> Version:
        """The version over the program's own node."""
        deployed = scheduler.world.chain.deployment
        if self.version == "0.6":
            return V06(scheduler.node, deployed.scheduler_v06)
        if self.version == "0.7":
            return V07(scheduler.node, deployed.scheduler)
        return V10(scheduler.node, deployed.request_factory)

    def schedule(self, world: World, *targets: int, **fields: Any) -> list[ScheduledCall]:
        """Schedules calls with these targets, all in the next block, which it mines."""
        if self.version == "1.0":
            return request(world, world.chain.deployment.block_scheduler, targets, **fields)
        v06 = self.version == "0.6"
        kind = CallRequestV06 if v06 else CallRequest
        deployed = world.chain.deployment
        contract = deployed.scheduler_v06 if v06 else deployed.scheduler
        wishes = [kind(**{"to": world.counter, "target_block": t, **fields}) for t in targets]
        sent = [send_schedule(world.customer, contract, wish) for wish in wishes]
        world.mine()
        return [
            scheduled_by(world.customer, contract, wish, hash_)
            for wish, hash_ in zip(wishes, sent, strict=True)
        ]

    def shortest(self, world: World, target: int) -> ScheduledCall:
        """A call whose window is as short as the contracts allow."""
        size = {"0.6": {"grace": 64}, "0.7": {"grace": 32}, "1.0": {"window_size": 16}}
        [call] = self.schedule(world, target, **size[self.version])
        return call


def request(
    world: World, scheduler: str, targets: Sequence[int], **fields: Any
) -> list[ScheduledCall]:
    """Requests of 1.0 with these blocks or seconds as their windows' starts, in the next block."""
    wishes = [
        TransactionRequest(**{"to": world.counter, "window_start": target, **fields})
        for target in targets
    ]
    sent = [send_request(world.customer, scheduler, wish) for wish in wishes]
    world.mine()
    made = [
        requested_by(world.customer, wish, hash_) for wish, hash_ in zip(wishes, sent, strict=True)
    ]
    return [ScheduledCall(each.address, each.window_start, each.scheduled_in, 0) for each in made]


def request_of_factory(
    world: World, unit: Unit, start: int, *, freeze: int = 0, value: int
) -> ScheduledCall:
    """A request that nobody validated, in the next block: whoever calls the factory itself may
    leave out the frozen time, and endow it with whatever `value` in wei."""
    deployed = world.chain.deployment
    number = {Unit.BLOCKS: 1, Unit.SECONDS: 2}[unit]
    gas, bounty, price, deposit = 200_000, 10**16, 10**9, 10**16
    numbers = [0, bounty, 255, freeze, 16, number, 255, start, gas, 0, price, deposit]
    parties = [world.customer.address, world.customer.address, deployed.counter]
    data = _CREATE_REQUEST + encode(["address[3]", "uint256[12]", "bytes"], [parties, numbers, HIT])
    sent = world.customer.send(deployed.request_factory, data, value=value)
    world.mine()
    receipt = receipt_of(world.chain.endpoint, sent)
    [log] = receipt["logs"]
    return ScheduledCall("0x" + log["data"][26:66], start, int(receipt["blockNumber"], 16), 0)


CUSTOMERS = (
    Customer("0.6", lead=310, window=64),
    Customer("0.7", lead=15, window=31),
    Customer("1.0", lead=15, window=16),
)
