"""The demonstration as somebody sees it who runs it: what it prints, its status, what it leaves."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scheduler.devchain.install import install
from scheduler.devchain.toolchain import cache_directory
from scheduler.moc.jobs import TASKS

pytestmark = pytest.mark.timeout(600)

_STARTED = re.compile(r"== starting supervisord in (\S+)")
_ROW = re.compile(
    r"^(0x[0-9a-f]{40})  (0x[0-9a-f]{2}…[0-9a-f]{6})  +(\d+)  +(\d+)  (\w+) +(\d+)  +([\d.]+)$",
    re.M,
)
_JOB = re.compile(r"^(\w+) +(\d+) +(\d+)  (\w+) +(\d+)$", re.M)


@contextmanager
def demo(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "scheduler.devchain.demo", *arguments]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def directory_of(process: "subprocess.Popen[str]") -> Path:
    """Where the demonstration keeps its files, read from its first line."""
    assert process.stdout is not None
    match = _STARTED.match(process.stdout.readline())
    assert match is not None
    return Path(match[1])


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    assert process.stdout is not None
    read = ""
    while text not in read:
        line = process.stdout.readline()
        assert line, f"ended before {text!r}:\n{read}"
        read += line
    return read


def processes_of(directory: Path) -> set[int]:
    """The processes that were started for the files in `directory`."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(directory).encode() in told:
            found.add(int(entry.name))
    return found


def wait_until_gone(directory: Path) -> None:
    deadline = time.monotonic() + 60
    while left := processes_of(directory):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def test_once_calls_are_executed_at_their_targets_and_jobs_done_and_nothing_is_left() -> None:
    with demo("--once") as process:
        directory = directory_of(process)
        output, _ = process.communicate()
    assert process.returncode == 0, output

    rows = _ROW.findall(output)
    calls, contracts, targets, executed, outcomes, gas, payments = zip(*rows, strict=True)
    assert len(set(calls)) == len(rows) == 4
    assert len(set(contracts)) == 3
    assert executed == targets
    assert len(set(targets)) == 3, "two of the four share a block"
    assert set(outcomes) == {"succeeded"}
    assert all(int(used) > 100_000 for used in gas)
    assert all(float(payment) > 0 for payment in payments)
    assert "4 of 4 calls were executed exactly at their target block." in output

    jobs, true_at, mined_in, events, gas = zip(*_JOB.findall(output), strict=True)
    assert jobs == tuple(TASKS)
    assert all(int(due) < int(block) for due, block in zip(true_at, mined_in, strict=True))
    assert len(set(events)) == 7
    assert all(int(used) > 30_000 for used in gas)
    assert output.splitlines()[-1].startswith("7 of 7 jobs were done, ")

    assert processes_of(directory) == set()
    assert not directory.exists()


def test_without_an_end_it_tells_how_to_watch_it_and_stops_on_ctrl_c() -> None:
    with demo() as process:
        directory = directory_of(process)
        told = read_until(process, "supervisorctl -c")
        assert "7 of 7 jobs were done" in told
        assert f"tail -f {directory}/logs/scheduler*.log" in told
        assert list((directory / "logs").glob("scheduler*.log"))
        control = told.strip().splitlines()[-1].split()
        status = subprocess.run(control, capture_output=True, text=True, check=True).stdout
        running = re.findall(r"^([\w-]+) +RUNNING", status, re.M)
        assert running == ["devchain", "scheduler", "scheduler-monitor"]
        page = re.search(r"its status page is at (http://127\.0\.0\.1:\d+/)", told)
        assert page is not None
        with urllib.request.urlopen(page[1], timeout=10) as answer:
            shown = answer.read().decode()
        # Calls and jobs, as the programs left them in the journal.
        assert shown.count(">succeeded<") >= 9

        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert processes_of(directory) == set()
    assert not directory.exists()


def test_a_demo_that_is_killed_takes_everything_with_it() -> None:
    with demo("--once") as process:
        directory = directory_of(process)
        read_until(process, "waiting for the scheduler")
        assert processes_of(directory) - {process.pid}
        process.kill()
        process.wait()
        wait_until_gone(directory)


def test_a_wrong_option_is_one_line_and_exit_status_2() -> None:
    with demo("--twice") as process:
        output, _ = process.communicate()
    assert process.returncode == 2
    assert "No such option" in output


def test_a_program_that_cannot_start_ends_it_with_the_log_to_read(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "blocked")}
    (tmp_path / "blocked").write_text("a file where a directory should be")
    done = subprocess.run(
        [sys.executable, "-m", "scheduler.devchain.demo", "--once"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_it_needs_is_installed_ahead_of_use() -> None:
    install(["--geth"], standalone_mode=False)
    names = {path.name for path in cache_directory().iterdir()}
    assert "geth-1.16.7" in names
    assert any(name.startswith("npm-") for name in names)
