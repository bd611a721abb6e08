"""What does the alarm clock keep in memory, and what does a cold start take?

At 1,000 calls that are tracked, and behind 100,000 that were: of v0.7 in the contract's index, of
1.0 in the log, once in buckets of long ago and once all in those that a start asks for, which is as
bad as it can be. Contracts of our own stand in for the pasts (AlarmHistory.sol). On anvil; each row
is a program of its own, one of them a restart with the journal of the row before.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from benchmarks.parts.program import (
    SIGN_OF_LIFE,
    cpu_seconds,
    own_mib,
    peak_mib,
    resident_mib,
    scheduler,
)
from scheduler.chain.model import Address
from scheduler.devchain.accounts import Role, Wallet, receipt_of
from scheduler.devchain.chain import DevelopmentChain, chain_on_anvil
from scheduler.devchain.chronologic import TransactionRequest, send_request
from scheduler.devchain.compiler import own_contracts
from scheduler.devchain.deployment import data_contract, link
from scheduler.devchain.originals import future_calls
from scheduler.devchain.scheduling import CallRequest, send_schedule

CALLS, PAST = 1_000, 100_000
RESIDENT_GOAL, COLD_START_GOAL = 50.0, 10.0
# What the past may add to the memory for good, in MiB: allocators round.
LASTING_GOAL = 1.0
# Blocks after which the memory is read, and whose processor time is shared out.
BLOCKS = 30
# Blocks from the start to the target: in the end the calls are tracked, and none is due.
LEAD = 20 + BLOCKS
# Blocks in which the calls are scheduled, and some to spare.
ROOM = 450
ETHER = 10**18
# More than full blocks raise the base fee to, wei per gas.
PRICE = 100 * 10**9
PRETEND = keccak(text="pretend(uint256,uint256,uint256)")[:4]
PRETEND_CALLS = keccak(text="pretend(uint256,uint256,uint32)")[:4]


@dataclass(frozen=True)
class Ground:
    """A chain on which blocks come when they are wanted, and its customer."""

    chain: DevelopmentChain
    customer: Wallet

    @property
    def head(self) -> int:
        return self.chain.endpoint.number("eth_blockNumber")

    def mine(self, blocks: int = 1) -> None:
        # Some at a time: with much in its state anvil takes long for each.
        for done in range(0, blocks, 20):
            self.chain.endpoint.request("anvil_mine", hex(min(20, blocks - done)))

    def create(self, code: bytes) -> Address:
        sent = self.customer.send(None, code, gas=5_000_000, gas_price=PRICE)
        self.mine()
        return str(receipt_of(self.chain.endpoint, sent)["contractAddress"]).lower()

    def send_many(self, sends: Sequence[Callable[[int], object]], a_block: int) -> None:
        """Calls each with the nonce that is next; a block comes after so many of them, and more
        until all are mined."""
        first = self._transactions("pending")
        for nonce, send in enumerate(sends, first):
            send(nonce)
            if (nonce - first + 1) % a_block == 0:
                self.mine()
        while self._transactions("latest") < first + len(sends):
            self.mine()

    def _transactions(self, at: str) -> int:
        return self.chain.endpoint.number("eth_getTransactionCount", self.customer.address, at)


@contextmanager
def ground(directory: Path) -> Iterator[Ground]:
    with chain_on_anvil(directory, block_time=None, gas_limit=60_000_000, history=64) as chain:
        chain.endpoint.request("evm_setAutomine", False)
        customer = Wallet(chain.endpoint, Role.CUSTOMER)
        chain.endpoint.request("anvil_setBalance", customer.address, hex(1_000_000 * ETHER))
        yield Ground(chain, customer)


def measure() -> list[dict[str, Any]]:
    """The rows."""
    rows = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="footprint-")))

        def row(name: str, on: Ground, contract: Address, journal: str) -> None:
            rows.append({"what": name, **_watched(on, contract, directory / journal)})

        with ground(directory / "node") as on:
            deployed = on.chain.deployment
            row("v0.7, no calls", on, deployed.scheduler, "none")
            row("1.0, no calls", on, deployed.request_factory, "none-1.0")
            _schedule(on, deployed.scheduler)
            row("v0.7, 1,000 calls", on, deployed.scheduler, "v0.7")
            _request(on)
            row("1.0, 1,000 calls", on, deployed.request_factory, "1.0")
        with ground(directory / "node-of-calls") as on:
            contract = _past_calls(on)
            _schedule(on, contract)
            row("v0.7, 1,000 calls behind 100,000", on, contract, "v0.7-past")
        with ground(directory / "node-of-requests") as on:
            contract = _past_requests(on)
            row("1.0, behind 100,000 in the buckets asked for", on, contract, "1.0-asked")
            row("1.0, the same, started again", on, contract, "1.0-asked")
            on.mine(2_700)
            row("1.0, behind 100,000 of long ago", on, contract, "1.0-past")
    return rows


def _watched(on: Ground, contract: Address, directory: Path) -> Mapping[str, Any]:
    """Starts a program and looks at it for some blocks in which nothing is due."""
    (directory / SIGN_OF_LIFE).unlink(missing_ok=True)
    url = on.chain.node.ws
    with scheduler(url, contract, directory, claiming="never") as program:
        pid = program.process.pid
        cold = program.wait_for(on.head)
        known = program.pulse()["counts"]["known"]
        before = cpu_seconds(pid)
        for _ in range(BLOCKS):
            on.mine()
            program.wait_for(on.head)
        time.sleep(1)
        return {
            "known": known,
            "cold start/s": round(cold, 2),
            "resident/MiB": round(resident_mib(pid), 1),
            "own/MiB": round(own_mib(pid), 1),
            "peak/MiB": round(peak_mib(pid), 1),
            "CPU/block/ms": round(1000 * (cpu_seconds(pid) - before) / BLOCKS, 1),
        }


def _schedule(on: Ground, contract: Address) -> None:
    """Calls of v0.7 that are tracked from now on."""
    target = on.head + ROOM + LEAD
    wish = CallRequest(on.chain.deployment.counter, target)

    def send(nonce: int) -> None:
        send_schedule(on.customer, contract, wish, gas_price=PRICE, nonce=nonce)

    on.send_many([send] * CALLS, a_block=40)
    on.mine(target - LEAD - on.head)


def _request(on: Ground) -> None:
    """Requests of 1.0 that are tracked from now on."""
    target = on.head + ROOM + LEAD
    wish = TransactionRequest(on.chain.deployment.counter, target)
    scheduler_ = on.chain.deployment.block_scheduler

    def send(nonce: int) -> None:
        send_request(on.customer, scheduler_, wish, gas_price=PRICE, nonce=nonce)

    on.send_many([send] * CALLS, a_block=40)
    on.mine(target - LEAD - on.head)


def _past_calls(on: Ground) -> Address:
    """A Scheduler with a past; none of its calls is open."""
    libraries = {
        "AccountingLib": on.chain.deployment.accounting_lib,
        "CallLib": on.chain.deployment.call_lib,
    }
    call = link(future_calls("0.7")["FutureBlockCall"], libraries)
    blueprint = on.create(data_contract(b"\0" + call))
    code = own_contracts()["SchedulerWithHistory"].code
    contract = on.create(code + encode(["address"], [blueprint]))
    each = 200

    def send(number: int) -> Callable[[int], object]:
        # Before what may still be open at the 300 blocks that the chain begins with.
        values = [number * each, each, 1 + number % 20]
        data = PRETEND_CALLS + encode(["uint256", "uint256", "uint32"], values)
        return lambda nonce: on.customer.send(
            contract, data, gas=16_000_000, gas_price=PRICE, nonce=nonce
        )

    on.send_many([send(number) for number in range(PAST // each)], a_block=4)
    return contract


def _past_requests(on: Ground) -> Address:
    """A RequestFactory whose log has as many requests, 50 a block; their windows are over."""
    contract = on.create(own_contracts()["RequestHistory"].code)
    each, start = 50, on.head

    def send(number: int) -> Callable[[int], object]:
        values = [number * each, each, start - 20 - number % 240]
        data = PRETEND + encode(["uint256"] * 3, values)
        return lambda nonce: on.customer.send(
            contract, data, gas=1_000_000, gas_price=PRICE, nonce=nonce
        )

    on.send_many([send(number) for number in range(PAST // each)], a_block=1)
    return contract


def missed(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What falls short of the goals."""
    short = []
    for row in rows:
        if row["resident/MiB"] > RESIDENT_GOAL:
            short.append(f"{row['what']}: {row['resident/MiB']} MiB resident ({RESIDENT_GOAL})")
        if row["cold start/s"] > COLD_START_GOAL:
            short.append(f"{row['what']}: {row['cold start/s']} s to start ({COLD_START_GOAL})")
    by_name = {row["what"]: row for row in rows}
    for without, behind in (
        ("v0.7, 1,000 calls", "v0.7, 1,000 calls behind 100,000"),
        ("1.0, no calls", "1.0, behind 100,000 of long ago"),
        ("1.0, no calls", "1.0, behind 100,000 in the buckets asked for"),
    ):
        added = by_name[behind]["own/MiB"] - by_name[without]["own/MiB"]
        if added > LASTING_GOAL:
            short.append(f"{behind}: {added:.1f} MiB more than without ({LASTING_GOAL})")
    return short
