"""A box: a host's name, a network namespace, which has locks of the kernel of its own, and ways of
its own to the node and to the database."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from scheduler.processes import bound_command
from tests.boxes.crew import Task
from tests.boxes.wire import Recorder, Wire
from tests.postgres import Server

ROOT = Path(__file__).parents[2]


class Nursery:
    """The process that keeps the box's namespaces, and forks its programs (tests.boxes.crew)."""

    def __init__(self, name: str) -> None:
        user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
        words = f'hostname {name} && exec "$0" -m tests.boxes.crew'
        command = ["unshare", *user, "--net", "--uts", "sh", "-c", words, sys.executable]
        self._process = subprocess.Popen(
            bound_command(command),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._news = threading.Condition()
        self._started: list[int] = []
        self._ended: dict[int, int] = {}
        self._is_ready = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, log: Path, task: Task) -> int:
        """The process id of a new program."""
        assert self._process.stdin
        with self._news:
            before = len(self._started)
            self._process.stdin.write(json.dumps([str(log), asdict(task)]) + "\n")
            self._process.stdin.flush()
            assert self._news.wait_for(lambda: len(self._started) > before, 60)
            return self._started[-1]

    def status(self, pid: int) -> int | None:
        """The exit status of a program; None while it runs."""
        return self._ended.get(pid)

    def wait(self, pid: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: pid in self._ended, 60)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            what, *numbers = line.split()
            with self._news:
                if what == "started":
                    self._started.append(int(numbers[0]))
                elif what == "ended":
                    self._ended[int(numbers[0])] = int(numbers[1])
                else:
                    self._is_ready = True
                self._news.notify_all()

    def __enter__(self) -> "Nursery":
        with self._news:
            assert self._news.wait_for(lambda: self._is_ready, 60)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(10)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            with suppress(BrokenPipeError):
                pipe.close()


@dataclass
class Box:
    """Runs programs, each with a log in its directory. What leaves it is in `recorder`."""

    name: str
    directory: Path
    nursery: Nursery
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
        enter = ["nsenter", f"--target={self.nursery.pid}", *user, "--net", "--uts", "--"]
        return bound_command([*enter, *words])


class Program:
    """A program of a box; its log goes on when it is started again."""

    def __init__(self, box: Box, task: Task) -> None:
        self._nursery, self._task = box.nursery, task
        self.log = box.directory / f"{task.program}.log"
        self._pid = self._nursery.start(self.log, task)

    @property
    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._nursery.status(self._pid)

    @property
    def is_stopped(self) -> bool:
        stat = Path(f"/proc/{self._pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def signal(self, signum: int) -> None:
        """Sends it a signal, unless it has ended."""
        if self.status is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signum)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._nursery.wait(self._pid)

    def kill_and_start(self) -> None:
        """As a supervisor would, at once."""
        self.kill()
        self._pid = self._nursery.start(self.log, self._task)


@contextmanager
def box(name: str, node: str, server: Server) -> Iterator[Box]:
    """A box whose node is behind the socket `node`; its programs end before it."""
    with ExitStack() as stack:
        nursery = stack.enter_context(Nursery(name))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-")))
        # libpq's name for a socket (its documentation, 34.1.2, host).
        socket, recorder = f".s.PGSQL.{server.port}", Recorder()
        wire = stack.enter_context(Wire(directory / "node.ipc", Path(node), recorder))
        database = stack.enter_context(Wire(directory / socket, server.socket / socket))
        yield Box(name, directory, nursery, wire, database, recorder, server.port)
