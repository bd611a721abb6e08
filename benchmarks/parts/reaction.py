"""How long from a head to the node's answer to the transactions that it makes due?

On geth with a block every second, each client behind a proxy that clocks when it was told of a head
and when the last of its transactions was answered. Beside the scheduler, which executes calls of
v0.7, there are two others:

- `bare` sends bytes that were signed before: what no program can beat;
- `limit` does that after one commit with fsync and one read: what no program with a journal can.

They take their turns before and after the scheduler: half of their rounds each. At what the
scheduler does at other heads, such as preparing what is due next, nobody looks here.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_keys.datatypes import PrivateKey

from benchmarks.parts.program import funded_key, scheduler
from benchmarks.parts.proxy import Proxy
from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.chain import DevelopmentChain, chain_on_geth
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.scheduling import CallRequest, send_schedule
from scheduler.transactions.encoding import DynamicFee, Pen, Transaction

# How many calls are due at once, how often, and the blocks from one time to the next.
ROUNDS = ((1, 100, 1), (100, 30, 3))
GOAL_MEDIAN, GOAL_99 = 2.0, 3.0
FEE = DynamicFee(max_fee=100 * 10**9, tip=2 * 10**9)


@dataclass
class Other:
    """One of the bare clients: its account, and how long each of its rounds took, in seconds."""

    name: str
    key: PrivateKey
    parity: int
    nonce: int = 0
    took: list[float] = field(default_factory=list)

    def signed(self, chain_id: int, due: int, rounds: int) -> list[list[str]]:
        """So many rounds of transfers of nothing to itself."""
        pen, address = Pen(self.key), self.key.public_key.to_address()
        numbers = iter(range(self.nonce, self.nonce + due * rounds))
        self.nonce += due * rounds

        def one() -> str:
            transaction = Transaction(chain_id, next(numbers), address, 0, 21_000, b"", FEE)
            return "0x" + pen.sign(transaction).raw.hex()

        return [[one() for _ in range(due)] for _ in range(rounds)]


def measure(scale: float) -> list[dict[str, Any]]:
    """A row for each number of calls that are due at once; `scale` makes the rounds fewer."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reaction-")))
        chain = stack.enter_context(chain_on_geth(directory / "node"))
        others = [Other(name, funded_key(chain), at) for at, name in enumerate(("bare", "limit"))]
        key = funded_key(chain)
        rows = []
        for due, times, step in ROUNDS:
            rounds = max(2, int(times * scale))
            work = directory / str(due)
            work.mkdir()
            _play(chain, others, due, rounds // 2, work)
            # geth hangs up on who asks nothing for two minutes.
            anew = replace(chain, endpoint=Endpoint(chain.node.http))
            ours = list(_ours(anew, key, due, rounds, step, work))
            _play(chain, others, due, rounds - rounds // 2, work)
            took = {"ours": ours, **{other.name: other.took for other in others}}
            rows.append(_row(due, took))
            for other in others:
                other.took = []
        return rows


def _play(
    chain: DevelopmentChain, others: Sequence[Other], due: int, rounds: int, directory: Path
) -> None:
    """Some rounds of both, at heads by turns."""
    with ExitStack() as stack:
        running = []
        for other in others:
            proxy = stack.enter_context(Proxy(chain.node.ws))
            command = [sys.executable, "-m", "benchmarks.parts.bare", proxy.endpoint]
            command.append(str(other.parity))
            if other.name == "limit":
                command.append(str(directory / f"limit-{time.monotonic_ns()}.db"))
            process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
            assert process.stdin is not None
            raws = other.signed(chain.deployment.chain_id, due, rounds)
            process.stdin.write(json.dumps(raws))
            process.stdin.close()
            running.append((other, proxy, process))
        for other, proxy, process in running:
            if process.wait(timeout=60 + 4 * rounds):
                raise RuntimeError(f"the client {other.name} failed")
            other.took += _complete(proxy, due)


def _ours(
    chain: DevelopmentChain, key: PrivateKey, due: int, rounds: int, step: int, directory: Path
) -> Iterator[float]:
    """The scheduler's, from calls of which so many have one target."""
    wallet = Wallet(chain.endpoint, Role.CUSTOMER)
    nonce = chain.endpoint.number("eth_getTransactionCount", wallet.address, "latest")
    price = wallet.gas_price()
    # 50 fit into a block of 60M gas, and the first comes well after the last is there.
    head = chain.endpoint.number("eth_blockNumber")
    first = head + due * rounds // 30 + 40
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(chain.node.ws))
        program = stack.enter_context(
            scheduler(
                proxy.endpoint,
                chain.deployment.scheduler,
                directory / "program",
                key,
                claiming="never",
                more=f"[budget]\nslots = {4 * due + 100}\n",
            )
        )
        for each in range(due * rounds):
            request = CallRequest(chain.deployment.counter, first + each // due * step)
            send_schedule(
                wallet, chain.deployment.scheduler, request, gas_price=price, nonce=nonce + each
            )
        program.wait_for(head)
        if chain.endpoint.number("eth_blockNumber") > first - 10:
            raise RuntimeError("scheduling took too long: the first target is near already")
        proxy.reactions.clear()
        last = first + rounds * step
        while chain.endpoint.number("eth_blockNumber") < last:
            time.sleep(0.5)
        yield from _complete(proxy, due)


def _complete(proxy: Proxy, due: int) -> list[float]:
    """Seconds of the rounds of which each transaction was answered before the next head."""
    return [
        reaction.answered[due - 1] - reaction.told
        for reaction in proxy.reactions.values()
        if len(reaction.answered) >= due
    ]


def _row(due: int, took: dict[str, list[float]]) -> dict[str, Any]:
    row: dict[str, Any] = {"due": due}
    for name, seconds in took.items():
        row[f"{name} rounds"] = len(seconds)
        for share in (50, 99):
            row[f"{name} p{share}/ms"] = round(1000 * _percentile(seconds, share), 2)
    for name in ("bare", "limit"):
        for share in (50, 99):
            ratio = row[f"ours p{share}/ms"] / row[f"{name} p{share}/ms"]
            row[f"p{share} of {name}"] = round(ratio, 2)
    return row


def _percentile(values: Sequence[float], share: int) -> float:
    """Of few values the 99th percentile is the highest."""
    if not values:
        return float("nan")
    if share == 50:
        return statistics.median(values)
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)]


def missed(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What falls short of the goals beside the client with a commit and a read."""
    short = []
    for row in rows:
        for share, goal in ((50, GOAL_MEDIAN), (99, GOAL_99)):
            ratio = row[f"p{share} of limit"]
            if not ratio <= goal:
                short.append(f"{row['due']} due: p{share} is {ratio} times the limit ({goal})")
    return short
