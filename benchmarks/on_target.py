"""Are calls mined exactly at their target block, while somebody else fills half of each block?

A development chain, the scheduler as its users start it, a customer who schedules calls, and a
crowd that sends half a block's gas, at a higher price than anybody else, whenever a block is
mined. What became of each call is read back from the chain by web3, not from the scheduler.
"""

import json
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from benchmarks.parts import clocked
from benchmarks.parts.program import funded_key, resident_mib, scheduler, table
from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.chain import DevelopmentChain, chain_on_anvil, chain_on_geth
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.evidence import Evidence, Witness
from scheduler.devchain.scheduling import CallRequest, ScheduledCall, scheduled_by, send_schedule

RESULTS = Path(__file__).parent / "results"
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

# 100 calls at 100 blocks, and at one; played side by side, the longest takes 25 minutes.
LONG = tuple(
    # While calls are scheduled, anvil's blocks come every second in each of them.
    Round(node, block_time, 100, targets, 20 if node == "geth" and block_time > 1 else 60)
    for block_time in (12, 6, 1)
    for node in ("anvil", "geth")
    for targets in (100, 1)
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


def development_chain(plan: Round, directory: Path) -> AbstractContextManager[DevelopmentChain]:
    """The node of a round. On anvil the blocks come every second until calls are scheduled."""
    if plan.node == "anvil":
        return chain_on_anvil(directory, block_time=1, gas_limit=60_000_000)
    return chain_on_geth(directory, block_time=plan.block_time)


def measure(plan: Round, keep: bool) -> dict[str, Any]:
    """Plays one round; the figures that matter."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="on-target-")))
        chain = stack.enter_context(development_chain(plan, directory / "node"))
        program = stack.enter_context(
            scheduler(
                chain.node.ws,
                chain.deployment.scheduler,
                directory / "program",
                funded_key(chain),
                more=f"[budget]\nslots = {plan.calls + 20}\n",
            )
        )
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
        memory = resident_mib(program.process.pid)
        witness = Witness(chain.node.http)
        found = [witness.testify(call, chain.deployment.counter) for call in calls]
        fullness = block_fullness(chain, min(c.target_block for c in calls), last - PATIENCE)
        result = summary(plan, found, fullness, memory)
        if keep or result["late"] or result["early"] or result["not executed"]:
            log = RESULTS / f"on-target-{plan.node}-{plan.block_time}s-{plan.targets}.log"
            log.write_text(program.log.read_text())
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


@click.command()
@click.option("--node", type=click.Choice(["anvil", "geth"]), help="Only on this node.")
@click.option("--block-time", type=int, help="Only with blocks of so many seconds.")
@click.option("--long", "long_", is_flag=True, help="The long rounds, side by side.")
@click.option("--by-time", is_flag=True, help="Calls by time, on blocks that come as they like.")
@click.option("--keep-logs", is_flag=True, help="Keep the scheduler's log of every round.")
def main(
    node: str | None, block_time: int | None, long_: bool, by_time: bool, keep_logs: bool
) -> None:
    """Play the rounds and print a table; all of a kind are kept in benchmarks/results/."""
    if by_time:
        name, results, whole = "on-target-by-time", clocked.measure(), True
    else:
        rounds = LONG if long_ else ROUNDS
        chosen = [
            plan
            for plan in rounds
            if node in (None, plan.node) and block_time in (None, plan.block_time)
        ]
        name, whole = "on-target-long" if long_ else "on-target", len(chosen) == len(rounds)
        with ThreadPoolExecutor(len(chosen) if long_ else 1) as pool:
            results = list(pool.map(lambda plan: measure(plan, keep_logs), chosen))
    click.echo(table(results))
    if whole:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=2) + "\n")
    missed = sum(result["calls"] - result["on target"] for result in results)
    click.echo(f"{missed} calls were not mined at their target.")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
