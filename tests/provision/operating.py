"""What an operator does on a box: set it up, schedule a call, look at logs."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.provision.machine import CHECKOUT, OPERATOR, SECONDS, Machine

SETUP = f"{CHECKOUT}/provision/setup.sh"
SCHEDULER_LOG = "/var/log/supervisor/scheduler-stdout.log"


@dataclass(frozen=True)
class Call:
    """A scheduled call, and the block that it is for."""

    address: str
    target: int


def set_up(machine: Machine, *options: str, check: bool = True) -> str:
    """`sudo provision/setup.sh OPTIONS`, as the operator types it; everything that it said."""
    done = machine.run(SETUP, *options, check=False, environment={"SUDO_USER": OPERATOR})
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
    return done.stdout + done.stderr


def schedule(machine: Machine, blocks: int = 20, state: str = "/data/ethereum") -> Call:
    """A call on the box's own chain, so many blocks from now, once its node answers."""
    accounts(machine)
    command = ("scheduler", "dev", "--state-dir", state, "schedule")
    line = machine.run(*command, "--in", str(blocks)).stdout
    match = re.fullmatch(r"(0x[0-9a-f]{40}) target block (\d+)\n", line)
    assert match, line
    return Call(match[1], int(match[2]))


def accounts(machine: Machine) -> str:
    """What `scheduler account show` says, once the node answers."""
    command = ("scheduler", "account", "show")
    eventually(lambda: machine.run(*command, check=False).returncode == 0, "the node answers")
    return machine.run(*command).stdout


def log(machine: Machine, path: str = SCHEDULER_LOG) -> str:
    """A program's log as the operator reads it, without sudo."""
    return machine.run("cat", path, user=OPERATOR, check=False).stdout


def states(machine: Machine) -> dict[str, str]:
    """What `supervisorctl status` says to the operator, without sudo, by program."""
    done = machine.run("supervisorctl", "status", user=OPERATOR, check=False)
    lines = [line.split() for line in done.stdout.splitlines()]
    return {words[0]: words[1] for words in lines if len(words) > 1}


def outcomes(machine: Machine, call: Call, path: str = SCHEDULER_LOG) -> list[str]:
    """What the scheduler's log says became of a call."""
    name = f"CALL-{call.address.upper()}"
    return [
        line.partition("Outcome: ")[2]
        for line in log(machine, path).splitlines()
        if name in line and "Outcome: " in line
    ]


def reach(machine: Machine, expected: Mapping[str, str]) -> None:
    """Waits until the box has these programs in these states.

    One that needs another which is only starting ends, and is started again within a second.
    """
    deadline = time.monotonic() + SECONDS
    while (found := states(machine)) != expected:
        assert time.monotonic() < deadline, f"{found} instead of {expected}"
        time.sleep(0.2)


def listens(machine: Machine, port: int) -> bool:
    """Whether something on the box takes connections there."""
    shown = machine.run("ss", "--no-header", "--listening", "--tcp", "--numeric").stdout
    return any(line.split()[3].endswith(f":{port}") for line in shown.splitlines())


def install(machine: Machine, *packages: str) -> None:
    """Has Debian packages on the box; what the network loses is asked for again."""
    patience = ("-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=5")
    machine.run("apt-get", "update", *patience)
    machine.run("apt-get", "install", "--yes", "--no-install-recommends", *patience, *packages)


def eventually(happened: Callable[[], object], what: str) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"after {SECONDS} s still not: {what}"
        time.sleep(0.2)
