"""The commands as operators start them: subprocesses, their lines and their ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.scheduling import CallRequest, ScheduledCall, schedule
from tests import nodes

BIN = Path(sys.executable).parent

# Two chains that were started in the same second must not look like one: locks are per chain.
_gas_limits = count(30_000_000 + os.getpid() % 10_000 * 100)


@contextmanager
def alarm_chain(**options: object) -> Iterator[DevelopmentChain]:
    """A chain with the alarm clock that is like no other; a block for every transaction."""
    with nodes.alarm_on_anvil(**{"gas_limit": next(_gas_limits), **options}) as chain:
        yield chain


def environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """What an operator's shell would hand over, with `home` for all that is theirs."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZ")}
    return {**kept, "HOME": str(home), "SCHEDULER_JOURNAL": str(home / "journal.db"), **extra}


def finished(
    home: Path, *command: str, seconds: float = 90, **extra: str
) -> "subprocess.CompletedProcess[str]":
    """The command's end, which must come by itself."""
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        env=environment(home, extra),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def refusal(home: Path, *command: str, status: int = 2, **extra: str) -> str:
    """The one line on standard error with which the command ends."""
    done = finished(home, *command, **extra)
    assert done.returncode == status, done
    (line,) = done.stderr.splitlines()
    assert "Traceback" not in done.stdout
    return line


class Running:
    """A command that runs until it is stopped; its lines are kept as they come."""

    def __init__(self, home: Path, *command: str, **extra: str) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._news = threading.Condition()
        self._streams = 2
        self.process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            env={**environment(home, extra), "PYTHONUNBUFFERED": "1"},
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        assert self.process.stderr
        self._pipes = (self.process.stdout, self.process.stderr)
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, lines), daemon=True)
            for pipe, lines in zip(self._pipes, (self.lines, self.errors), strict=True)
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _read(self, pipe: IO[str], lines: list[str]) -> None:
        for line in pipe:
            with self._news:
                lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._streams -= 1
            self._news.notify_all()

    def having(self, pattern: str) -> list[str]:
        """The lines so far that contain `pattern`."""
        return [line for line in self.lines if re.search(pattern, line)]

    def saw(self, pattern: str, times: int = 1, seconds: float = 90) -> str:
        """The line number `times` that contains `pattern`, waited for."""
        with self._news:
            there = self._news.wait_for(
                lambda: len(self.having(pattern)) >= times or not self._streams, seconds
            )
        assert there, f"no line {pattern!r} in {self.lines} {self.errors}"
        found = self.having(pattern)
        assert len(found) >= times, f"ended without {pattern!r}: {self.lines} {self.errors}"
        return found[times - 1]

    def kill(self) -> None:
        """SIGKILL, as the kernel's out-of-memory killer would."""
        self.process.kill()
        self._end(10)

    def stop(self, signum: int = signal.SIGTERM, seconds: float = 10) -> int:
        """The exit status after the signal, which must come within so many seconds."""
        self.process.send_signal(signum)
        return self._end(seconds)

    def ended(self, seconds: float = 60) -> int:
        """The exit status of a program that ends by itself."""
        return self._end(seconds)

    def _end(self, seconds: float) -> int:
        status = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(10)
        for pipe in self._pipes:
            pipe.close()
        return status

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        else:
            self._end(1)


def eth_alarm(chain: DevelopmentChain, home: Path, *options: str, **extra: str) -> Running:
    """`eth_alarm scheduler` on this chain, over HTTP unless the options say otherwise."""
    address = ["-a", chain.deployment.scheduler]
    way = options or ("-p", str(chain.node.port))
    return Running(home, "eth_alarm", "scheduler", *address, *way, **extra)


def schedule_on(chain: DevelopmentChain, ahead: int = 20) -> ScheduledCall:
    """A call of the counter, so many blocks after the head."""
    request = CallRequest(
        to=chain.deployment.counter,
        target_block=chain.endpoint.number("eth_blockNumber") + 1 + ahead,
    )
    return schedule(Wallet(chain.endpoint, Role.CUSTOMER), chain.deployment.scheduler, request)


def mine_up_to(chain: DevelopmentChain, block: int) -> None:
    """Makes the next transaction's block `block` + 1."""
    missing = block - chain.endpoint.number("eth_blockNumber")
    if missing > 0:
        chain.endpoint.request("anvil_mine", hex(missing))


def walk_to(chain: DevelopmentChain, block: int, home: Path, program: str = "eth_alarm") -> None:
    """Mines block by block up to `block`, each when the program has dealt with the one before.

    What the program sends makes blocks, too, where the node mines each transaction at once.
    """

    def head() -> int:
        return chain.endpoint.number("eth_blockNumber")

    while head() < block:
        chain.endpoint.request("anvil_mine")
        until(lambda: head_of(home, program) >= head())


def head_of(home: Path, program: str = "eth_alarm") -> int:
    """The last head that the program dealt with, -1 before the first."""
    pulse = pulse_of(home, program)
    return -1 if pulse is None or pulse["head"] is None else int(pulse["head"]["number"])


def pulse_of(home: Path, program: str = "eth_alarm") -> dict[str, Any] | None:
    """The program's last sign of life; never half of one."""
    try:
        text = (home / "programs" / f"{program}.json").read_text()
    except FileNotFoundError:
        return None
    found: dict[str, Any] = json.loads(text)
    return found


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Waits for what can only be asked."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
