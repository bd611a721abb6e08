"""What reaches CloudWatch from a program with a heartbeat, and what becomes of its child."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands import environment, free_port, until
from tests.heartbeat import cloudwatch as servers
from tests.heartbeat.cloudwatch import KEYS, NAME, SECRET, CloudWatch, variables
from tests.waiting import ended

BEATER = Path(__file__).with_name("beater.py")


class Beater:
    """The program, and what it and its child say."""

    def __init__(self, home: Path, interval: float, variables: dict[str, str]) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, str(BEATER), str(home / "journal.db"), str(interval)],
            env={**environment(home, variables), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def become(self, what: str = "", **vitals: object) -> None:
        assert self.process.stdin
        self.process.stdin.write((what or json.dumps(vitals)) + "\n")
        self.process.stdin.flush()

    def having(self, text: str) -> list[str]:
        return [line for line in self.lines if text in line]

    def saw(self, text: str, times: int = 1) -> None:
        until(lambda: len(self.having(text)) >= times, 90)

    def children(self) -> list[int]:
        """The process ids of its children, whichever thread started them."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]

    def child(self) -> int:
        """What sends the heartbeat, as soon as there is one."""
        until(lambda: bool(self.children()))
        return self.children()[0]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        # The child has it, too, until it ends.
        self._reader.join(20)
        self.process.stdout.close()


@contextmanager
def beater(home: Path, endpoint: str, interval: float = 2, **more: str) -> Iterator[Beater]:
    program = Beater(home, interval, variables(endpoint, **more))
    try:
        program.saw("begun")
        yield program
    finally:
        program.close()


def test_0_at_the_start_and_at_the_interval_1_on_trouble_and_0_again(
    cloudwatch: CloudWatch, tmp_path: Path
) -> None:
    with beater(tmp_path, cloudwatch.url) as program:
        cloudwatch.saw(0, 0)
        program.become("trouble")
        cloudwatch.saw(0, 0, 1)
        program.become(wrong=[], exceptions=0)
        until(lambda: cloudwatch.values()[-2:] == [0, 0])
    assert program.having("WARNING") == []
    assert cloudwatch.metric() == {
        "Namespace": "MOC/EXCEPTIONS",
        "MetricName": NAME,
        "Dimensions": [{"Name": "JOBS", "Value": "Error"}],
        "Units": {"None"},
    }


@pytest.mark.parametrize("vitals", [{"exceptions": 1}, {"pokes": 1}, {"wrong": ["a job"]}])
def test_1_at_once_on_an_exception_and_on_a_poke(
    cloudwatch: CloudWatch, tmp_path: Path, vitals: dict[str, object]
) -> None:
    with beater(tmp_path, cloudwatch.url, interval=600) as program:
        cloudwatch.saw(0)
        program.become(**vitals)
        cloudwatch.saw(0, 1)


def test_a_program_that_is_told_to_stop_ends_its_child_in_silence(
    cloudwatch: CloudWatch, tmp_path: Path
) -> None:
    with beater(tmp_path, cloudwatch.url, interval=600) as program:
        cloudwatch.saw(0)
        child = program.child()
        program.become("exit")
        assert program.process.wait(10) == 0
        assert ended(child)
    assert cloudwatch.values() == [0]


@pytest.mark.parametrize("how", ["killed", "crash"])
def test_a_program_that_ends_without_being_told_to_is_told_of_by_its_child_which_ends(
    cloudwatch: CloudWatch, tmp_path: Path, how: str
) -> None:
    with beater(tmp_path, cloudwatch.url, interval=600) as program:
        cloudwatch.saw(0)
        child = program.child()
        if how == "killed":
            program.process.kill()
        else:
            program.become("crash")
        program.process.wait(10)
        cloudwatch.saw(0, 1)
        assert ended(child, 10)


def test_a_child_that_is_killed_is_started_again(cloudwatch: CloudWatch, tmp_path: Path) -> None:
    with beater(tmp_path, cloudwatch.url, interval=600) as program:
        cloudwatch.saw(0)
        os.kill(program.child(), signal.SIGKILL)
        cloudwatch.saw(0, 0)
        program.saw("what sends the heartbeat ended (-9); it is started again")


@pytest.mark.parametrize("how", ["refused", "hanging"])
def test_while_cloudwatch_is_away_it_is_said_once_and_a_stop_takes_no_longer(
    tmp_path: Path, how: str
) -> None:
    with servers.hanging() as endpoint:
        if how == "refused":
            endpoint = f"http://127.0.0.1:{free_port()}"
        with beater(tmp_path, endpoint, interval=1) as program:
            program.saw("CloudWatch does not get the heartbeat, the jobs go on: ")
            child = program.child()
            time.sleep(2.5)
            program.become("exit")
            assert program.process.wait(5) == 0
            assert ended(child)
    assert len(program.having("WARNING")) == 1


def test_without_aws_s_library_it_is_said_once_with_the_command_that_installs_it(
    tmp_path: Path,
) -> None:
    """Imitates a box without boto3, which the tests' environment has."""
    lacking = tmp_path / "lacking"
    lacking.mkdir()
    (lacking / "boto3.py").write_text("raise ImportError(\"No module named 'boto3'\")\n")
    path = os.pathsep.join([str(lacking), str(BEATER.parents[2])])
    with beater(tmp_path, "http://127.0.0.1:1", PYTHONPATH=path) as program:
        program.saw("no heartbeat is sent: No module named 'boto3'; run: ")
        (line,) = program.having("-m pip install --require-hashes -r ")
        requirements = line.partition("-r ")[2].split()[0]
        assert "boto3==" in Path(requirements).read_text()
        until(lambda: not program.children())
        # Longer than it would take to start it again.
        time.sleep(2)
        assert program.children() == []
        program.become("exit")
        assert program.process.wait(10) == 0
    assert len(program.having("HEARTBEAT")) == 2


def test_of_two_programs_with_one_name_and_account_one_sends(
    cloudwatch: CloudWatch, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with beater(tmp_path, cloudwatch.url, interval=600) as first:
        cloudwatch.saw(0)
        with beater(tmp_path / "other", cloudwatch.url, interval=600) as second:
            second.become("trouble")
            second.saw("this program sends none")
            assert cloudwatch.values() == [0]
            first.become("exit")
            first.process.wait(10)
            second.saw("This program sends the heartbeat now")
            cloudwatch.saw(0, 1)


def test_another_name_is_another_metric(cloudwatch: CloudWatch, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    another = f"rdoc-{NAME}"
    other = beater(tmp_path / "other", cloudwatch.url, MOC_JOBS_NAME=another)
    with beater(tmp_path, cloudwatch.url), other:
        until(lambda: bool(cloudwatch.values() and cloudwatch.values(another)))


@pytest.mark.parametrize("of", ["task", "instance"])
def test_the_credentials_of_a_role_do(cloudwatch: CloudWatch, tmp_path: Path, of: str) -> None:
    with servers.role() as url:
        where = {
            "task": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/task"},
            "instance": {
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{url}/",
                "AWS_EC2_METADATA_DISABLED": "false",
            },
        }
        keys = dict.fromkeys(KEYS, "")
        with beater(tmp_path, cloudwatch.url, **keys, **where[of]):
            cloudwatch.saw(0)


def test_without_any_credentials_it_is_said(cloudwatch: CloudWatch, tmp_path: Path) -> None:
    with beater(tmp_path, cloudwatch.url, **dict.fromkeys(KEYS, "")) as program:
        program.saw("CloudWatch does not get the heartbeat, the jobs go on: Unable to locate")
    assert cloudwatch.values() == []


def test_no_secret_is_in_an_argument_an_environment_or_a_line(
    cloudwatch: CloudWatch, tmp_path: Path
) -> None:
    with beater(tmp_path, cloudwatch.url, AWS_SESSION_TOKEN=f"token-{SECRET}") as program:
        cloudwatch.saw(0)
        child = Path(f"/proc/{program.child()}")
        told = [(child / name).read_bytes() for name in ("cmdline", "environ")]
    assert SECRET.encode() not in b"".join(told)
    assert SECRET not in str(program.lines)
    assert program.having("botocore") == []
