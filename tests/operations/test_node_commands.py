"""`scheduler node wait` against real nodes, and one that syncs while it is looked at."""

import json
import os
import pty
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scheduler.devchain.toolchain import geth_path
from tests import nodes
from tests.commands import BIN, environment, finished, free_port, refusal

WAIT = ("scheduler", "node", "wait")
SEPOLIA = 11155111


class Syncing:
    """Imitates geth 1.16 while it syncs sepolia: each question finds it a quarter further.

    With `age`, it says that it is not syncing, and its latest block is so many seconds old.
    """

    def __init__(self, age: int | None = None) -> None:
        self._age = age
        self._asked = 0

    def answer(self, method: str) -> object:
        if method == "eth_chainId":
            return hex(SEPOLIA)
        if method == "eth_syncing":
            self._asked += 1
            if self._age is not None or self._asked > 4:
                return False
            return {"currentBlock": hex(1000 * self._asked), "highestBlock": hex(4000)}
        assert method == "eth_getBlockByNumber"
        block = dict.fromkeys(("hash", "parentHash"), "0x" + "11" * 32)
        timestamp = int(time.time()) - (self._age or 0)
        return block | {
            "number": hex(4000), "timestamp": hex(timestamp), "gasLimit": hex(30_000_000),
            "baseFeePerGas": "0x7",
        }  # fmt: skip


@contextmanager
def serving(node: Syncing) -> Iterator[str]:
    """The URL at which it answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answers = [
                {"jsonrpc": "2.0", "id": each["id"], "result": node.answer(each["method"])}
                for each in (asked if isinstance(asked, list) else [asked])
            ]
            body = json.dumps(answers if isinstance(asked, list) else answers[0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("kind", ["geth", "rskj"])
def test_a_node_that_has_caught_up_is_ready_at_once(tmp_path: Path, kind: str) -> None:
    with nodes.started(kind) as node:
        done = finished(tmp_path, *WAIT, "--timeout", "20", SCHEDULER_RPC_URL=node.http)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"the node is ready at block \d+\n", done.stdout)


def test_a_log_gets_a_line_when_something_changes(tmp_path: Path) -> None:
    with serving(Syncing()) as url:
        done = finished(tmp_path, *WAIT, SCHEDULER_RPC_URL=url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "syncing: block 1,000 of 4,000 (25.0 %)",
        "the node is ready at block 4,000",
    ]


def test_a_terminal_gets_a_bar_that_is_taken_away(tmp_path: Path) -> None:
    screen = {"TERM": "xterm", "COLUMNS": "100"}
    with serving(Syncing()) as url:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [BIN / WAIT[0], *WAIT[1:]],
            env=environment(tmp_path, {"SCHEDULER_RPC_URL": url, **screen}),
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        # The terminal's other end reports an error once nobody has it open (pty(7), EIO).
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:
            pass
        os.close(ours)
        assert process.wait(20) == 0
    text = shown.decode()
    assert "syncing: block 3,000 of 4,000 (75.0 %)" in text
    assert "━" in text
    assert text.splitlines()[-1].endswith("the node is ready at block 4,000")


@pytest.mark.parametrize("timeout", ["0", "1.5"])
def test_it_gives_up_with_1_when_the_time_is_over(tmp_path: Path, timeout: str) -> None:
    url = f"http://127.0.0.1:{free_port()}/v3/0123456789abcdef0123456789abcdef"
    done = finished(tmp_path, *WAIT, "--timeout", timeout, SCHEDULER_RPC_URL=url)
    assert done.returncode == 1
    assert (
        f"scheduler: not after {timeout} s: waiting for the node: http://127.0.0.1" in done.stderr
    )
    assert "0123456789abcdef" not in done.stdout + done.stderr


def test_another_chain_ends_it_with_2(tmp_path: Path) -> None:
    with serving(Syncing()) as url:
        line = refusal(tmp_path, *WAIT, SCHEDULER_RPC_URL=url, SCHEDULER_NETWORK="mainnet")
    assert "the node serves chain id 11155111, but the network mainnet has 1; " in line


def test_a_node_without_peers_does_not_know_that_it_is_behind(tmp_path: Path) -> None:
    with serving(Syncing(age=86_400)) as url:
        done = finished(tmp_path, *WAIT, "--timeout", "0", SCHEDULER_RPC_URL=url)
    assert done.returncode == 1
    assert "behind: its latest block, 4,000, is 1,440 minutes old; it needs peers" in done.stdout


def test_geth_at_its_genesis_is_syncing(tmp_path: Path) -> None:
    port = free_port()
    command = [geth_path(), "--hoodi", "--datadir", tmp_path / "hoodi", "--ipcdisable"]
    command += ["--nodiscover", "--maxpeers", "0", "--port", "0", "--authrpc.port", "0"]
    command += ["--http", "--http.port", str(port)]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        waiting = subprocess.Popen(
            [BIN / WAIT[0], *WAIT[1:]],
            env=environment(tmp_path, {"SCHEDULER_RPC_URL": url}),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert waiting.stdout is not None
        with waiting.stdout:
            lines = [waiting.stdout.readline()]
            while lines[-1].startswith("waiting for the node: "):
                lines.append(waiting.stdout.readline())
            waiting.terminate()
            waiting.wait(10)
    finally:
        process.terminate()
        process.wait(30)
    assert lines[-1] == (
        "syncing: it knows of no block yet; it needs peers, and geth its consensus client\n"
    )
