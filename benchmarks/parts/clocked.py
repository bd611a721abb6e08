"""Calls by time: in the first block that could be known to be in time, however the blocks come?

A call's window opens at a second; what is sent after a block is meant for the next one, whose time
is not known before it is there. It is at least a slot later than its parent, or a second where
there are no slots. A call is on target in the first block of which that was enough. On anvil, whose
blocks are given their times, so that nothing has to be waited for.
"""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.parts.program import funded_key, scheduler
from scheduler.alarm.v10 import EXECUTED
from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.chain import DevelopmentChain, chain_on_anvil
from scheduler.devchain.chronologic import TransactionRequest, requested_by, send_request
from scheduler.devchain.nodes import DEVELOPMENT_CHAIN_ID

SEPOLIA = 11_155_111
CALLS, BLOCKS = 60, 60
# From the head to the first window, in seconds: a request's frozen time is 180.
LEAD = 400


@dataclass(frozen=True)
class Course:
    """Seconds from block to block, again and again, where a slot has `slot` seconds."""

    name: str
    intervals: tuple[int, ...]
    chain_id: int
    slot: int


COURSES = (
    Course("slots of 12 s", (12,), SEPOLIA, 12),
    Course("a slot missed now and then", (12, 12, 24, 12, 36), SEPOLIA, 12),
    Course("1 s and 120 s apart", (1, 120, 1, 1, 120, 120, 1), DEVELOPMENT_CHAIN_ID, 1),
)


def measure() -> list[dict[str, Any]]:
    """A row for each course of blocks."""
    return [_row(course) for course in COURSES]


def _row(course: Course) -> dict[str, Any]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clocked-")))
        chain = stack.enter_context(
            chain_on_anvil(
                directory / "node",
                block_time=None,
                gas_limit=60_000_000,
                chain_id=course.chain_id,
            )
        )
        key = funded_key(chain)
        starts = _schedule(chain, course)
        program = stack.enter_context(
            scheduler(
                chain.node.ws,
                chain.deployment.timestamp_scheduler,
                directory / "program",
                key,
                claiming="never",
            )
        )
        head = chain.endpoint.number("eth_blockNumber")
        program.wait_for(head)
        times = {head: _time(chain, head)}
        intervals = cycle(course.intervals)
        while times[head] < max(starts.values()) + 3 * max(course.intervals):
            near = times[head] > min(starts.values()) - 200
            times[head + 1] = times[head] + (next(intervals) if near else 12)
            head += 1
            chain.endpoint.request("evm_setNextBlockTimestamp", hex(times[head]))
            chain.endpoint.request("anvil_mine", "0x1")
            program.wait_for(head)
        return _summary(course, starts, times, _executions(chain))


def _schedule(chain: DevelopmentChain, course: Course) -> dict[str, int]:
    """Requests whose windows open at random in the time to come, with their first seconds."""
    wallet, random = Wallet(chain.endpoint, Role.CUSTOMER), Random(course.name)
    price = wallet.gas_price()
    now = _time(chain, chain.endpoint.number("eth_blockNumber"))
    mean = sum(course.intervals) / len(course.intervals)
    found = {}
    for _ in range(CALLS):
        start = now + LEAD + random.randrange(int(BLOCKS * mean))
        wish = TransactionRequest(chain.deployment.counter, start, window_size=3_600)
        sent = send_request(wallet, chain.deployment.timestamp_scheduler, wish, gas_price=price)
        found[requested_by(wallet, wish, sent).address] = start
    chain.endpoint.request("evm_setAutomine", False)
    return found


def _time(chain: DevelopmentChain, block: int) -> int:
    return int(chain.endpoint.request("eth_getBlockByNumber", hex(block), False)["timestamp"], 16)


def _executions(chain: DevelopmentChain) -> dict[str, int]:
    """In which block each request was executed."""
    wanted = {"topics": [EXECUTED], "fromBlock": "0x0", "toBlock": "latest"}
    logs = chain.endpoint.request("eth_getLogs", wanted)
    return {log["address"].lower(): int(log["blockNumber"], 16) for log in logs}


def _summary(
    course: Course, starts: dict[str, int], times: dict[int, int], executed: dict[str, int]
) -> dict[str, Any]:
    early = late = on_target = 0
    for call, start in starts.items():
        first = min(
            block
            for block in times
            if block - 1 in times and times[block - 1] + course.slot >= start
        )
        block = executed.get(call)
        early += block is not None and times[block] < start
        on_target += block == first
        late += block is not None and block > first
    return {
        "blocks": course.name,
        "calls": len(starts),
        "early": early,
        "on target": on_target,
        "late": late,
        "not executed": len(starts) - len(executed),
    }
