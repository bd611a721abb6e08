"""Both families shown on a development chain, under a real supervisord, and checked on the chain.

`scripts/demo` sets up what this needs and runs it.
"""

import contextlib
import getpass
import re
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.model import Address
from scheduler.devchain import moc_evidence
from scheduler.devchain.accounts import Role, TransactionFailed, Wallet
from scheduler.devchain.compiler import own_contracts
from scheduler.devchain.deployment import Deployment, contract_address
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.evidence import Evidence, Witness, heading, row
from scheduler.devchain.moc_evidence import JobEvidence
from scheduler.devchain.moc_occasions import SPANS, Occasions
from scheduler.devchain.scheduling import (
    CallRejected,
    CallRequest,
    ScheduledCall,
    scheduled_by,
    send_schedule,
)
from scheduler.devchain.supervisor import Supervisor, SupervisorFailed
from scheduler.devchain.toolchain import ToolchainError, cache_directory
from scheduler.supervision import Placement, render

# Blocks from the one that is the head when calls are scheduled. The contract asks for 10 from the
# block that schedules.
_LEADS = (14, 18, 18, 22)
# Blocks after its target for which an execution that is late is still waited for.
_PATIENCE = 10
# Seconds in which the node must be up with its contracts, and the scheduler follow it.
_START_SECONDS = 90
# Seconds between the calls of a demonstration without an end.
_PAUSE_SECONDS = 20


class DemoFailed(Exception):
    """The demonstration cannot go on; the message is one line."""


class Demo:
    """A development chain, a scheduler and its monitor under one supervisord, a customer of the
    alarm clock, and a deployment of Money on Chain."""

    def __init__(
        self, supervisor: Supervisor, deployment: Deployment, occasions: Occasions
    ) -> None:
        self.supervisor = supervisor
        self.occasions = occasions
        self.endpoint = Endpoint(deployment.endpoint)
        self.witness = Witness(deployment.endpoint)
        self._deployment = deployment
        self._customer = Wallet(self.endpoint, Role.CUSTOMER)

    def close(self) -> None:
        """Closes the connections to the node."""
        self.endpoint.close()
        self.occasions.close()

    def head(self) -> int:
        """The number of the newest block."""
        return self.endpoint.number("eth_blockNumber")

    def counters(self, count: int) -> list[Address]:
        """`count` target contracts: that of the development chain, and others like it."""
        wallet = self._customer
        nonce = self.endpoint.number("eth_getTransactionCount", wallet.address, "pending")
        code = own_contracts()["Counter"].code
        for _ in range(count - 1):
            wallet.transact(None, code)
        made = [contract_address(wallet.address, nonce + i) for i in range(count - 1)]
        return [self._deployment.counter, *made]

    def schedule(self, requests: Sequence[CallRequest]) -> list[ScheduledCall]:
        """Schedules calls on the alarm clock, all in one block where that has room for them."""
        wallet, scheduler = self._customer, self._deployment.scheduler
        nonce = self.endpoint.number("eth_getTransactionCount", wallet.address, "pending")
        price = wallet.gas_price()
        sent = [
            send_schedule(wallet, scheduler, request, gas_price=price, nonce=nonce + i)
            for i, request in enumerate(requests)
        ]
        return [
            scheduled_by(wallet, scheduler, request, transaction)
            for request, transaction in zip(requests, sent, strict=True)
        ]

    def evidence(self, calls: Sequence[tuple[ScheduledCall, Address]]) -> Iterator[Evidence]:
        """What became of the calls (with their target contracts), each once that is known."""
        for call, target in calls:
            while True:
                found = self.witness.testify(call, target)
                if found.executed_in is not None or self.head() > call.target_block + _PATIENCE:
                    break
                time.sleep(0.2)
            yield found


@click.command()
@click.option("--once", is_flag=True, help="Stop when a few calls were executed.")
@click.option("--node", type=click.Choice(["anvil", "geth"]), default="anvil", show_default=True)
def demo(once: bool, node: str) -> None:
    """Run both job families on a development chain under a real supervisord.

    A node, a scheduler and its monitor with the status page come up; calls are scheduled, and each
    of Money on Chain's seven jobs is made due; what became of them is read back from the chain, not
    from the scheduler. The exit status is 0 if every call was executed exactly at its target block,
    and every job was done.
    """
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _interrupt)
    try:
        with _directory() as directory:
            with _running(directory, node) as running:
                calls, jobs = _some_of_all(running)
                if not once:
                    _report(calls, jobs, directory)
                    _calls_for_ever(running)
            _report(calls, jobs, directory)
    except KeyboardInterrupt:
        _say("stopped")
        sys.exit(1 if once else 0)
    except (
        DemoFailed,
        SupervisorFailed,
        ToolchainError,
        CallRejected,
        TransactionFailed,
        RpcError,
        NodeUnavailable,
    ) as error:
        click.echo(f"demo: {error}", err=True)
        sys.exit(1)


def _some_of_all(running: Demo) -> tuple[list[Evidence], list[JobEvidence]]:
    """What became of four calls to three contracts, two of them in one block, and of seven jobs
    that fell due meanwhile."""
    targets = running.counters(3)
    chosen = [targets[i % len(targets)] for i in range(len(_LEADS))]
    base = running.head()
    requests = [CallRequest(to, base + lead) for to, lead in zip(chosen, _LEADS, strict=True)]
    calls = running.schedule(requests)
    blocks = ", ".join(str(call.target_block) for call in calls)
    _say(f"{len(calls)} calls are scheduled, for the blocks {blocks}; the head is {running.head()}")
    _say("prices fall, expire and are fed again, so that each of the seven jobs falls due")
    jobs = running.occasions.play()
    return list(running.evidence(list(zip(calls, chosen, strict=True)))), jobs


def _report(calls: Sequence[Evidence], jobs: Sequence[JobEvidence], directory: Path) -> None:
    """Prints what the chain says. Raises DemoFailed unless all is as it must be."""
    _say("what the chain says, read through web3 from receipts, logs, views and target contracts")
    click.echo(heading())
    for call in calls:
        click.echo(row(call))
    good = sum(call.on_target for call in calls)
    click.echo(f"{good} of {len(calls)} calls were executed exactly at their target block.\n")
    click.echo(moc_evidence.heading())
    for job in jobs:
        click.echo(moc_evidence.row(job))
    done = sum(job.mined_in is not None for job in jobs)
    prompt = sum(job.is_prompt for job in jobs)
    click.echo(f"{done} of {len(jobs)} jobs were done, {prompt} in the block after it was due.")
    if good != len(calls):
        raise DemoFailed(f"not all were executed at their target: read {_logs(directory)}")
    if done != len(jobs):
        raise DemoFailed(f"not all jobs were done: read {_logs(directory)}")


def _calls_for_ever(running: Demo) -> None:
    """A call now and then, until Ctrl-C."""
    _say("it goes on: a call now and then, until Ctrl-C. Watch it from another terminal:")
    click.echo(f"  tail -f {_logs(running.supervisor.directory)}")
    click.echo("  " + " ".join(running.supervisor.control_command("status")))
    click.echo(heading())
    target = running.counters(1)[0]
    while True:
        (call,) = running.schedule([CallRequest(target, running.head() + _LEADS[0])])
        for evidence in running.evidence([(call, target)]):
            click.echo(row(evidence))
        time.sleep(_PAUSE_SECONDS)


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    """A new directory for everything that runs; kept only where something went wrong."""
    base = cache_directory() / "demo"
    try:
        base.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix="", dir=base))
    except OSError as error:
        raise DemoFailed(
            f"cannot write to {base} ({error.strerror}): set XDG_CACHE_HOME to a directory that "
            "you may write to"
        ) from error
    try:
        yield directory
    except KeyboardInterrupt:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _running(directory: Path, node: str) -> Iterator[Demo]:
    """Node and scheduler under supervisord, the way an operator adds them, until the end."""
    port = _free_port()
    logs, chain = directory / "logs", directory / "devchain"
    logs.mkdir()
    config = directory / "config.toml"
    placement = Placement(
        user=getpass.getuser(),
        home=Path.home(),
        bin_dir=Path(sys.executable).parent,
        directory=directory,
        log_dir=logs,
        environment={"SCHEDULER_CONFIG": str(config)},
    )
    arguments = ["--port", str(port), "--state-dir", str(chain), "--node", node]
    devchain = render("devchain", placement, arguments)
    _say(f"starting supervisord in {directory}")
    with Supervisor(directory, {"devchain": devchain}) as supervisor:
        _say("waiting for the development chain (program devchain)")
        deployment = _deployment(supervisor, chain, logs)
        _say(f"the alarm clock is at {deployment.scheduler}, the chain at {deployment.endpoint}")
        _say(f"deploying Money on Chain, with days of {SPANS.day} blocks")
        occasions = Occasions(Endpoint(deployment.endpoint))
        _say(f"its MoC contract is at {occasions.contract}")
        config.write_text(
            'network = "dev"\n'
            f'rpc-url = "{deployment.endpoint}"\n'
            f'journal = "{directory / "journal.db"}"\n\n'
            f'[monitor]\nsupervisor = "{directory / "supervisor.sock"}"\n'
            'metrics-port = 0\npage-address = "127.0.0.1:0"\n\n'
            f'[alarm]\naddresses = ["{deployment.scheduler}"]\n\n'
            f'[moc]\naddress = "{occasions.contract}"\n'
        )
        supervisor.add("scheduler", render("scheduler", placement))
        _say("waiting for the scheduler (program scheduler)")
        _told(supervisor, "scheduler", logs / "scheduler-stdout.log", re.compile("Heartbeat"))
        supervisor.add("scheduler-monitor", render("scheduler-monitor", placement))
        told = logs / "scheduler-monitor-stderr.log"
        page = _told(supervisor, "scheduler-monitor", told, re.compile(r"the status page: (\S+)"))
        _say(f"its status page is at {page[1]} (program scheduler-monitor)")
        running = Demo(supervisor, deployment, occasions)
        try:
            yield running
        finally:
            running.close()
            _say("stopping what was started")


def _deployment(supervisor: Supervisor, chain: Path, logs: Path) -> Deployment:
    deadline = time.monotonic() + _START_SECONDS
    while (deployment := Deployment.read(chain)) is None:
        _check(supervisor, "devchain", logs, deadline)
    return deployment


def _told(
    supervisor: Supervisor, program: str, log: Path, line: "re.Pattern[str]"
) -> "re.Match[str]":
    """Waits until the program's log has a line like this."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        text = log.read_text(errors="replace") if log.exists() else ""
        if match := line.search(text):
            return match
        _check(supervisor, program, log.parent, deadline)


def _check(supervisor: Supervisor, program: str, logs: Path, deadline: float) -> None:
    """Waits a moment; raises DemoFailed where `program` has ended, or does not come up in time."""
    time.sleep(0.2)
    ended = supervisor.state(program) in ("EXITED", "FATAL")
    if ended or time.monotonic() > deadline:
        how = "has ended" if ended else f"is not ready after {_START_SECONDS} seconds"
        raise DemoFailed(f"{program} {how}: read {logs}/{program}*.log")


def _logs(directory: Path) -> str:
    return f"{directory}/logs/scheduler*.log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _say(message: str) -> None:
    click.echo(f"== {message}", err=True)


if __name__ == "__main__":
    demo(prog_name="scripts/demo")
