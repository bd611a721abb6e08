"""What an operator does on a box: set it up, schedule a call, look at logs."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.provision.machine import CHECKOUT, OPERATOR, Machine

SETUP = f"{CHECKOUT}/provision/setup.sh"
SCHEDULER_LOG = "/var/log/supervisor/scheduler-stdout.log"


@dataclass(frozen=True)
class Call:
    """A scheduled call, and the block that it is for."""

    address: str
    target: int


def set_up(machine: Machine, *options: str, check: bool = True) -> str:
    """`sudo provision/setup.sh OPTIONS`, as the operator types it; everything that it said."""
    done = machine.run(
        SETUP, *options, check=False, timeout=1500, environment={"SUDO_USER": OPERATOR}
    )
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
    eventually(lambda: machine.run(*command, check=False).returncode == 0, 60, "the node answers")
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


def eventually(happened: Callable[[], object], seconds: float, what: str) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.2)
