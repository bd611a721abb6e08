"""A running program is small, carries what it needs and nothing else, and dies with its parent."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.supervisor import Supervisor
from scheduler.supervision import Placement, render
from tests.commands import (
    BIN,
    alarm_chain,
    environment,
    eth_alarm,
    head_of,
    mine_up_to,
    pulse_of,
    schedule_on,
    until,
    walk_to,
)
from tests.transactions.places import Databases
from tests.waiting import ended

LIMIT_KIB = 50 * 1024

# What a running program may load besides Python's own modules, and its own packages.
LIBRARIES = {
    "coincurve", "Crypto", "cytoolz", "eth_abi", "eth_hash", "eth_keys", "eth_typing",
    "eth_utils", "h11", "parsimonious", "regex", "rlp", "tomli", "toolz", "typing_extensions",
    "websockets",
    # coincurve's and cytoolz's
    "_cffi_backend", "_libsecp256k1", "cffi", "cython_runtime",
    # pycryptodome's, up to Python 3.11, where something else brought cffi: the tests' moto does
    "pycparser",
    # an installation's own
    "_distutils_hack", "_virtualenv", "sitecustomize",
}  # fmt: skip
GENERATED = ("__editable__", "_cython_", "_sysconfigdata_")
OWN = {
    "agenda", "alarm", "bounds", "chain", "counters", "errors", "health", "jobs", "launch",
    "lean", "locks", "logs", "moc", "networks", "notices", "plan", "preference", "processes",
    "programs", "progress", "pulse", "reach", "redaction", "roster", "running", "service",
    "spelling", "toml", "transactions",
}  # fmt: skip

# Puts a program together as `scheduler.launch` does, and turns its loop once.
ONE_TURN = """
import asyncio, sys
from scheduler.lean import leave_out_pydantic
leave_out_pydantic()
from scheduler.plan import Plan
import scheduler.logs, scheduler.processes
from scheduler.programs import Program
import scheduler.service

async def turn():
    program = Program(Plan(
        program="scheduler", endpoint=sys.argv[1], network=None, contracts=[sys.argv[2]],
        account=None, key_file=None, password_file=None, journal=sys.argv[3],
        max_gas_price=None, min_tip=0, budget={}, patient=False,
    ))
    work = await program.assemble()
    async for event in work.follow():
        await work.on(event)
        program.pulse.beat(event.head, work.counts(), None)
        break
    await work.close()

asyncio.run(turn())
print(*sorted(sys.modules), sep="\\n")
"""


@pytest.fixture(scope="module")
def chain() -> Iterator[DevelopmentChain]:
    with alarm_chain() as chain:
        yield chain


@pytest.mark.parametrize("way", ["http", "ws", "ipc"])
def test_a_running_program_loads_what_is_on_the_list_and_nothing_else(
    chain: DevelopmentChain, tmp_path: Path, way: str
) -> None:
    endpoint = {"http": chain.node.http, "ws": chain.node.ws, "ipc": str(chain.node.ipc)}[way]
    done = subprocess.run(
        [sys.executable, "-c", ONE_TURN, endpoint, chain.deployment.scheduler,
         str(tmp_path / "journal.db")],
        env=environment(tmp_path, {}), capture_output=True, text=True, check=True,
    )  # fmt: skip
    modules = [name for name in done.stdout.split() if name != "__main__"]
    top = {name.partition(".")[0] for name in modules}
    foreign = {name for name in top - sys.stdlib_module_names if not name.startswith(GENERATED)}
    assert foreign - LIBRARIES - {"scheduler"} == set()
    own = {name.split(".")[1] for name in modules if name.startswith("scheduler.")}
    assert own - OWN == set()
    assert ("websockets" in top) is (way == "ws")
    assert ("h11" in top) is (way == "http")


def test_a_journal_in_a_database_takes_its_own_library_and_nothing_else(
    chain: DevelopmentChain, databases: Databases, tmp_path: Path
) -> None:
    with databases.one(tmp_path) as where:
        done = subprocess.run(
            [sys.executable, "-c", ONE_TURN, chain.node.http, chain.deployment.scheduler,
             where.url],
            env=environment(tmp_path, {}), cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
    top = {name.partition(".")[0] for name in done.stdout.split() if name != "__main__"}
    foreign = {name for name in top - sys.stdlib_module_names if not name.startswith(GENERATED)}
    assert foreign - LIBRARIES - {"scheduler"} == {"psycopg", "psycopg_binary"}


def test_a_running_program_stays_small_while_it_works(
    chain: DevelopmentChain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with eth_alarm(chain, tmp_path, "-c", "ws", "-p", str(chain.node.port)) as program:
        for number in range(1, 4):
            call = schedule_on(chain, ahead=11)
            program.saw(f"Tracking call: {call.address}")
            mine_up_to(chain, call.target_block - 1)
            program.saw("Outcome: succeeded", times=number)
        status = Path(f"/proc/{program.pid}/status").read_text()
        mapped = Path(f"/proc/{program.pid}/maps").read_text()
        assert program.stop() == 0
    resident = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])  # type: ignore[index]
    with capsys.disabled():
        print(f"\na running scheduler over WebSocket: {resident / 1024:.1f} MiB resident")
    assert resident < LIMIT_KIB
    # Only the commands, the development chain and tests may load web3, eth_account and pydantic.
    assert "/coincurve/" in mapped
    assert re.findall("/(aiohttp|ckzg|lru|pydantic_core)", mapped) == []


def test_a_killed_supervisord_takes_its_scheduler_with_it(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'rpc-url = "{chain.node.ws}"\njournal = "{tmp_path / "journal.db"}"\n'
        f'[alarm]\naddresses = ["{chain.deployment.scheduler}"]\n'
    )
    placement = Placement(
        user="", home=tmp_path, bin_dir=BIN, directory=tmp_path, log_dir=tmp_path,
        environment={"SCHEDULER_CONFIG": str(config)},
    )  # fmt: skip
    text = render("scheduler", placement).replace("user=\n", "")
    with Supervisor(tmp_path, {"scheduler": text}) as supervisor:
        until(lambda: (pulse_of(tmp_path, "scheduler") or {}).get("head") is not None)
        pulse = pulse_of(tmp_path, "scheduler")
        assert pulse is not None
        os.kill(supervisor.process.pid, signal.SIGKILL)
        supervisor.process.wait()
        assert ended(pulse["pid"], 10)


def test_a_file_in_the_working_directory_is_no_module_of_the_program(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 has no PYTHONSAFEPATH")
    (tmp_path / "asyncio.py").write_text("raise SystemExit('the wrong asyncio')\n")
    with eth_alarm(chain, tmp_path) as program:
        program.saw("Heartbeat")
        assert program.stop() == 0


def test_work_goes_on_when_nobody_reads_the_log_any_more(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    """As after `eth_alarm scheduler | head -n 1`."""
    command = [str(BIN / "eth_alarm"), "scheduler", "-a", chain.deployment.scheduler]
    errors = tmp_path / "errors"
    with errors.open("w") as stderr:
        program = subprocess.Popen(
            [*command, "-p", str(chain.node.port)],
            env=environment(tmp_path, {}), stdout=subprocess.PIPE, stderr=stderr,
        )  # fmt: skip
    try:
        assert program.stdout
        assert b"Starting block sage" in program.stdout.readline()
        program.stdout.close()
        until(lambda: head_of(tmp_path) > 0)
        walk_to(chain, head_of(tmp_path) + 8, tmp_path)
        program.terminate()
        assert program.wait(10) == 0
    finally:
        program.kill()
        program.wait()
    assert errors.read_text() == ""
