"""How much is asked of a node per block, beside the number of scheduled calls?

All calls have one target block, or ten have each of as many blocks as it takes. Idle are blocks
before the calls come near; then they are tracked; the window is from two blocks before the first
target on.

Each client has an anvil of its own, and a proxy before it that counts messages (round trips) and
the methods in them; what is asked between two blocks belongs to the first of them. timenode-core
asks by the clock, every 4 s, and has blocks every 12 s; where the calls are many it asks for longer
than that, and so much a block is what it gets done. Ours has its next block when it is done with
the last one.
"""

import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from benchmarks.parts.program import Scheduler, funded_key, resident_mib, scheduler
from benchmarks.parts.proxy import Proxy, Traffic
from benchmarks.parts.timenode import CHAIN_ID, timenode
from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.chain import DevelopmentChain, chain_on_anvil
from scheduler.devchain.chronologic import TransactionRequest, send_request
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.nodes import DEVELOPMENT_CHAIN_ID
from scheduler.devchain.scheduling import CallRequest, send_schedule

NUMBERS = (1, 10, 100, 1_000)
OURS = ("v0.7", "1.0", "v0.7, 10 a block", "1.0, 10 a block")
CLIENTS = (*OURS, "timenode-core")
GAS_LIMIT = 60_000_000

# Blocks from the head at scheduling to the target: farther than calls are tracked, or claimed.
LEAD = 400
# The phases: blocks before the target at which each begins, and how many blocks it is measured.
PHASES = {"idle": (350, 5), "tracked": (30, 3), "window": (2, 9)}

# From facts measured on anvil at 12 s blocks with the PyPI client 7.0.0, which needs Python 2.7:
# not run here. Median and most single requests a block; it has no batches, so round trips are as
# many.
PYPI_CLIENT = {1: (8, 12, 19), 10: (26, 48, 78), 100: (206, 589, 756)}

ETHER = 10**18
TOTAL = keccak(text="total()")[:4]


@dataclass
class Track:
    """A client on a chain of its own: the calls' target, and what it asked in each phase."""

    chain: DevelopmentChain
    proxy: Proxy
    running: "Scheduler | subprocess.Popen[str]"
    target: int
    log: Path
    asked: dict[str, list[Traffic]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The other client may keep the node busy for minutes.
        self._endpoint = Endpoint(self.chain.node.http, timeout=600.0)

    @property
    def head(self) -> int:
        return self._endpoint.number("eth_blockNumber")

    def mine(self, blocks: int = 1) -> None:
        self._endpoint.request("anvil_mine", hex(blocks), "0xc")

    def pass_time(self, block_time: float) -> None:
        """Waits until the client is done with the head: our own says when, the other does not."""
        if isinstance(self.running, Scheduler):
            self.running.wait_for(self.head)
            time.sleep(0.2)
        else:
            time.sleep(block_time)

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        running = self.running
        return running.process.pid if isinstance(running, Scheduler) else running.pid

    @property
    def executed(self) -> int:
        """How many calls have hit the counter."""
        message = {"to": self.chain.deployment.counter, "data": "0x" + TOTAL.hex()}
        return int(self._endpoint.request("eth_call", message, "latest"), 16)


def measure(numbers: Sequence[int], clients: Sequence[str], block_time: float) -> list[Any]:
    """A row for each number of calls and client, some of them side by side."""
    wanted = [
        (number, client)
        for number in numbers
        for client in clients
        if number > 10 or "a block" not in client
    ]
    with ThreadPoolExecutor(2) as pool, ThreadPoolExecutor(2) as peers:
        rows = [
            (pool if client in OURS else peers).submit(_row, number, client, block_time)
            for number, client in wanted
        ]
    return [row.result() for row in rows] + [
        {
            "calls": number,
            "client": "PyPI client 7.0.0, as measured before",
            "idle methods": f"{idle} / ?",
            "window methods": f"{median} / {most}",
        }
        for number, (idle, median, most) in PYPI_CLIENT.items()
        if number in numbers
    ]


def _row(number: int, client: str, block_time: float) -> dict[str, Any]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="asking-")))
        track = stack.enter_context(_track(number, client, directory))
        track.pass_time(3 * block_time)
        for phase, (before, blocks) in PHASES.items():
            track.mine(track.target - before - track.head)
            track.pass_time(2 * block_time)
            track.proxy.turn()
            track.asked[phase] = []
            for _ in range(blocks):
                track.mine()
                track.pass_time(block_time)
                track.asked[phase].append(track.proxy.turn())
        return _summary(number, client, track)


@contextmanager
def _track(number: int, client: str, directory: Path) -> Iterator[Track]:
    """A chain with so many calls at one target, and the client that serves them."""
    with ExitStack() as stack:
        chain = stack.enter_context(
            chain_on_anvil(
                directory / "node",
                block_time=None,
                gas_limit=GAS_LIMIT,
                chain_id=CHAIN_ID if client == "timenode-core" else DEVELOPMENT_CHAIN_ID,
            )
        )
        chain.endpoint.request("evm_setAutomine", False)
        target = _schedule(chain, client, number)
        proxy = stack.enter_context(Proxy(chain.node.ws))
        deployed = chain.deployment
        key = funded_key(chain)
        factory = deployed.request_factory
        log = directory / ("timenode.log" if client not in OURS else "program/scheduler.log")
        running = (
            timenode(proxy.endpoint, factory, key, directory)
            if client == "timenode-core"
            else scheduler(
                proxy.endpoint,
                deployed.scheduler if client.startswith("v0.7") else factory,
                directory / "program",
                key,
                claiming="never",
            )
        )
        yield Track(chain, proxy, stack.enter_context(running), target, log)


def _schedule(chain: DevelopmentChain, client: str, number: int) -> int:
    """Schedules so many calls, and answers the first target block."""
    wallet = Wallet(chain.endpoint, Role.CUSTOMER)
    chain.endpoint.request("anvil_setBalance", wallet.address, hex(100_000 * ETHER))
    target = chain.endpoint.number("eth_blockNumber") + LEAD
    nonce = chain.endpoint.number("eth_getTransactionCount", wallet.address, "latest")
    price = wallet.gas_price()
    deployed = chain.deployment
    for each in range(nonce, nonce + number):
        at = target + (each - nonce) // 10 if "a block" in client else target
        if client.startswith("v0.7"):
            wish = CallRequest(deployed.counter, at)
            send_schedule(wallet, deployed.scheduler, wish, gas_price=price, nonce=each)
        else:
            request = TransactionRequest(deployed.counter, at)
            send_request(wallet, deployed.block_scheduler, request, gas_price=price, nonce=each)
        if each % 40 == 0:
            chain.endpoint.request("anvil_mine", "0x1")
    while (
        chain.endpoint.number("eth_getTransactionCount", wallet.address, "latest") < nonce + number
    ):
        chain.endpoint.request("anvil_mine", "0x1")
    return target


def _summary(number: int, client: str, track: Track) -> dict[str, Any]:
    row: dict[str, Any] = {"calls": number, "client": client}
    for phase, asked in track.asked.items():
        row[f"{phase} round trips"] = _spread([each.round_trips for each in asked])
        row[f"{phase} methods"] = _spread([each.requests for each in asked])
    window = sum((each.methods for each in track.asked["window"]), Counter[str]())
    row["asked most in the window"] = ", ".join(
        f"{name} {count}" for name, count in window.most_common(4)
    )
    row["executed"] = f"{track.executed} of {number}"
    row["memory/MiB"] = round(resident_mib(track.pid), 1)
    if "exceeds maximum accepted frame size" in track.said:
        row["remark"] = "it found no calls: its WebSocket takes no answer of more than 1 MiB"
    return row


def _spread(values: Sequence[int]) -> str:
    return f"{statistics.median(values):g} / {max(values)}"


def missed(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What falls short: of our own, more than 3 round trips in an idle block, or anything more with
    more calls, as long as no more of them are due, or have come near to be read."""
    short = []
    ours = [row for row in rows if row["client"] in OURS]
    for row in ours:
        most = int(row["idle round trips"].split(" / ")[1])
        if most > 3:
            short.append(f"{row['client']}, {row['calls']} calls: {most} round trips idle")
    for client in OURS:
        # Where ten have each block, some come near in each: they are read once.
        phases = ("idle",) if "a block" in client else ("idle", "tracked")
        for name in [f"{phase} {what}" for phase in phases for what in ("round trips", "methods")]:
            spreads = {row["calls"]: row[name] for row in ours if row["client"] == client}
            if len(set(spreads.values())) > 1:
                short.append(f"{client}: {name} are not flat: {spreads}")
    return short
