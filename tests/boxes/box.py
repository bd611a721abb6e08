"""A box: a host's name, a network namespace, which has locks of the kernel of its own, and ways of
its own to the node and to the database."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from scheduler.processes import bound_command
from tests.boxes.crew import Task
from tests.boxes.wire import Recorder, Wire
from tests.postgres import Server

ROOT = Path(__file__).parents[2]


@dataclass
class Box:
    """Runs programs, each with a log in its directory. What leaves it is in `recorder`."""

    name: str
    directory: Path
    init: "subprocess.Popen[str]"
    node: Wire
    database: Wire
    recorder: Recorder
    port: int

    def journal(self, database: str) -> str:
        """How its programs reach the journal, over its own way."""
        return f"postgresql://scheduler@/{database}?host={self.directory}&port={self.port}"

    def run(self, task: Task) -> "Program":
        """Starts a program with this task."""
        return Program(self, task)

    def command(self, *words: str) -> list[str]:
        """What runs a command in the box."""
        user = [] if os.getuid() == 0 else ["--user", "--preserve-credentials"]
        enter = ["nsenter", f"--target={self.init.pid}", *user, "--net", "--uts", "--"]
        return bound_command([*enter, *words])


class Program:
    """A program of a box; its log goes on when it is started again."""

    def __init__(self, box: Box, task: Task) -> None:
        self.log = box.directory / f"{task.program}.log"
        command = box.command(sys.executable, "-m", "tests.boxes.crew", json.dumps(asdict(task)))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def is_stopped(self) -> bool:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def box(name: str, node: str, server: Server) -> Iterator[Box]:
    """A box whose node is behind the socket `node`; its programs end before it."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-")))
        # libpq's name for a socket (its documentation, 34.1.2, host).
        socket, recorder = f".s.PGSQL.{server.port}", Recorder()
        wire = stack.enter_context(Wire(directory / "node.ipc", Path(node), recorder))
        database = stack.enter_context(Wire(directory / socket, server.socket / socket))
        init = stack.enter_context(_namespaces(name))
        yield Box(name, directory, init, wire, database, recorder, server.port)


@contextmanager
def _namespaces(name: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that keeps the box's namespaces there."""
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    words = f"hostname {name} && echo ready && exec sleep infinity"
    command = ["unshare", *user, "--net", "--uts", "sh", "-c", words]
    process = subprocess.Popen(bound_command(command), stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
