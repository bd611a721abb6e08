"""Secrets that somebody repeats to a program, or that a fault puts into an exception, are nowhere
in what it writes: every program, both forms of the log, at DEBUG."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from eth_account import Account
from eth_keys.datatypes import PrivateKey

from scheduler.logs import JSON, LINES
from scheduler.plan import MOC_JOBS, MOC_PROGRAMS, SCHEDULER
from tests.commands import Running, finished
from tests.heartbeat.cloudwatch import KEYS, variables

KEY = PrivateKey(bytes(range(0x61, 0x81)))
OTHER = PrivateKey(b"\x5b" * 32)
API_KEY = "f00dcafe0123456789abcdef"
RPC_PASSWORD = "correct-horse/battery"
FILE_PASSWORD = "hunter2 is too short"
MOC = "0x" + "5a" * 20


def spellings(key: PrivateKey) -> list[str]:
    """How a private key may be written in an exception."""
    raw = key.to_bytes()
    return [raw.hex(), f"0x{raw.hex()}", raw.hex().upper(), str(int.from_bytes(raw, "big")),
            repr(raw)[2:-1], str(key), repr(key)]  # fmt: skip


RPC_PASSWORD_WRITTEN = "correct-horse%2Fbattery"
SECRETS = [*spellings(KEY), *spellings(OTHER), API_KEY, RPC_PASSWORD, RPC_PASSWORD_WRITTEN,
           FILE_PASSWORD, *KEYS.values()]  # fmt: skip


class Parrot:
    """A node, and an AWS, that answers with all that it was sent and all that it ever heard of."""

    def __init__(self, *heard: str) -> None:
        self.heard = heard
        self.asked = threading.Event()
        parrot = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                words = f"no {self.path} for {dict(self.headers)}: {', '.join(parrot.heard)}"
                try:
                    asked = json.loads(body)
                except ValueError:
                    asked = {"id": None}
                error = {"code": -32000, "message": words}
                answers = [
                    {"jsonrpc": "2.0", "id": each["id"], "error": error}
                    for each in (asked if isinstance(asked, list) else [asked])
                ]
                answer = json.dumps(answers if isinstance(asked, list) else answers[0]).encode()
                self.send_response(200 if "id" in str(asked) else 403)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                parrot.asked.set()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.place = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://user:{RPC_PASSWORD_WRITTEN}@{self.place}/v3/{API_KEY}"

    def __enter__(self) -> "Parrot":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def parrot() -> Iterator[Parrot]:
    with Parrot(*spellings(KEY), RPC_PASSWORD, API_KEY) as parrot:
        yield parrot


@dataclass(frozen=True)
class Case:
    """A program with a key, as it is started."""

    command: tuple[str, ...]
    environment: dict[str, str]


def on_a_box(home: Path, program: str, parrot: Parrot, *, key_file: bool) -> Case:
    """A program of the configuration file; its key from the environment, or a key file."""
    config = home / "config.toml"
    lines = [f'rpc-url = "{parrot.url}"', f'signer = "{"keystore" if key_file else "environment"}"']
    if key_file:
        lines += ["[keystore]", f'file = "{home}/key.json"', f'password-file = "{home}/password"']
        content = Account.encrypt(KEY.to_bytes(), FILE_PASSWORD, kdf="pbkdf2", iterations=1)
        (home / "key.json").write_text(json.dumps(content))
        (home / "password").write_text(f"{FILE_PASSWORD}\n")
    if program in MOC_PROGRAMS:
        lines += ["[moc]", f'address = "{MOC}"', "split = true"]
    config.write_text("\n".join([*lines, ""]))
    for path in home.iterdir():
        path.chmod(0o600)
    keys = {} if key_file else {"ACCOUNT_PK_SECRET": f"{KEY.to_hex()},{OTHER.to_hex()}"}
    named = "" if program == "eth_alarm" else str(config)
    command = ("scheduler", "run", program, "--config", named)
    if program == "eth_alarm":
        command = ("eth_alarm", "scheduler", "--config", str(config))
    return Case(command, keys)


def moc_jobs(home: Path, parrot: Parrot) -> Case:
    """moc_jobs with its whole configuration, keys and credentials in the environment."""
    network = {"app_mode": "MoC", "uri": [parrot.url], "chain_id": 31, "accounts": [],
               "addresses": {"MoC": MOC}}  # fmt: skip
    content = {"tasks": {"liquidation": {"interval": 1, "wait_timeout": 240, "gas_limit": 200_000}},
               "timeout": 60, "gas_price": 1, "networks": {"mocTestnet": network}}  # fmt: skip
    environment = {
        "MOC_JOBS_CONFIG": json.dumps(content),
        "ACCOUNT_PK_SECRET": f"{KEY.to_hex()},{OTHER.to_hex()}",
        **variables(f"http://{parrot.place}"),
    }
    return Case(("moc_jobs",), environment)


def case(home: Path, program: str, parrot: Parrot) -> Case:
    if program == MOC_JOBS:
        return moc_jobs(home, parrot)
    return on_a_box(home, program.split()[0], parrot, key_file="key file" in program)


def assert_hidden(home: Path, said: list[str], *allowed: str) -> None:
    """None of the secrets is in what a program said or left in its home, but for its own files."""
    own = {home / name for name in ("config.toml", "key.json", "password", *allowed)}
    left = [path for path in home.rglob("*") if path.is_file() and path not in own]
    left = [path for path in left if path.suffix != ".pyc"]
    texts = [*said, *(path.read_bytes().decode("latin-1") for path in left)]
    assert [secret for secret in SECRETS if any(secret in text for text in texts)] == []


@contextmanager
def started(home: Path, case: Case, **more: str) -> Iterator[Running]:
    extra = {**case.environment, "LOG_LEVEL": "DEBUG", **more}
    with Running(home, *case.command, **extra) as program:
        yield program


LAUNCHED = [SCHEDULER, f"{SCHEDULER} with a key file", "eth_alarm", MOC_JOBS]
FORMS = [
    *((program, form) for program in LAUNCHED for form in (LINES, JSON)),
    *((program, JSON) for program in MOC_PROGRAMS),
]


@pytest.mark.parametrize(("program", "form"), FORMS)
def test_what_a_node_repeats_is_not_logged(
    tmp_path: Path, parrot: Parrot, program: str, form: str
) -> None:
    # By hand, some would end for what they are answered.
    how = {"SCHEDULER_LOG_FORMAT": form, "SUPERVISOR_ENABLED": "1"}
    with started(tmp_path, case(tmp_path, program, parrot), **how) as running:
        if program == MOC_JOBS:
            running.saw("CloudWatch does not get the heartbeat")
        told = running.saw("refuses")
        assert running.stop() == 0
    assert "…" in told
    assert parrot.asked.is_set()
    assert_hidden(tmp_path, running.lines + running.errors)
    if form == JSON:
        events = [json.loads(line) for line in running.lines]
        assert all({"time", "level", "name", "message"} <= set(event) for event in events)
        assert all(event["time"].endswith("Z") for event in events)


CRASH = """
import os, sys
if sys.argv[0] == "-m" or "scheduler.launch" in sys.orig_argv:
    from scheduler.reach import Reach

    async def node(self):
        raise RuntimeError({words!r} + self._plan.endpoint + str(self._plan.fallbacks))

    Reach.node = node
"""


@pytest.mark.parametrize("program", LAUNCHED)
def test_a_fault_with_a_key_in_its_exception_ends_a_program_without_it(
    tmp_path: Path, parrot: Parrot, program: str
) -> None:
    """The fault is planted: nothing that is known raises an exception with a key in it."""
    faults = tmp_path / "faults"
    faults.mkdir()
    (faults / "sitecustomize.py").write_text(CRASH.format(words=" ".join(spellings(KEY))))
    with started(tmp_path, case(tmp_path, program, parrot), PYTHONPATH=str(faults)) as running:
        assert running.ended() == 1
    assert any(line.startswith("RuntimeError: … ") for line in running.errors)
    assert_hidden(tmp_path, running.lines + running.errors, "faults/sitecustomize.py")


def test_a_fault_in_a_command_shows_no_key(tmp_path: Path) -> None:
    """Also what is there of other keys: a command has not thrown them away yet."""
    faults = tmp_path / "faults"
    faults.mkdir()
    (faults / "sitecustomize.py").write_text(
        "import scheduler.config as config, os\n"
        "def load(*_):\n    raise RuntimeError(os.environ['ACCOUNT_PK_SECRET'])\n"
        "config.load = load\n"
    )
    secrets = {"ACCOUNT_PK_SECRET": f"{KEY.to_hex()},{OTHER.to_hex()}", "PYTHONPATH": str(faults)}
    done = finished(tmp_path, "scheduler", "account", "show", **secrets)
    assert done.returncode == 1
    assert "RuntimeError: …" in done.stderr
    assert_hidden(tmp_path, [done.stdout, done.stderr])


@pytest.mark.parametrize("form", [LINES, JSON])
def test_what_is_repeated_to_the_monitor_is_neither_logged_nor_shown_nor_measured(
    tmp_path: Path, form: str
) -> None:
    """It has no key of an account, but the URLs of nodes and of those whom it tells."""
    hook = "hook0123456789abcdefghijkl"
    with Parrot(RPC_PASSWORD, API_KEY, hook) as parrot:
        config = tmp_path / "config.toml"
        lines = [f'rpc-url = "{parrot.url}"', f'account = "{MOC}"', "[monitor]",
                 f'webhook = "http://{parrot.place}/hooks/{hook}"', "metrics-port = 0",
                 f'second-rpc-url = "{parrot.url}"', 'page-address = "127.0.0.1:0"',
                 f'supervisor = "{tmp_path / "none"}"']  # fmt: skip
        config.write_text("\n".join([*lines, ""]))
        config.chmod(0o600)
        case = Case(("scheduler", "run", "scheduler-monitor", "--config", str(config)), {})
        with started(tmp_path, case, SCHEDULER_LOG_FORMAT=form) as running:
            places = [running.saw(what).split()[-1] for what in ("metrics:", "status page:")]
            running.saw("node.answers")
            running.saw("does not take alerts")
            shown = [read(place.rstrip('"}')) for place in places]
            assert running.stop() == 0
    assert 'check="node.answers",level="fail"} 1.0' in shown[0]
    assert 'id="check-node.answers" data-level="fail"' in shown[1]
    said = running.lines + running.errors + shown
    assert [text for text in said if hook in text] == []
    assert_hidden(tmp_path, said)


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text
