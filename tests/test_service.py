"""The life of one process: it ends in time in every phase, and outlives its node."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account

from scheduler import running
from scheduler.chain.errors import ChainChanged, NodeUnavailable
from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.nodes import start_geth
from scheduler.plan import Plan
from scheduler.programs import Program
from tests import nodes
from tests.commands import (
    Running,
    alarm_chain,
    eth_alarm,
    free_port,
    head_of,
    mine_up_to,
    schedule_on,
    until,
)
from tests.plans import bare_plan

# "Well under 10 s", with room for a machine that is busy.
SOON = 5.0


@pytest.fixture(scope="module")
def chain() -> Iterator[DevelopmentChain]:
    with alarm_chain() as chain:
        yield chain


def assert_ends(program: Running, signum: int) -> None:
    assert program.stop(signum, SOON) == 0
    assert program.errors == []


@contextmanager
def hanging(chain: DevelopmentChain) -> Iterator[None]:
    """The node's process is there, its connections too, and it answers nothing."""
    os.kill(chain.node.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(chain.node.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_ends_while_it_waits_for_the_node(tmp_path: Path, signum: int) -> None:
    nobody = "0x" + "aa" * 20
    arguments = ("eth_alarm", "scheduler", "-a", nobody, "-p", str(free_port()))
    with Running(tmp_path, *arguments) as program:
        program.saw("Waiting for the node")
        assert_ends(program, signum)


def test_it_ends_while_it_waits_for_the_lock_and_while_it_is_idle(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    with eth_alarm(chain, tmp_path) as idle:
        idle.saw("Heartbeat")
        with eth_alarm(chain, tmp_path, SUPERVISOR_ENABLED="1") as waiting:
            waiting.saw("Waiting: process")
            assert_ends(waiting, signal.SIGTERM)
        assert_ends(idle, signal.SIGINT)


@pytest.mark.parametrize("way", ["rpc", "ws", "ipc"])
def test_it_ends_while_the_node_hangs(chain: DevelopmentChain, tmp_path: Path, way: str) -> None:
    where = ("-i", str(chain.node.ipc)) if way == "ipc" else ("-p", str(chain.node.port))
    with eth_alarm(chain, tmp_path, "-c", way, *where) as program:
        program.saw("Heartbeat")
        until(lambda: head_of(tmp_path) > 0)
        chain.endpoint.request("anvil_mine")
        with hanging(chain):
            # Polling, it now has a request under way; subscribed, it waits for the next head.
            time.sleep(0.3)
            assert_ends(program, signal.SIGTERM)
    with hanging(chain), eth_alarm(chain, tmp_path, "-c", way, *where) as program:
        until(lambda: any("scheduler.launch" in word for word in words(program)))
        time.sleep(0.5)
        assert_ends(program, signal.SIGTERM)


def words(program: Running) -> list[str]:
    """The command line of the process now."""
    return Path(f"/proc/{program.pid}/cmdline").read_text().split("\0")


def test_it_ends_with_a_transaction_in_flight_and_the_next_start_tells_its_outcome(
    tmp_path: Path,
) -> None:
    with alarm_chain() as chain:
        call = schedule_on(chain)
        with eth_alarm(chain, tmp_path) as program:
            program.saw(f"Tracking call: {call.address}")
            chain.endpoint.request("evm_setAutomine", False)
            mine_up_to(chain, call.target_block - 1)
            program.saw("Transaction accepted")
            assert_ends(program, signal.SIGTERM)
        assert program.having("Outcome") == []
        chain.endpoint.request("anvil_mine")
        with eth_alarm(chain, tmp_path) as program:
            program.saw(f"Outcome: succeeded at block {call.target_block} ")
            assert_ends(program, signal.SIGTERM)
        assert program.having("Attempting") == []


def test_a_signal_that_comes_while_it_starts_ends_it_with_0_too(tmp_path: Path) -> None:
    """From the moment at which the command has become the program, SIGTERM is not lost."""
    arguments = ("eth_alarm", "scheduler", "-a", "0x" + "aa" * 20, "-p", str(free_port()))
    with Running(tmp_path, *arguments) as program:
        until(lambda: any("scheduler.launch" in word for word in words(program)))
        assert_ends(program, signal.SIGTERM)
    assert program.lines in ([], program.having("Waiting|Stopping"))


SLOW_RESOLVER = """
import socket, time
real = socket.getaddrinfo
def resolve(host, *arguments, **more):
    if host == "slow.example":
        print("resolving", flush=True)
        time.sleep(30)
    return real(host, *arguments, **more)
socket.getaddrinfo = resolve
"""


def test_it_ends_while_a_host_name_is_being_resolved(tmp_path: Path) -> None:
    """Imitates a name server that does not answer: the resolver tries for half a minute."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_RESOLVER)
    arguments = ("eth_alarm", "scheduler", "-r", "slow.example")
    with Running(tmp_path, *arguments, PYTHONPATH=str(tmp_path)) as program:
        program.saw("resolving")
        assert_ends(program, signal.SIGTERM)


def test_a_node_that_is_restarted_is_said_once_and_work_goes_on(tmp_path: Path) -> None:
    with nodes.alarm_on_geth() as chain:
        node = chain.node
        folder = node.log.parent
        arguments = ("-c", "ws", "-p", str(node.port))
        with eth_alarm(chain, tmp_path, *arguments) as program:
            program.saw("Heartbeat")
            node.stop()
            program.saw("Trying again until it works")
            again = start_geth(folder, port=node.port)
            try:
                program.saw("works again after")
                chain.endpoint.close()
                call = schedule_on(chain, ahead=12)
                program.saw(f"Tracking call: {call.address}")
                program.saw(f"Outcome: succeeded at block {call.target_block} ")
                assert_ends(program, signal.SIGTERM)
            finally:
                again.stop()
    assert len(program.having("Trying again")) == 1
    assert len(program.having("WARNING|ERROR")) == 1
    assert len(program.having("Starting block sage")) == 1


def test_a_development_chain_that_was_reset_is_another_chain_for_the_journal(
    tmp_path: Path,
) -> None:
    port = free_port()
    with alarm_chain(port=port) as old:
        call = schedule_on(old)
        with eth_alarm(old, tmp_path) as program:
            program.saw(f"Tracking call: {call.address}")
            mine_up_to(old, call.target_block - 1)
            program.saw("Outcome: succeeded")
            old.node.process.kill()
            old.node.process.wait()
            program.saw("Trying again")

            with alarm_chain(port=port) as new:
                program.saw("starting over on the chain that is there now")
                program.saw("Starting block sage", times=2)
                # On this chain the account has never sent anything.
                assert new.endpoint.number("eth_getTransactionCount", new.account, "latest") == 0
                fresh = schedule_on(new)
                # The same account makes it with the same nonce: at the address of the old one.
                assert fresh.address == call.address
                program.saw(f"Tracking call: {fresh.address}", times=2)
                mine_up_to(new, fresh.target_block - 1)
                program.saw("Outcome: succeeded", times=2)
                assert new.endpoint.number("eth_getTransactionCount", new.account, "latest") == 1
                assert_ends(program, signal.SIGTERM)


async def test_a_chain_that_is_reset_before_the_first_head_is_noticed(tmp_path: Path) -> None:
    """All was checked on one chain, and the first head is one of another."""
    port = free_port()
    with alarm_chain(port=port) as old:
        work = await Program(plan_for(old, tmp_path)).assemble()
        old.node.stop()
    try:
        with alarm_chain(port=port):
            events = work.follow()
            with pytest.raises(ChainChanged):
                await work.on(await anext(events))
            await events.aclose()  # type: ignore[attr-defined]
    finally:
        await work.close()


async def test_a_check_of_the_chain_that_failed_is_made_again(
    chain: DevelopmentChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node is away for the first head, and serves another chain when the next one comes."""
    found: list[str | Exception] = [NodeUnavailable("away"), "another chain"]

    async def fingerprint(*_: object) -> str:
        outcome = found.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    work = await Program(plan_for(chain, tmp_path)).assemble()
    monkeypatch.setattr(running, "fingerprint", fingerprint)
    try:
        events = work.follow()
        first = await anext(events)
        with pytest.raises(NodeUnavailable):
            await work.on(first)
        with pytest.raises(ChainChanged):
            await work.on(replace(first, rebased=False))
        await events.aclose()  # type: ignore[attr-defined]
    finally:
        await work.close()


def plan_for(chain: DevelopmentChain, home: Path) -> Plan:
    return bare_plan(
        "scheduler",
        chain.node.http,
        str(home / "journal.db"),
        contracts=[chain.deployment.scheduler],
        patient=False,
    )


def test_it_ends_while_a_key_file_is_being_opened(chain: DevelopmentChain, tmp_path: Path) -> None:
    key_file, password, config = (tmp_path / name for name in ("key.json", "password", "toml"))
    # Some ten seconds' work.
    encrypted = Account.encrypt("0x" + "11" * 32, "right", kdf="pbkdf2", iterations=1)
    encrypted["crypto"]["kdfparams"]["c"] = 50_000_000
    key_file.write_text(json.dumps(encrypted))
    password.write_text("right\n")
    config.write_text(
        f'rpc-url = "{chain.node.http}"\nsigner = "keystore"\n'
        f'[keystore]\nfile = "{key_file}"\npassword-file = "{password}"\n'
    )
    for path in (key_file, password):
        path.chmod(0o600)
    with Running(tmp_path, "scheduler", "run", "scheduler", "--config", str(config)) as program:
        until(lambda: children(program) != [])
        assert_ends(program, signal.SIGTERM)


def children(program: Running) -> list[str]:
    task = Path(f"/proc/{program.pid}/task")
    return [pid for each in task.glob("*/children") for pid in each.read_text().split()]
