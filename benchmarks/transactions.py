"""What does the journal cost: from a due intent to the node's answer, beside sending without one?

Five ways to hit a counter take turns on one node, each with an account of its own but the last:

- `raw`: bytes that were signed before the clock runs, handed over in one message.
- `unjournaled`: what a program without a journal does: asks for nonce and price, signs, sends.
- `limit`: what no journal can beat: sign, write the bytes to a file and fsync it once, send.
- `ours`: look, prepare (prove, simulate, sign), commit, broadcast, as the programs do with every
  head.
- `ahead`: the same, prepared with an earlier head: look, commit, broadcast are what is left, and
  what a program reads once more before it commits, which is not in it.

The goals compare `ours` without the simulation, which none of the others makes: throughput with
`unjournaled` where several are due, the median latency with `limit`. What the simulation adds is a
column of its own. Throughput counts from the head on, what is read with every head included;
latency from the intent on: the programs read that much while families look for what is due.

What is left out as simulation is the time from its request to its results. The proofs, a read for
each intent, are asked for meanwhile, so that they cost what they take beyond that, and what they
slow the simulation down; what they take by themselves is a column, as is each step of `ours`.

No journal can have more of the throughput of `unjournaled` than a look and `limit` have: that, too,
is a column. It is the fsync: where few are due it is as long as sending them.

Where the rest of the time goes say the last columns: each step of `ours` without what `limit` does
in it. With one intent that is mostly what any number costs: one message with 6 requests (look), two
side by side (simulation, proofs), one with the bytes, and 28 statements of SQL, of which 12 are the
durable commit. It reads again what others may have changed meanwhile, and leaves 16 pages in the
WAL, since it adds to four tables with their indices. On anvil, without simulation, each further
intent costs 0.13 ms, where signing and sending one take 0.28: 0.08 in the commit, not quite half of
it SQLite's inserts, the rest making their rows; 0.04 in what is decided before it is signed.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from scheduler.chain.connection import connect
from scheduler.chain.errors import RpcError
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.model import Call, CallResult, Hash, Head, HeadEvent
from scheduler.chain.node import JsonRpcNode
from scheduler.chain.protocol import Chain
from scheduler.devchain.accounts import receipt_of
from scheduler.devchain.compiler import own_contracts
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.nodes import Node, start_anvil, start_geth
from scheduler.transactions.care import slots_of
from scheduler.transactions.desk import Desk
from scheduler.transactions.encoding import Pen, Signed, Transaction
from scheduler.transactions.fees import FeePolicy, first_price
from scheduler.transactions.guard import Guard
from scheduler.transactions.intents import Effects, Intent, Params, Progress, Told, Verdict
from scheduler.transactions.journal import Account, Journal, Prepared
from scheduler.transactions.receipts import Receipts
from scheduler.transactions.rules import Rule, RuleBook
from scheduler.transactions.sender import Sender
from scheduler.transactions.signers import KeySigner
from scheduler.transactions.states import OutcomeKind

RESULTS = Path(__file__).parent / "results" / "transactions.json"
NODES = ("anvil", "geth")
# How many intents are due at once, and how often that happens one after the other.
ROUNDS = ((1, 1), (1, 20), (10, 1), (50, 1), (200, 1))
HIT, TOTAL = (keccak(text=name)[:4] for name in ("hit()", "total()"))
GAS = 100_000
ETHER = 10**18
THROUGHPUT_GOAL, LATENCY_GOAL = 0.8, 1.5


class Timed(JsonRpcNode):
    """The node, which adds up how long it was simulating and making proofs, and notes when it
    answered a sending."""

    simulating = 0.0
    proving = 0.0
    answered = 0.0

    async def call(self, calls: Sequence[Call], at: Hash) -> list[CallResult]:
        began = time.perf_counter()
        try:
            return await super().call(calls, at)
        finally:
            self.proving += time.perf_counter() - began

    async def send_raw(self, raws: Sequence[bytes]) -> list[Hash | RpcError]:
        answers = await super().send_raw(raws)
        self.answered = time.perf_counter()
        return answers

    async def simulate(
        self, calls: Sequence[Call], on: Head, number: int, timestamp: int, base_fee: int | None
    ) -> list[CallResult]:
        began = time.perf_counter()
        try:
            return await super().simulate(calls, on, number, timestamp, base_fee)
        finally:
            self.simulating += time.perf_counter() - began


@dataclass
class Hits:
    """A family that is content when the counter was hit."""

    contract: str
    node: Chain
    name: str = "benchmark"

    async def observe(self, event: HeadEvent) -> None: ...

    def due(self, head: Head) -> list[Intent]:
        return []

    async def look_ahead(self, head: Head) -> None:
        pass

    def upcoming(self, head: Head) -> list[Intent]:
        return []

    async def recognises(self, intents: Sequence[Intent], head: Head) -> list[str | None]:
        """As many reads as the alarm makes."""
        views = [
            Call(self.contract, TOTAL + number.to_bytes(32, "big"))
            for number, _ in enumerate(intents)
        ]
        answers = await self.node.call(views, at=head.hash)
        return ["it counts" if answer.ok else None for answer in answers]

    def judge(self, kind: str, params: Params, effects: Effects) -> Verdict:
        done = effects.ok and bool(effects.logs)
        return Verdict(OutcomeKind.SUCCEEDED if done else OutcomeKind.REVERTED, kind)

    def still_useful(self, kind: str, params: Params, head: Head) -> bool:
        return True

    def forgettable(self, kind: str, params: Params, head: Head) -> bool:
        return False

    def retries(self, kind: str, outcome: OutcomeKind) -> bool:
        return False

    def told(self, intent: Told, progress: Progress) -> None: ...


@dataclass
class Ground:
    """A node with a counter, and what all ways to send have in common."""

    node: Timed
    endpoint: Endpoint
    counter: str
    is_anvil: bool
    chain_id: int

    def transaction(self, nonce: int, fee: Any) -> Transaction:
        return Transaction(self.chain_id, nonce, self.counter, 0, GAS, HIT, fee)

    async def head(self) -> Head:
        head = await self.node.block()
        assert head is not None
        return head

    async def conditions(self, account: str, head: Head) -> tuple[int, Any]:
        """The next nonce, and the price of the next block."""
        found = await self.node.conditions(account, head)
        return found.nonces.pending, first_price(head, found.suggested, FeePolicy())

    async def send(self, signed: Sequence[Signed]) -> None:
        answers = await self.node.send_raw([each.raw for each in signed])
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        if refused:
            raise RuntimeError(f"the node refused {len(refused)} transactions: {refused[0]}")


class Sending:
    """One way to send, from an account of its own; `get_ready` is not part of what is timed."""

    def __init__(self, ground: Ground, key: PrivateKey) -> None:
        self.ground = ground
        self._pen = Pen(key)
        self.address = key.public_key.to_address()
        self.nonce = 0
        self.fee: Any = None
        # What is timed by itself, of what was sent last, seconds.
        self.steps: dict[str, float] = {}

    async def get_ready(self, count: int) -> None:
        self.head = await self.ground.head()
        self.nonce, self.fee = await self.ground.conditions(self.address, self.head)

    async def look(self) -> None:
        """What is read with every head."""

    async def send(self, count: int) -> None:
        raise NotImplementedError

    def signed(self, count: int) -> list[Signed]:
        numbers = range(self.nonce, self.nonce + count)
        self.nonce += count
        return [self._pen.sign(self.ground.transaction(nonce, self.fee)) for nonce in numbers]


class Raw(Sending):
    async def get_ready(self, count: int) -> None:
        await super().get_ready(count)
        self.ready = self.signed(count)

    async def send(self, count: int) -> None:
        await self.ground.send(self.ready)


class Unjournaled(Sending):
    async def look(self) -> None:
        self.nonce, self.fee = await self.ground.conditions(self.address, self.head)

    async def send(self, count: int) -> None:
        await self.ground.send(self.signed(count))


class Limit(Sending):
    def __init__(self, ground: Ground, key: PrivateKey, path: Path) -> None:
        super().__init__(ground, key)
        self._file = path.open("ab")

    async def send(self, count: int) -> None:
        began = time.perf_counter()
        signed = self.signed(count)
        self.steps["sign"] = time.perf_counter() - began
        self._file.write(b"".join(each.raw for each in signed))
        self._file.flush()
        began = time.perf_counter()
        os.fsync(self._file.fileno())
        synced = time.perf_counter()
        await self.ground.send(signed)
        self.steps["fsync"] = synced - began
        self.steps["send"] = time.perf_counter() - synced


class Ours(Sending):
    def __init__(self, ground: Ground, key: PrivateKey, account: Account, journal: Path) -> None:
        super().__init__(ground, key)
        family = Hits(ground.counter, ground.node)
        self._account = account
        self._journal = Journal.open(journal)
        self._journal.admit(account)
        hit = Rule("hit", HIT, 0, ETHER, frozenset({ground.counter}))
        rules = RuleBook({family.name: [hit]})
        desk = Desk(
            ground.node,
            ground.chain_id,
            account,
            Guard(KeySigner(key), ground.node, rules, self._journal),
            self._journal,
            FeePolicy(),
            [family],
        )
        self._sender = Sender(desk)
        self._receipts = Receipts(desk, self._sender.gate, confirmations=1)
        self._count = 0
        self._intents: list[Intent] = []
        self._prepared: list[Prepared] = []

    async def get_ready(self, count: int) -> None:
        self.head = await self.ground.head()
        self._intents = [self._intent(self._count + number) for number in range(count)]
        self._count += count

    def _intent(self, number: int) -> Intent:
        return Intent(
            key=f"benchmark:{number}",
            family="benchmark",
            kind="hit",
            chain=self._account.chain,
            contract=self.ground.counter,
            params={"number": number},
            to=self.ground.counter,
            data=HIT,
            gas=GAS,
            first_block=0,
            last_block=2**31,
            max_cost=ETHER,
        )

    async def look(self) -> None:
        await self._sender.look(self.head)

    async def send(self, count: int) -> None:
        await self.prepare()
        await self.finish(count)

    async def prepare(self) -> None:
        began = time.perf_counter()
        self._prepared = await self._sender.prepare(self._intents, self.head)
        self.steps["prepare"] = time.perf_counter() - began

    async def finish(self, count: int) -> None:
        began = time.perf_counter()
        attempts = await self._sender.commit(self._prepared, self.head)
        committed = time.perf_counter()
        await self._sender.broadcast(attempts)
        self.steps["commit"] = committed - began
        self.steps["broadcast"] = time.perf_counter() - committed
        if len(attempts) != count:
            raise RuntimeError(f"only {len(attempts)} of {count} were sent")

    async def settle(self) -> bool:
        """Takes note of what was mined; whether nothing is in flight any more."""
        head = await self.ground.head()
        latest = (await self.ground.node.nonces(self.address)).latest
        slots = slots_of(self._journal.open_attempts(self._account))
        await self._receipts.follow(HeadEvent(head, (head,), (), False), latest, slots)
        return not self._journal.open_attempts(self._account)

    def close(self) -> None:
        self._journal.close()


class Ahead(Sending):
    """`ours`, when it was prepared before."""

    def __init__(self, ours: Ours) -> None:
        self.ground = ours.ground
        self.steps = ours.steps
        self._ours = ours

    async def get_ready(self, count: int) -> None:
        await self._ours.get_ready(count)
        await self._ours.look()
        await self._ours.prepare()

    async def look(self) -> None:
        await self._ours.look()

    async def send(self, count: int) -> None:
        await self._ours.finish(count)


async def settled(ours: Ours) -> None:
    """Blocks come until all that was sent is mined and final."""
    endpoint = ours.ground.endpoint
    while not await ours.settle() or _pending(endpoint):
        if ours.ground.is_anvil:
            endpoint.request("anvil_mine", "0x1")
        else:
            await asyncio.sleep(0.1)


def _pending(endpoint: Endpoint) -> bool:
    status = endpoint.request("txpool_status")
    return any(int(str(status[name]), 0) for name in ("pending", "queued"))


@dataclass(frozen=True)
class Taken:
    """Seconds for all of a round's intents: from the head until it was done with them, for what is
    read with every head, from the intent until the node's answer, and of it for simulating and for
    making proofs; and for each of our own `steps`."""

    whole: float
    looked: float
    answered: float
    simulating: float
    proving: float
    steps: dict[str, float]


async def clocked(way: Sending, due: int, times: int) -> Taken:
    node = way.ground.node
    whole = looked = answered = simulating = proving = 0.0
    steps: dict[str, float] = defaultdict(float)
    for _ in range(times):
        await way.get_ready(due)
        node.simulating = node.proving = 0.0
        began = time.perf_counter()
        await way.look()
        seen = time.perf_counter()
        await way.send(due)
        whole += time.perf_counter() - began
        looked += seen - began
        answered += node.answered - seen
        simulating += node.simulating
        proving += node.proving
        for name, seconds in way.steps.items():
            steps[name] += seconds
    return Taken(whole, looked, answered, simulating, proving, steps)


async def played(ways: dict[str, Sending], ours: Ours, due: int, times: int, repeat: int) -> Any:
    """Repetitions of one round, the ways in changing order; the first is not counted."""
    taken: dict[str, list[Taken]] = {name: [] for name in ways}
    names = list(ways)
    for repetition in range(repeat + 1):
        turn = repetition % len(names)
        for name in names[turn:] + names[:turn]:
            found = await clocked(ways[name], due, times)
            if repetition:
                taken[name].append(found)
        await settled(ours)
    return taken


def figures(taken: dict[str, list[Taken]], due: int, times: int) -> dict[str, Any]:
    """Medians over the repetitions."""

    def median(name: str, of: Callable[[Taken], float]) -> float:
        return statistics.median(of(each) for each in taken[name])

    whole = {name: median(name, lambda each: each.whole) for name in taken}
    answered = {name: median(name, lambda each: each.answered) for name in taken}
    throughput = median("ours", lambda each: each.whole - each.simulating)
    latency = median("ours", lambda each: each.answered - each.simulating)
    least = median("unjournaled", lambda each: each.looked) + whole["limit"]

    def own(of: Callable[[Taken], float]) -> float:
        """Of `ours`, milliseconds for a round."""
        return round(1000 * median("ours", of) / times, 2)

    def least_for(step: str) -> float:
        """Of `limit`, milliseconds for a round."""
        return round(1000 * median("limit", lambda each: each.steps[step]) / times, 2)

    prepare = own(lambda each: each.steps["prepare"] - each.simulating)
    commit = own(lambda each: each.steps["commit"])
    broadcast = own(lambda each: each.steps["broadcast"])

    return {
        "due": due,
        "one after the other": times,
        **{f"{name} sends/s": round(due * times / whole[name]) for name in ("raw", "unjournaled")},
        "ours sends/s": round(due * times / throughput),
        "of raw": round(whole["raw"] / throughput, 2),
        "of unjournaled": round(whole["unjournaled"] / throughput, 2),
        "look + limit, of unjournaled": round(whole["unjournaled"] / least, 2),
        "limit/ms": round(1000 * answered["limit"] / times, 2),
        "ours/ms": round(1000 * latency / times, 2),
        "of limit": round(latency / answered["limit"], 2),
        "ahead/ms": round(1000 * answered["ahead"] / times, 2),
        "ahead, of limit": round(answered["ahead"] / answered["limit"], 2),
        "ahead, of unjournaled": round(whole["unjournaled"] / whole["ahead"], 2),
        "with simulation/ms": round(1000 * answered["ours"] / times, 2),
        "with simulation, of unjournaled": round(whole["unjournaled"] / whole["ours"], 2),
        "with simulation, of limit": round(answered["ours"] / answered["limit"], 2),
        "look/ms": own(lambda each: each.looked),
        "prepare without simulation/ms": prepare,
        "simulation/ms": own(lambda each: each.simulating),
        "proofs meanwhile/ms": own(lambda each: each.proving),
        "commit/ms": commit,
        "broadcast/ms": broadcast,
        "sign/ms": least_for("sign"),
        "fsync/ms": least_for("fsync"),
        "send/ms": least_for("send"),
        "prepare - sign/ms": round(prepare - least_for("sign"), 2),
        "commit - fsync/ms": round(commit - least_for("fsync"), 2),
        "broadcast - send/ms": round(broadcast - least_for("send"), 2),
    }


def started(kind: str, directory: Path) -> Node:
    """A node that takes what is sent and mines it later, or each second."""
    if kind == "anvil":
        return start_anvil(directory, automine=False, gas_limit=60_000_000)
    return start_geth(directory)


async def measure(kind: str, repeat: int) -> list[dict[str, Any]]:
    """All rounds on one kind of node."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transactions-")))
        process = started(kind, directory / "node")
        stack.callback(process.stop)
        endpoint = Endpoint(process.http)
        stack.callback(endpoint.close)
        keys = [PrivateKey(keccak(text=f"benchmark {number}")) for number in range(4)]
        counter = prepare(endpoint, kind == "anvil", keys)
        node = Timed(connect(str(process.ipc)))
        try:
            chain_id = endpoint.number("eth_chainId")
            ground = Ground(node, endpoint, counter, kind == "anvil", chain_id)
            chain = await fingerprint(node, development=True)
            account = Account(chain, keys[3].public_key.to_address())
            ours = Ours(ground, keys[3], account, directory / "journal.db")
            stack.callback(ours.close)
            ways: dict[str, Sending] = {
                "raw": Raw(ground, keys[0]),
                "unjournaled": Unjournaled(ground, keys[1]),
                "limit": Limit(ground, keys[2], directory / "limit"),
                "ours": ours,
                "ahead": Ahead(ours),
            }
            results = []
            for due, times in ROUNDS:
                taken = await played(ways, ours, due, times, repeat)
                results.append({"node": kind, **figures(taken, due, times)})
            return results
        finally:
            await node.close()


def prepare(endpoint: Endpoint, is_anvil: bool, keys: Sequence[PrivateKey]) -> str:
    """Gives every account ether, and deploys the counter; answers its address."""
    rich = endpoint.request("eth_accounts")[0]
    price = hex(2 * endpoint.number("eth_gasPrice"))
    created = {"data": "0x" + own_contracts()["Counter"].code.hex(), "gas": hex(1_000_000)}
    gifts = [
        {"to": key.public_key.to_address(), "value": hex(1_000 * ETHER), "gas": hex(21_000)}
        for key in keys
    ]
    sent = [
        endpoint.request("eth_sendTransaction", {"from": rich, "gasPrice": price, **fields})
        for fields in [created, *gifts]
    ]
    if is_anvil:
        endpoint.request("anvil_mine", "0x1")
    receipts = [receipt_of(endpoint, hash_) for hash_ in sent]
    return str(receipts[0]["contractAddress"]).lower()


def table(results: list[dict[str, Any]]) -> str:
    """The results as a column each, beside what is measured."""
    rows = [[name, *(str(result[name]) for result in results)] for name in results[0]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    )


def missed(results: list[dict[str, Any]]) -> list[str]:
    """What falls short of the goals, a line each."""
    lines = []
    for result in results:
        where = f"{result['node']}, {result['due']} due"
        if result["due"] > 1 and result["of unjournaled"] < THROUGHPUT_GOAL:
            most = result["look + limit, of unjournaled"]
            lines.append(
                f"{where}: {result['of unjournaled']:.0%} of the throughput without one, of which "
                f"a look and limit have {most:.0%}"
            )
        if result["of limit"] > LATENCY_GOAL:
            lines.append(f"{where}: {result['of limit']} times sign + fsync + send")
    return lines


@click.command()
@click.option("--node", type=click.Choice(NODES), help="Only on this node.")
@click.option("--repeat", default=25, show_default=True, help="Repetitions of each round.")
def main(node: str | None, repeat: int) -> None:
    """Print a table; all nodes write benchmarks/results/transactions.json."""
    results: list[dict[str, Any]] = []
    for kind in NODES:
        if node in (None, kind):
            click.echo(f"== {kind}", err=True)
            results += asyncio.run(measure(kind, repeat))
    click.echo(table(results))
    if node is None:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    short = missed(results)
    click.echo(
        f"goals: {THROUGHPUT_GOAL:.0%} of the throughput without a journal where several are due, "
        f"{LATENCY_GOAL} times sign + fsync + send"
    )
    click.echo("\n".join(short) or "all are met")
    sys.exit(1 if short else 0)


if __name__ == "__main__":
    main()
