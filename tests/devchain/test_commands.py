"""`scheduler dev` as its users meet it: a process that is started, asked and stopped."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scheduler.devchain.deployment import Deployment
from scheduler.devchain.endpoint import Endpoint
from scheduler.processes import bound_command

DEV = [sys.executable, "-m", "scheduler.devchain"]


@contextmanager
def running_chain(directory: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """`scheduler dev` on a free port, ready."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [*DEV, "--port", str(port), "--state-dir", str(directory), *options]
    with subprocess.Popen(bound_command(command), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            printed = []
            for line in process.stdout:
                printed.append(line)
                if line.startswith("Ready."):
                    break
            else:
                pytest.fail("".join(printed))
            yield process
        finally:
            process.kill()


def schedule(directory: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [*DEV, "schedule", "--state-dir", str(directory), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("devchain")
    with running_chain(directory):
        yield directory


@pytest.fixture
def deployment(state: Path) -> Deployment:
    deployment = Deployment.read(state)
    assert deployment is not None
    return deployment


def test_the_chain_is_high_enough_for_claims_and_mines_every_second(
    deployment: Deployment,
) -> None:
    endpoint = Endpoint(deployment.endpoint)
    assert deployment.first_block == 1
    first = endpoint.number("eth_blockNumber")
    assert first >= 300
    deadline = time.monotonic() + 60
    while endpoint.number("eth_blockNumber") < first + 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    times = [
        int(endpoint.request("eth_getBlockByNumber", hex(n), False)["timestamp"], 16)
        for n in (first + 1, first + 2)
    ]
    assert times[1] - times[0] == 1
    assert abs(times[1] - time.time()) < 3
    endpoint.close()


def test_the_schedulers_account_is_unlocked_and_untouched(deployment: Deployment) -> None:
    endpoint = Endpoint(deployment.endpoint)
    account = endpoint.request("eth_accounts")[0]
    assert endpoint.number("eth_getTransactionCount", account, "latest") == 0
    endpoint.close()


def test_calls_are_scheduled_and_told_with_their_target(
    state: Path, deployment: Deployment
) -> None:
    endpoint = Endpoint(deployment.endpoint)
    target = endpoint.number("eth_blockNumber") + 100
    done = schedule(state, "--at", str(target), "--count", "3", "--to", "reverter")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(set(lines)) == 3
    for line in lines:
        match = re.fullmatch(rf"(0x[0-9a-f]{{40}}) target block {target}", line)
        assert match
        assert endpoint.request("eth_getCode", match.group(1), "latest") != "0x"
    endpoint.close()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--in", "5"], 1, "TOO_SOON (the target must be at least 10 blocks after"),
        (
            ["--in", "50", "--grace", "31"],
            1,
            "GRACE_TOO_SHORT (--grace is at least 32, in",
        ),
        (["--in", "50", "--gas", "1"], 1, "REQUIRED_GAS_OUT_OF_RANGE (--gas is 200000 to"),
        (["--in", "50", "--to", "0x12"], 2, "--to 0x12: write an address"),
        (["--in", "50", "--function", "hit"], 2, "write a signature such as hit()"),
        ([], 2, "either --in BLOCKS or --at BLOCK"),
        (["--in", "50", "--at", "900"], 2, "either --in BLOCKS or --at BLOCK"),
        (["--in", "300", "--version", "0.6"], 1, "in v0.6 305 blocks"),
        (["--in", "50", "--grace", "256"], 2, "--grace is at most 255 in v0.7"),
        (["--in", "50", "--seconds"], 2, "--seconds goes with --version 1.0"),
        (["--in", "5", "--version", "1.0"], 1, "begins at least 10 blocks or 180 seconds ahead"),
    ],
)
def test_what_cannot_be_scheduled_is_told_in_one_line(
    state: Path, options: list[str], code: int, message: str
) -> None:
    done = schedule(state, *options)
    assert done.returncode == code
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_without_a_chain_scheduling_says_how_to_start_one(tmp_path: Path) -> None:
    done = schedule(tmp_path, "--in", "20")
    assert done.returncode == 1
    assert "start one with `scheduler dev`" in done.stderr


def test_a_chain_that_is_gone_is_told(tmp_path: Path, deployment: Deployment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    fields = {**deployment.__dict__, "endpoint": f"http://127.0.0.1:{port}"}
    Deployment(**fields).write(tmp_path)
    done = schedule(tmp_path, "--in", "20")
    assert done.returncode == 1
    assert f"nothing answers at http://127.0.0.1:{port}" in done.stderr


def test_another_chain_on_the_same_port_is_told(tmp_path: Path, deployment: Deployment) -> None:
    Deployment(**{**deployment.__dict__, "first_block_hash": "0x" + "00" * 32}).write(tmp_path)
    done = schedule(tmp_path, "--in", "20")
    assert done.returncode == 1
    assert f"another chain answers at {deployment.endpoint}" in done.stderr


@pytest.mark.parametrize(
    ("options", "unit"),
    [
        (["--version", "0.6", "--in", "320"], "block"),
        (["--version", "1.0", "--in", "20"], "block"),
        (["--version", "1.0", "--in", "400", "--seconds"], "second"),
    ],
)
def test_each_version_is_scheduled_with(state: Path, options: list[str], unit: str) -> None:
    done = schedule(state, *options, "--count", "2")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"(0x[0-9a-f]{{40}} target {unit} \d+\n){{2}}", done.stdout)


@pytest.mark.parametrize(("supervised", "code"), [(False, 2), (True, 1)])
def test_a_port_in_use_is_told_in_one_line(
    tmp_path: Path, deployment: Deployment, supervised: bool, code: int
) -> None:
    port = deployment.endpoint.rpartition(":")[2]
    environment = {**os.environ, **({"SUPERVISOR_ENABLED": "1"} if supervised else {})}
    command = [*DEV, "--port", port, "--state-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == code
    assert f"port {port}: Address already in use" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_state_directory_in_use_is_told_in_one_line(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [*DEV, "--port", str(port), "--state-dir", str(state)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"another development chain uses {state}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_chain_and_its_node_with_exit_code_0(tmp_path: Path, signum: int) -> None:
    with running_chain(tmp_path) as chain:
        deployment = Deployment.read(tmp_path)
        assert deployment is not None
        chain.send_signal(signum)
        assert chain.wait(5) == 0
    assert Deployment.read(tmp_path) is None
    assert _is_free(deployment)


def test_the_node_does_not_outlive_a_killed_chain(tmp_path: Path) -> None:
    with running_chain(tmp_path) as chain:
        deployment = Deployment.read(tmp_path)
        assert deployment is not None
        chain.kill()
    deadline = time.monotonic() + 30
    while not _is_free(deployment):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_on_geth_calls_are_scheduled_alike(tmp_path: Path) -> None:
    with running_chain(tmp_path, "--node", "geth") as chain:
        done = schedule(tmp_path, "--in", "20")
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"0x[0-9a-f]{40} target block \d+\n", done.stdout)
        chain.terminate()
        assert chain.wait(8) == 0


def _is_free(deployment: Deployment) -> bool:
    with socket.socket() as probe:
        port = int(deployment.endpoint.rpartition(":")[2])
        return probe.connect_ex(("127.0.0.1", port)) != 0
