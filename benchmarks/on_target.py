"""Are calls mined exactly at their target block, while somebody else fills half of each block?

A development chain, the scheduler as its users start it, a customer who schedules calls, and a
crowd that sends half a block's gas, at a higher price than anybody else, whenever a block is
mined. What became of each call is read back from the chain by web3, not from the scheduler.
"""

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.chain import DevelopmentChain, chain_on_anvil, chain_on_geth
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.evidence import Evidence, Witness
from scheduler.devchain.scheduling import CallRequest, ScheduledCall, scheduled_by, send_schedule

RESULTS = Path(__file__).parent / "results" / "on-target.json"
BURN = keccak(text="burn(uint256)")[:4]
# More than anybody else offers the builder, wei per gas.
TIP = 5 * 10**9
# Blocks after the last target for which late executions are waited for.
PATIENCE = 8


@dataclass(frozen=True)
class Round:
    """`calls` calls to be executed at `targets` different blocks of `block_time` seconds.

    `lead` is how many blocks lie between the head at scheduling and the first target: the contract
    asks for 10, and scheduling itself fills some.
    """

    node: str
    block_time: int
    calls: int
    targets: int
    lead: int


ROUNDS = (
    Round("anvil", 1, 200, 60, 30),
    Round("anvil", 6, 40, 12, 16),
    Round("geth", 1, 200, 60, 30),
    Round("geth", 6, 40, 12, 14),
)


class Crowd(threading.Thread):
    """Sends a transaction that burns half of a block's gas with every block."""

    def __init__(self, chain: DevelopmentChain) -> None:
        super().__init__(daemon=True)
        self._chain = chain
        self._over = threading.Event()
        self.sent = 0

    def run(self) -> None:
        endpoint = Endpoint(self._chain.endpoint.url)
        wallet = Wallet(endpoint, Role.CROWD)
        limit = int(endpoint.request("eth_getBlockByNumber", "latest", False)["gasLimit"], 16)
        # EIP-7825 caps one transaction at 16,777,216 gas; several make up half of a larger block.
        count = -(-limit // 2 // 15_000_000)
        gas = limit // 2 // count
        data = BURN + encode(["uint256"], [gas - 100_000])
        nonce = endpoint.number("eth_getTransactionCount", wallet.address, "latest")
        seen = ""
        while not self._over.wait(0.05):
            block = endpoint.request("eth_getBlockByNumber", "latest", False)
            if block["hash"] == seen:
                continue
            seen = block["hash"]
            # Not from the node's own idea of a price: that follows this very sender, and doubles.
            price = 2 * int(block["baseFeePerGas"], 16) + TIP
            for _ in range(count):
                wallet.send(
                    self._chain.deployment.guzzler, data, gas=gas, gas_price=price, nonce=nonce
                )
                nonce += 1
            self.sent += count

    def stop(self) -> None:
        self._over.set()
        self.join()


def schedule(chain: DevelopmentChain, plan: Round) -> list[ScheduledCall]:
    """Schedules the calls, evenly over the target blocks, and waits until they are mined."""
    wallet = Wallet(chain.endpoint, Role.CUSTOMER)
    head = chain.endpoint.number("eth_blockNumber")
    nonce = chain.endpoint.number("eth_getTransactionCount", wallet.address, "latest")
    price = wallet.gas_price()
    requests = [
        CallRequest(chain.deployment.counter, head + plan.lead + index % plan.targets)
        for index in range(plan.calls)
    ]
    sent = [
        send_schedule(
            wallet, chain.deployment.scheduler, request, gas_price=price, nonce=nonce + index
        )
        for index, request in enumerate(requests)
    ]
    return [
        scheduled_by(wallet, chain.deployment.scheduler, request, hash_)
        for request, hash_ in zip(requests, sent, strict=True)
    ]


@contextmanager
def scheduler(chain: DevelopmentChain, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """The scheduler as its users start it, over WebSocket, until the end."""
    config = directory / "config.toml"
    config.write_text(
        f'rpc-url = "{chain.node.ws}"\njournal = "{directory / "journal.db"}"\n'
        f'[alarm]\naddresses = ["{chain.deployment.scheduler}"]\n'
    )
    with (directory / "scheduler.log").open("w") as log:
        command = [str(Path(sys.executable).parent / "scheduler"), "run", "scheduler"]
        process = subprocess.Popen(
            [*command, "--config", str(config)], stdout=log, stderr=log, text=True
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)


def resident_mib(pid: int) -> float:
    """Resident memory of a process in MiB (proc(5), VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has ended")


def development_chain(plan: Round, directory: Path) -> AbstractContextManager[DevelopmentChain]:
    """The node of a round. On anvil the blocks come every second until calls are scheduled."""
    if plan.node == "anvil":
        return chain_on_anvil(directory, block_time=1)
    return chain_on_geth(directory, block_time=plan.block_time)


def measure(plan: Round, keep: bool) -> dict[str, Any]:
    """Plays one round; the figures that matter."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="on-target-")))
        chain = stack.enter_context(development_chain(plan, directory / "node"))
        process = stack.enter_context(scheduler(chain, directory))
        calls = schedule(chain, plan)
        if plan.node == "anvil":
            chain.endpoint.request("evm_setIntervalMining", plan.block_time)
        crowd = Crowd(chain)
        crowd.start()
        try:
            last = max(call.target_block for call in calls) + PATIENCE
            while chain.endpoint.number("eth_blockNumber") < last:
                time.sleep(0.5)
        finally:
            crowd.stop()
        memory = resident_mib(process.pid)
        witness = Witness(chain.node.http)
        found = [witness.testify(call, chain.deployment.counter) for call in calls]
        fullness = block_fullness(chain, min(c.target_block for c in calls), last - PATIENCE)
        result = summary(plan, found, fullness, memory)
        if keep or result["late"] or result["early"] or result["not executed"]:
            log = RESULTS.parent / f"on-target-{plan.node}-{plan.block_time}s.log"
            log.write_text((directory / "scheduler.log").read_text())
        return result


def block_fullness(chain: DevelopmentChain, first: int, last: int) -> float:
    """The mean share of the gas limit that these blocks used."""
    shares = []
    for number in range(first, last + 1):
        block = chain.endpoint.request("eth_getBlockByNumber", hex(number), False)
        shares.append(int(block["gasUsed"], 16) / int(block["gasLimit"], 16))
    return sum(shares) / len(shares)


def summary(plan: Round, found: list[Evidence], fullness: float, memory: float) -> dict[str, Any]:
    offsets = Counter(
        evidence.executed_in - evidence.target_block
        for evidence in found
        if evidence.executed_in is not None
    )
    return {
        "node": plan.node,
        "block time/s": plan.block_time,
        "calls": plan.calls,
        "target blocks": plan.targets,
        "early": sum(count for offset, count in offsets.items() if offset < 0),
        "on target": offsets[0],
        "late": sum(count for offset, count in offsets.items() if offset > 0),
        "not executed": sum(evidence.executed_in is None for evidence in found),
        "executed once with effect": sum(evidence.effects == 1 for evidence in found),
        "blocks' gas used": f"{fullness:.0%}",
        "memory/MiB": round(memory, 1),
    }


def table(results: list[dict[str, Any]]) -> str:
    """The results as a row each, under their names."""
    names = list(results[0]) if results else []
    rows = [names, *([str(result[name]) for name in names] for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


@click.command()
@click.option("--node", type=click.Choice(["anvil", "geth"]), help="Only on this node.")
@click.option("--block-time", type=int, help="Only with blocks of so many seconds.")
@click.option("--keep-logs", is_flag=True, help="Keep the scheduler's log of every round.")
def main(node: str | None, block_time: int | None, keep_logs: bool) -> None:
    """Play the rounds and print a table; all of them write benchmarks/results/on-target.json."""
    RESULTS.parent.mkdir(exist_ok=True)
    chosen = [
        plan
        for plan in ROUNDS
        if node in (None, plan.node) and block_time in (None, plan.block_time)
    ]
    results = []
    for plan in chosen:
        click.echo(f"== {plan}", err=True)
        results.append(measure(plan, keep_logs))
    click.echo(table(results))
    if len(chosen) == len(ROUNDS):
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    missed = sum(result["calls"] - result["on target"] for result in results)
    click.echo(f"{missed} calls were not mined at their target block.")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
