"""How soon are Money on Chain's jobs sent when they fall due, and what does waiting for that cost?

The real contracts on a development node, `moc_jobs` as its users start it, and between the two a
meter that counts what the program asks. A job's condition becomes true in some block: the clock
starts when a bare WebSocket hears of that block, and stops when the meter has the transaction.
Conditions, events and blocks are read back from the chain by web3, not from the program.

The seed's times and its successor's are those that were measured before on the same contracts, in
another run. What can be reached at all is measured in this one: how long the bare socket takes from
hearing of a block to the answer to one question.
"""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import click
from aiohttp import web
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from scheduler.devchain.accounts import TransactionFailed, receipt_of
from scheduler.devchain.chain import fund
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.moc import ETHER, PRICE, MocDeployment, Spans, deploy_moc
from scheduler.devchain.moc_evidence import TRACES, JobEvidence, JobWitness
from scheduler.devchain.moc_market import BUCKET_LIQUIDATION_PRICE, LIQUIDATION_PRICE, Market
from scheduler.devchain.nodes import DEVELOPMENT_CHAIN_ID, Node, start_anvil, start_geth
from scheduler.moc.jobs import TASKS
from scheduler.plan import MOC_PROGRAMS

RESULTS = Path(__file__).parent / "results" / "jobs.json"
BIN = Path(sys.executable).parent
KEY = PrivateKey(b"\x63" * 32)

# What is periodic falls due often, and never all at once.
BUSY = Spans(day=8, holders=13, average=6, settlement=31)
# Nothing falls due but what a new deployment has to pay.
IDLE = Spans(day=10**6, holders=10**6, average=10**6, settlement=10**6)

BEFORE = {
    "seed (measured before, another run)": "12.7 to 52.6 s",
    "its successor 3.0.3 (measured before, another run)": "5.4 to 6.7 s",
}

ROUND_TRIPS_GOAL, CPU_GOAL, MEMORY_GOAL, FOUR_MEMORY_GOAL = 2.0, 1.0, 60.0, 200.0


# How a program asks for new blocks where none are reported, over HTTP.
POLL = ("eth_getBlockByNumber", ["latest", False])


class Meter:
    """Stands before a node, over WebSocket and HTTP on one port: counts each message of the program
    as a round trip, and those that only ask for the latest block as polls, and notes when each
    transaction was there."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._loop = asyncio.new_event_loop()
        self.round_trips = 0
        self.polls = 0
        self.sent: dict[str, float] = {}
        self.port = 0

    def __enter__(self) -> "Meter":
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    async def _open(self) -> None:
        self._session = aiohttp.ClientSession()
        application = web.Application(client_max_size=2**26)
        application.router.add_route("*", "/", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._relay(request)
        body = await request.text()
        self._note(body)
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._node.http, data=body, headers=headers) as answer:
            return web.Response(body=await answer.read(), content_type="application/json")

    async def _relay(self, request: web.Request) -> web.WebSocketResponse:
        program = web.WebSocketResponse(max_msg_size=2**26)
        await program.prepare(request)
        async with self._session.ws_connect(self._node.ws, max_msg_size=2**26) as node:

            async def answers() -> None:
                async for message in node:
                    await program.send_str(message.data)

            answering = asyncio.ensure_future(answers())
            try:
                async for message in program:
                    self._note(message.data)
                    await node.send_str(message.data)
            finally:
                answering.cancel()
        return program

    def _note(self, text: str) -> None:
        now = time.monotonic()
        self.round_trips += 1
        asked = json.loads(text)
        requests = asked if isinstance(asked, list) else [asked]
        self.polls += [(each["method"], each["params"]) for each in requests] == [POLL]
        for each in requests:
            if each["method"] == "eth_sendRawTransaction":
                raw = bytes.fromhex(each["params"][0][2:])
                self.sent.setdefault("0x" + keccak(raw).hex(), now)


class Heads:
    """When a bare WebSocket heard of each block, and how long it then took to be answered."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._loop = asyncio.new_event_loop()
        self.at: dict[int, float] = {}
        self.answered: list[float] = []

    def __enter__(self) -> "Heads":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._listen())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)

    async def _listen(self) -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(self._node.ws) as socket:
            await socket.send_json(_question(1, "eth_subscribe", "newHeads"))
            async for message in socket:
                content = message.json()
                if content.get("method") == "eth_subscription":
                    now = time.monotonic()
                    self.at[int(content["params"]["result"]["number"], 16)] = now
                    await socket.send_json(_question(2, "eth_chainId"))
                elif content.get("id") == 2:
                    self.answered.append(time.monotonic() - max(self.at.values()))


def _question(number: int, method: str, *params: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


@dataclass
class Site:
    """A node with the contracts, seeded, and what measures it."""

    node: Node
    endpoint: Endpoint
    at: MocDeployment
    market: Market
    meter: Meter
    heads: Heads

    @property
    def head(self) -> int:
        return self.endpoint.number("eth_blockNumber")

    def in_real_time(self, block_time: int) -> None:
        """From now on blocks come when their timestamps say so; until then one every second."""
        if self.node.kind == "anvil":
            self.endpoint.request("anvil_removeBlockTimestampInterval")
            self.endpoint.request("evm_setTime", hex(int(time.time())))
            self.endpoint.request("evm_setIntervalMining", block_time)

    def wait(self, blocks: int) -> None:
        last = self.head + blocks
        while self.head < last:
            time.sleep(0.05)


@contextmanager
def site(kind: str, block_time: int, spans: Spans, directory: Path) -> Iterator[Site]:
    """The blocks have come every `block_time` seconds for long, as far as anybody can tell."""
    directory.mkdir()
    with ExitStack() as stack:
        node = _node(kind, block_time, directory)
        stack.callback(node.stop)
        endpoint = Endpoint(node.http)
        stack.callback(endpoint.close)
        if kind == "geth":
            fund(endpoint)
        else:
            endpoint.request("anvil_setBlockTimestampInterval", block_time)
        at = deploy_moc(endpoint, "moc_base", spans=spans)
        market = Market(endpoint, at)
        market.seed()
        _give(endpoint)
        if kind == "anvil":
            endpoint.request("anvil_mine", hex(120))
            endpoint.request("evm_setIntervalMining", 1)
        market.set_price(PRICE)
        meter = stack.enter_context(Meter(node))
        heads = stack.enter_context(Heads(node))
        yield Site(node, endpoint, at, market, meter, heads)


def _node(kind: str, block_time: int, directory: Path) -> Node:
    if kind == "geth":
        return start_geth(directory, period=block_time)
    # Those of the past, of the deployment, and until the program has nothing to do.
    began = int(time.time()) - 300 * block_time
    return start_anvil(directory, options=["--timestamp", str(began)])


def _give(endpoint: Endpoint) -> None:
    """Ether for the account of the jobs, from the node's own."""
    source = endpoint.request("eth_accounts")[0]
    payment = {"from": source, "to": KEY.public_key.to_address(), "value": hex(100 * ETHER)}
    receipt_of(endpoint, endpoint.request("eth_sendTransaction", payment))


@dataclass
class Program:
    """Programs that do the jobs, each with its child where it has one."""

    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def pss(self) -> float:
        """Their proportional share of memory, in MiB (proc(5), smaps_rollup)."""
        return sum(_pss(process.pid) for process in self.processes)

    def children(self) -> list[int]:
        """What they started, the sender of the heartbeat."""
        return [
            int(pid)
            for process in self.processes
            for task in Path(f"/proc/{process.pid}/task").iterdir()
            for pid in (task / "children").read_text().split()
        ]

    def cpu(self) -> float:
        """Seconds of a core that they have used."""
        ticks = 0
        for process in self.processes:
            words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(words[11]) + int(words[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has ended")


@contextmanager
def moc_jobs(place: Site, way: str, directory: Path) -> Iterator[Program]:
    """As its users start it, with a heartbeat to a CloudWatch that nobody answers for."""
    network = {
        "app_mode": "MoC",
        "uri": [f"{way}://127.0.0.1:{place.meter.port}"],
        "chain_id": DEVELOPMENT_CHAIN_ID,
        "addresses": {"MoC": place.at["MoC"]},
    }
    content = {"tasks": {name: {} for name in TASKS}, "networks": {"local": network}}
    (directory / "config.json").write_text(json.dumps(content))
    command = ["moc_jobs", "-c", str(directory / "config.json"), "-n", "local"]
    heartbeat = {
        "MOC_JOBS_NAME": "benchmark",
        "AWS_DEFAULT_REGION": "us-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }
    with _started([command], directory, heartbeat) as program:
        yield program


@contextmanager
def four_programs(place: Site, way: str, directory: Path) -> Iterator[Program]:
    """The jobs as programs of their own, with one journal."""
    config = directory / "config.toml"
    config.write_text(
        f'rpc-url = "{way}://127.0.0.1:{place.meter.port}"\nsigner = "environment"\n'
        f'[moc]\naddress = "{place.at["MoC"]}"\nsplit = true\n'
    )
    commands = [["scheduler", "run", name, "--config", str(config)] for name in MOC_PROGRAMS]
    with _started(commands, directory, {}) as program:
        yield program


@contextmanager
def _started(
    commands: Sequence[Sequence[str]], directory: Path, more: dict[str, str]
) -> Iterator[Program]:
    environment = {
        **os.environ,
        "SCHEDULER_JOURNAL": str(directory / "journal.db"),
        "ACCOUNT_PK_SECRET": KEY.to_bytes().hex(),
        **more,
    }
    program = Program()
    with (directory / "program.log").open("w") as log:
        try:
            for name, *arguments in commands:
                program.processes.append(
                    subprocess.Popen(
                        [str(BIN / name), *arguments],
                        env=environment,
                        cwd=directory,
                        stdout=log,
                        stderr=log,
                        text=True,
                    )
                )
            yield program
        finally:
            for process in program.processes:
                process.send_signal(signal.SIGTERM)
            for process in program.processes:
                process.wait(timeout=10)


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("it did not come true in time")
        time.sleep(0.1)


def _works(place: Site, witness: JobWitness) -> bool:
    """Whether what a new deployment has to pay is paid."""
    return all(
        witness.testify(job).mined_in is not None
        for job in ("daily_inrate_payment", "pay_bitpro_holders")
    )


def how_soon(kind: str, way: str, block_time: int, blocks: int) -> dict[str, Any]:
    """One round in which all seven jobs fall due, most of them several times."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs-")))
        place = stack.enter_context(site(kind, block_time, BUSY, directory / "node"))
        place.in_real_time(block_time)
        begun = place.head
        witness = JobWitness(place.node.http, place.at, KEY.public_key.to_address(), begun)
        stack.enter_context(moc_jobs(place, way, directory))
        until(lambda: _works(place, witness))
        first = place.head
        play(place, first + blocks)
        found = [each for job in TRACES for each in witness.history(job)]
        # What was due before the program had begun to work says nothing.
        counted = [each for each in found if each.true_at is not None and each.true_at > first]
        return latency(kind, way, block_time, counted, place)


def play(place: Site, last: int) -> None:
    """Prices expire and fall again and again; the last of them liquidates everything."""
    market = place.market
    while place.head < last:
        market.set_price(PRICE, seconds=2)
        place.wait(5)
        market.set_price(PRICE)
        _trade(market)
        market.set_price(BUCKET_LIQUIDATION_PRICE)
        place.wait(3)
        market.set_price(PRICE)
        place.wait(3)
    _trade(market)
    market.set_price(LIQUIDATION_PRICE)
    place.wait(6)


def _trade(market: Market) -> None:
    """Something for the next fall of the price to liquidate."""
    # While a settlement runs the contracts refuse it, and then there is one fall in vain.
    with suppress(TransactionFailed):
        market.trade(stable=ETHER, leveraged=ETHER)


def latency(
    kind: str, way: str, block_time: int, found: Sequence[JobEvidence], place: Site
) -> dict[str, Any]:
    seconds, heads_late, mined_after = [], [], []
    for each in found:
        assert each.true_at is not None
        assert each.mined_in is not None
        sent = place.meter.sent[each.transaction]
        seconds.append(sent - place.heads.at[each.true_at])
        later = [number for number, at in place.heads.at.items() if at <= sent]
        heads_late.append(max(later) - each.true_at)
        mined_after.append(each.mined_in - each.true_at)
        if not each.is_prompt:
            click.echo(f"   late: {each}, sent after {seconds[-1]:.3f} s", err=True)
    return {
        "node": kind,
        "way": way,
        "block time/s": block_time,
        "jobs": len({each.job for each in found}),
        "times": len(found),
        "sent after/s, median": round(statistics.median(seconds), 3),
        "worst": round(max(seconds), 3),
        "after/blocks, median": statistics.median(heads_late),
        "worst ": max(heads_late),
        "mined in the next block": sum(blocks == 1 for blocks in mined_after),
        "later": sum(blocks > 1 for blocks in mined_after),
        "bare socket/s": round(statistics.median(place.heads.answered), 4),
    }


def what_it_costs(which: str, way: str, block_time: int, blocks: int) -> dict[str, Any]:
    """One round in which nothing is due any more; `which` are moc_jobs or the four programs."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs-")))
        place = stack.enter_context(site("anvil", block_time, IDLE, directory / "node"))
        witness = JobWitness(place.node.http, place.at, KEY.public_key.to_address(), place.head)
        start = moc_jobs if which == "moc_jobs" else four_programs
        program = stack.enter_context(start(place, way, directory))
        until(lambda: _works(place, witness))
        # What was mined is final after two more blocks, and is followed until then.
        place.wait(3)
        place.in_real_time(block_time)
        place.wait(1)
        trips, polls = place.meter.round_trips, place.meter.polls
        cpu, at = program.cpu(), time.monotonic()
        place.wait(blocks)
        elapsed = time.monotonic() - at
        polled = (place.meter.polls - polls) / blocks
        per_block = (place.meter.round_trips - trips) / blocks - polled
        return {
            "program": which,
            "way": way,
            "block time/s": block_time,
            "round trips per block": round(per_block, 2),
            "polls for it": round(polled, 2),
            "cpu/%": round(100 * (program.cpu() - cpu) / elapsed, 2),
            "memory/MiB (PSS)": round(program.pss(), 1),
            "heartbeat's child/MiB": round(sum(map(_pss, program.children())), 1),
        }


SOON = (("anvil", "ws", 1, 70), ("anvil", "http", 1, 70), ("geth", "ws", 1, 70))
COSTS = (
    ("moc_jobs", "ws", 1, 40),
    ("four programs", "ws", 1, 40),
    ("moc_jobs", "ws", 30, 4),
    ("moc_jobs", "http", 30, 4),
)


def table(results: Sequence[dict[str, Any]]) -> str:
    """The results as a row each, under their names."""
    rows = [list(results[0]), *([str(value) for value in each.values()] for each in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def shortfalls(soon: Sequence[dict[str, Any]], costs: Sequence[dict[str, Any]]) -> list[str]:
    """Each goal that was not reached, in a line."""
    found = []
    for each in soon:
        name = f"{each['node']} over {each['way']}"
        if each["jobs"] < len(TRACES):
            found.append(f"{name}: only {each['jobs']} of the jobs fell due and were done")
        if each["worst "]:
            found.append(f"{name}: one was sent {each['worst ']} blocks after it was due")
        if each["later"]:
            found.append(f"{name}: {each['later']} of {each['times']} were mined later than next")
    for each in costs:
        name = f"{each['program']} over {each['way']} at {each['block time/s']} s"
        programs = 1 if each["program"] == "moc_jobs" else len(MOC_PROGRAMS)
        memory = MEMORY_GOAL if programs == 1 else FOUR_MEMORY_GOAL
        if each["round trips per block"] > ROUND_TRIPS_GOAL * programs:
            found.append(f"{name}: {each['round trips per block']} round trips per block")
        if each["block time/s"] >= 30 and each["cpu/%"] > CPU_GOAL:
            found.append(f"{name}: {each['cpu/%']} % of a core")
        if each["memory/MiB (PSS)"] > memory:
            found.append(f"{name}: {each['memory/MiB (PSS)']} MiB")
    return found


@click.command()
@click.option("--quick", is_flag=True, help="Only the first round of each kind; nothing is kept.")
def main(quick: bool) -> None:
    """Play the rounds and print two tables; all of them write benchmarks/results/jobs.json."""
    soon, costs = [], []
    for chosen in SOON[:1] if quick else SOON:
        click.echo(f"== {' '.join(map(str, chosen))} blocks", err=True)
        soon.append(how_soon(*chosen))
    for idle in COSTS[:1] if quick else COSTS:
        click.echo(f"== idle: {' '.join(map(str, idle))} blocks", err=True)
        costs.append(what_it_costs(*idle))
    click.echo("From the block in which a condition became true to the transaction at the node:")
    click.echo(table(soon))
    for name, times in BEFORE.items():
        click.echo(f"{name}: {times}")
    click.echo("\nWhile nothing is due:")
    click.echo(table(costs))
    missed = shortfalls(soon, costs)
    for line in missed:
        click.echo(f"short of the goal: {line}")
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        content = {"how soon": soon, "before": BEFORE, "idle": costs, "short of the goal": missed}
        RESULTS.write_text(json.dumps(content, indent=2) + "\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
