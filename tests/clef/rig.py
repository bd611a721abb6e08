"""A real geth that is no development node, driven over the Engine API, and a real clef.

geth serves hoodi from its genesis on, without peers; its blocks come from a stand-in for the
consensus client (tests/provision/consensus.py). clef is set up as provision/steps/60-account.sh
does it, and started by provision/run-clef.
"""

import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from scheduler.devchain import nodes
from scheduler.devchain.accounts import Role, address_of
from scheduler.devchain.deployment import Deployment, deploy
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.nodes import Node
from scheduler.devchain.toolchain import clef_path, geth_path
from tests.commands import finished, free_port, until
from tests.provision.consensus import TEN_ETHER, Engine, make_block

CHAIN_ID = 560048

PROVISION = Path(__file__).parents[2] / "provision"


class Consensus:
    """Drives a geth: a block a second, from `start` on; what it pays is in the next block."""

    def __init__(self, url: str, secret: str) -> None:
        self._engine = Engine(url, bytes.fromhex(secret))
        self._wanted: list[str] = []
        self._paid = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._drive, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def pay(self, *addresses: str) -> None:
        """Gives each ten ether."""
        self._wanted += addresses

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _drive(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            wanted = self._wanted[self._paid :]
            payments = [
                {"index": hex(i), "validatorIndex": hex(i), "address": each, "amount": TEN_ETHER}
                for i, each in enumerate(wanted, self._paid)
            ]
            with suppress(OSError, RuntimeError):
                make_block(self._engine, payments)
                self._paid += len(wanted)
            self._over.wait(max(0.0, began + 1 - time.monotonic()))


class Clef:
    """A clef with one account, which signs what `rules` allow."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home, self.sockets = directory / "clef", directory / "sockets"
        for each in (self.home, self.sockets):
            each.mkdir(mode=0o700)
        self.ipc = self.sockets / "clef.ipc"
        self._master, self._password = secrets.token_hex(16), directory / "key.password"
        (self.home / "master.password").write_text(self._master)
        self._run("init", self._master, self._master)
        key = self.home / "keystore" / "key.json"
        options = ("--password-file", str(self._password), "--config", "/dev/null")
        made = finished(directory, "scheduler", "account", "new", str(key), *options)
        self.address = made.stdout.splitlines()[0]
        password = self._password.read_text().strip()
        self._run("setpw", password, password, self._master, arguments=[self.address])
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, command: str, *lines: str, arguments: list[str] | None = None) -> None:
        subprocess.run(
            [
                *(str(clef_path()), "--suppress-bootwarn", "--lightkdf"),
                *("--configdir", str(self.home), "--keystore", str(self.home / "keystore")),
                *(command, *(arguments or [])),
            ],
            input="".join(f"{line}\n" for line in lines).encode(),
            check=True,
            capture_output=True,
            timeout=30,
        )

    def obey(self, rules: str) -> None:
        """Attests these rules; from the next start on they decide."""
        file = self.home / "rules.js"
        file.write_text(rules)
        digest = subprocess.run(["sha256sum", file], check=True, capture_output=True, text=True)
        self._run("attest", self._master, arguments=[digest.stdout.split()[0]])

    def start(self) -> None:
        """Starts it as supervisord does, and waits for its socket."""
        with open(self.directory / "clef.log", "wb") as log:
            self._process = subprocess.Popen(
                [str(PROVISION / "run-clef"), str(CHAIN_ID), str(clef_path())],
                env={
                    "PATH": os.environ["PATH"],
                    "CLEF_HOME": str(self.home),
                    "CLEF_SOCKETS": str(self.sockets),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(lambda: self.ipc.is_socket() and "IPC endpoint opened" in self.said(), seconds=30)

    def said(self) -> str:
        """Its log since its last start."""
        return (self.directory / "clef.log").read_text(errors="replace")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@contextmanager
def clef() -> Iterator[Clef]:
    """A clef that is set up; its socket's path is short enough for one."""
    with TemporaryDirectory(prefix="clef-") as directory:
        found = Clef(Path(directory))
        try:
            yield found
        finally:
            found.stop()


class Public:
    """A geth on a public network, its consensus client, and the contracts of the alarm clock."""

    def __init__(self, node: Node, consensus: Consensus, engine: str) -> None:
        self.node = node
        self.consensus = consensus
        self.engine = engine
        self.endpoint = Endpoint(node.http)
        self._deployment: Deployment | None = None

    def balance(self, address: str) -> int:
        return self.endpoint.number("eth_getBalance", address, "latest")

    def fund(self, *addresses: str) -> None:
        """Gives each ten ether, and waits until they have it."""
        self.consensus.pay(*addresses)
        until(lambda: all(self.balance(each) > 0 for each in addresses), seconds=30)

    @property
    def deployment(self) -> Deployment:
        if self._deployment is None:
            self.fund(address_of(Role.DEPLOYER), address_of(Role.CUSTOMER))
            self._deployment = deploy(self.endpoint)
        return self._deployment


@contextmanager
def geth(*options: str) -> Iterator[Public]:
    """One at its genesis, whose consensus client has not begun."""
    with TemporaryDirectory(prefix="geth-") as directory:
        home = Path(directory)
        jwt, port = secrets.token_hex(32), free_port()
        (home / "jwt.hex").write_text(jwt)
        apis = "eth,net,web3,txpool"
        command = [str(geth_path()), "--hoodi", "--syncmode", "full", "--datadir", str(home / "d")]
        command += ["--http", "--http.addr", "127.0.0.1", "--http.port", "0", "--http.api", apis]
        command += ["--ipcpath", str(home / "node.ipc"), "--nodiscover", "--maxpeers", "0"]
        command += ["--port", "0", "--authrpc.addr", "127.0.0.1", "--authrpc.port", str(port)]
        command += ["--authrpc.jwtsecret", str(home / "jwt.hex"), "--verbosity", "3", *options]
        launch = nodes._Launch("geth", command, nodes._GETH_PORT, 15)
        node = nodes._start(launch, home, 0, home / "node.ipc")
        engine = f"http://127.0.0.1:{port}"
        consensus = Consensus(engine, jwt)
        public = Public(node, consensus, engine)
        try:
            yield public
        finally:
            consensus.stop()
            public.endpoint.close()
            node.stop()


def rules_of(config: Path) -> str:
    """What `scheduler config clef` prints."""
    return finished(config.parent, "scheduler", "config", "clef", "--config", str(config)).stdout


def write(path: Path, **values: object) -> Path:
    """A configuration: a table for each that is a mapping, JSON's values being TOML's."""
    top = {name: each for name, each in values.items() if not isinstance(each, dict)}
    lines = [f"{name.replace('_', '-')} = {json.dumps(each)}" for name, each in top.items()]
    for name, table in values.items():
        if isinstance(table, dict):
            lines += [f"[{name}]", *(f"{key} = {json.dumps(each)}" for key, each in table.items())]
    path.write_text("\n".join([*lines, ""]))
    path.chmod(0o600)
    return path
