"""A box of real parts: supervisord with a scheduler and scheduler-monitor, an anvil behind a proxy
that can be disturbed, a journal on a small disk, and those who are told."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.supervisor import Supervisor
from scheduler.operations.keyfiles import make_key_file
from scheduler.plan import MONITOR
from scheduler.supervision import Placement, render
from tests.commands import BIN, alarm_chain, finished, free_port, until
from tests.faults.proxy import Proxy
from tests.faults.recorder import Recorder
from tests.faults.troubles import Disturbance, Disturbed, Fault, Message

ETHER = 10**18

# What the account should have at least, and for how long what it sent may wait, in seconds.
LEAST_BALANCE, SLOT_SECONDS = ETHER, 10

# Of the small disk; a twentieth of it is what the node would be stopped at.
DISK_MEGABYTES = 64


class Switched(Fault):
    """What a node says, while it is switched to be another than it is."""

    def __init__(self) -> None:
        self.stopped = self.syncing = self.other_chain = self.other_blocks = False

    def disturbs(self, methods: Any, line: int) -> Disturbed | None:
        return Disturbed(arrives=False, then=Disturbance.RESET) if self.stopped else None

    def edited(self, request: Message, answer: Message) -> Message:
        method, result = request["method"], answer.get("result")
        if method == "eth_syncing" and self.syncing:
            return {**answer, "result": {"currentBlock": "0x64", "highestBlock": "0xc8"}}
        if method == "eth_chainId" and self.other_chain:
            return {**answer, "result": hex(11155111)}
        if method == "eth_getBlockByNumber" and self.other_blocks and isinstance(result, dict):
            return {**answer, "result": {**result, "hash": "0x" + "ee" * 32}}
        return answer


class TimeServer:
    """Answers as a time server does (SNTP, RFC 5905); its clock is `ahead` of this machine's by so
    many seconds: what a clock that is wrong looks like from the box."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.name = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                _, asker = self._socket.recvfrom(512)
                now = time.time() + self.ahead + 2_208_988_800
                stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
                self._socket.sendto(bytes([0x24]) + bytes(31) + stamp + stamp, asker)
            except OSError:
                return

    def close(self) -> None:
        self._socket.close()


class Relay:
    """Passes connections on to a port of this machine, unless it is `away`: then they break off."""

    def __init__(self, port: int) -> None:
        self.away = False
        self._port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if self.away:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._port))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        # A connection that is kept open breaks off, too, when what it leads to goes away.
        with suppress(OSError), source, sink:
            while (data := source.recv(65_536)) and not self.away:
                sink.sendall(data)

    def close(self) -> None:
        self._server.close()


class Told:
    """Who is told by webhook and pinged: keeps what came."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.pings: list[float] = []
        self.refuses = False
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not told.refuses:
                    told.messages.append({**json.loads(body), "came_at": time.monotonic()})
                self._answer(503 if told.refuses else 200)

            def do_GET(self) -> None:
                told.pings.append(time.time())
                self._answer(200)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def about(self, check: str) -> list[dict[str, Any]]:
        """The messages about this check, in order, with when they came."""
        return [each for each in list(self.messages) if each["check"] == check]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


# Fails at once where the file beside it says so, and else stays: with these settings supervisord
# gives it up at the first failure, as it does with those of conf.d after ten thousand years.
VICTIM = """\
[program:victim]
command=/bin/sh -c "test ! -e {directory}/fails && exec sleep 100000"
startsecs=1
startretries=0
autorestart=false
autostart=true
stopsignal=KILL
"""


class Box:
    """The running box."""

    def __init__(
        self,
        directory: Path,
        data: Path,
        chain: DevelopmentChain,
        told: Told,
        times: TimeServer,
        node: Switched,
        second: Switched,
    ) -> None:
        self.directory = directory
        self.data = data
        self.journal = data / "journal.db"
        self.chain = chain
        self.told = told
        self.times = times
        self.node = node
        self.second = second
        self.metrics_port = free_port()
        self.page_port = free_port()
        self.key = directory / "key.json"
        self.address = make_key_file(self.key, directory / "key.password")
        self.config = directory / "config.toml"
        self.supervisor: Supervisor

    def configure(self, endpoint: str, second: str, extra: str = "") -> None:
        self.config.write_text(
            f"""
            network = "dev"
            rpc-url = "{endpoint}"
            journal = "{self.journal}"
            signer = "keystore"
            [keystore]
            file = "{self.key}"
            password-file = "{self.directory / "key.password"}"
            [alarm]
            addresses = ["{self.chain.deployment.scheduler}"]
            [heartbeat]
            interval = 3
            [monitor]
            metrics-port = {self.metrics_port}
            page-address = "127.0.0.1:{self.page_port}"
            supervisor = "{self.directory / "supervisor.sock"}"
            second-rpc-url = "{second}"
            time-server = "{self.times.name}"
            webhook = "{self.told.url}/hooks/abcdefghijklmnopqrstuvwxyz"
            ping-url = "{self.told.url}/ping"
            balance = "{LEAST_BALANCE} wei"
            {extra}
            """
        )
        self.config.chmod(0o600)

    def programs(self) -> dict[str, str]:
        """The program files as a box has them, and one that can be made to fail for good."""
        placement = Placement(
            user="",
            home=self.directory,
            bin_dir=BIN,
            directory=self.directory,
            log_dir=self.directory,
            environment={"SCHEDULER_CONFIG": str(self.config)},
        )
        # Without a user supervisord starts programs as itself, whoever runs the tests.
        found = {
            name: render(name, placement).replace("user=\n", "") for name in ("scheduler", MONITOR)
        }
        return {**found, "victim": VICTIM.format(directory=self.directory)}

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`scheduler ARGUMENTS`, as the operator of the box types it."""
        return finished(
            self.directory,
            "scheduler",
            *arguments,
            seconds=60,
            SCHEDULER_CONFIG=str(self.config),
            SCHEDULER_JOURNAL="",
        )

    def status(self) -> dict[str, Any]:
        done = self.command("status", "--json")
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def level(self, check: str) -> str:
        return levels(self.status()["checks"])[check]

    def doctor(self) -> dict[str, str]:
        return levels(json.loads(self.command("doctor", "--json").stdout))

    def metrics(self) -> str:
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def measured(self, name: str, **labels: str) -> float | None:
        """A sample's value; None where there is none."""
        return sample(self.metrics(), name, **labels)

    def measured_levels(self) -> dict[str, str]:
        """The level of each check by the metrics."""
        pattern = r'scheduler_check_status\{check="(.+)",level="(.+)"\} 1\.0'
        return dict(re.findall(pattern, self.metrics()))

    def shown_levels(self) -> dict[str, str]:
        """The level of each check by the status page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.page_port}/", timeout=10) as answer:
            text = answer.read().decode()
        return dict(re.findall(r'id="check-([\w.]+)" data-level="(\w+)"', text))

    def is_well(self) -> bool:
        """Whether the monitor has looked, and found a scheduler that follows the head."""
        try:
            return (self.measured("scheduler_program_head_block", program="scheduler") or 0) > 0
        except OSError:
            return False

    def pid(self, program: str) -> int:
        return int(self.supervisor.control("pid", program).stdout)

    def log(self, name: str) -> str:
        return (self.directory / name).read_text()


def levels(findings: list[dict[str, Any]]) -> dict[str, str]:
    return {each["check"]: each["level"] for each in findings}


def sample(text: str, name: str, **labels: str) -> float | None:
    """From what Prometheus reads."""
    for line in text.splitlines():
        match = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if match and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', match[1] or "")).items():
            return float(match[2])
    return None


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of its own, of some megabytes; only root may mount one."""
    directory.mkdir()
    options = ["-o", f"size={DISK_MEGABYTES}m,mode=755"]
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@contextmanager
def running(extra: str = "", own_disk: bool = True) -> Iterator[Box]:
    """A box that works: the scheduler follows the head, the monitor has looked."""
    with ExitStack() as stack:
        place = tempfile.TemporaryDirectory(prefix="box-", ignore_cleanup_errors=True)
        directory = Path(stack.enter_context(place))
        data = directory / "data"
        if own_disk:
            stack.enter_context(small_disk(data))
        else:
            data.mkdir()
        chain = stack.enter_context(alarm_chain())
        told, times = Told(), TimeServer()
        stack.callback(told.close)
        stack.callback(times.close)
        node, second = Switched(), Switched()
        recorder = Recorder(lambda: data / "journal.db")
        box = Box(directory, data, chain, told, times, node, second)
        chain.endpoint.request("anvil_setBalance", box.address, hex(10 * ETHER))
        chain.endpoint.request("evm_setIntervalMining", 1)
        ways = [
            stack.enter_context(Proxy(chain.node.ws, "http", directory, recorder, fault))
            for fault in (node, second)
        ]
        box.configure(ways[0].endpoint, ways[1].endpoint, extra)
        box.supervisor = stack.enter_context(Supervisor(directory, box.programs()))
        try:
            until(lambda: box.is_well(), 60)
        except AssertionError:
            print(box.log(f"{MONITOR}-stderr.log"), box.log("scheduler-stdout.log"))
            raise
        yield box


def stopped(pid: int) -> Any:
    """Within it the process is there and does nothing."""

    @contextmanager
    def holding() -> Iterator[None]:
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    return holding()
