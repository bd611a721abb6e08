"""SIGKILL between "signed" and "accepted": the call is executed once, and told as such."""

import http.client
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.evidence import Witness
from tests.commands import (
    Running,
    alarm_chain,
    head_of,
    mine_up_to,
    schedule_on,
    until,
)

Interception = Callable[[str, Callable[[], bytes]], bytes | None]


@pytest.fixture(scope="module")
def chain() -> Iterator[DevelopmentChain]:
    with alarm_chain() as chain:
        yield chain


class Wire:
    """The HTTP way to a node, with somebody on it who sees raw transactions before the node does.

    `intercept` gets such a transaction, and a function that hands the message on and gives the
    answer; it gives the answer for the sender, None for a connection that breaks.
    """

    def __init__(self, node_port: int) -> None:
        self.intercept: Interception | None = None
        self.sent: list[str] = []
        wire = self

        class Relay(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = wire.relay(body, lambda: forwarded(node_port, body))
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            # Who was killed does not listen any more.
            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Relay)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def relay(self, body: bytes, forward: Callable[[], bytes]) -> bytes | None:
        message = json.loads(body)
        requests = message if isinstance(message, list) else [message]
        raws = [r["params"][0] for r in requests if r["method"] == "eth_sendRawTransaction"]
        if not raws:
            return forward()
        self.sent += raws
        return self.intercept(raws[0], forward) if self.intercept else forward()

    def __enter__(self) -> "Wire":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def forwarded(port: int, body: bytes) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        return connection.getresponse().read()


@contextmanager
def journal_of(home: Path) -> Iterator[sqlite3.Connection]:
    uri = f"file:{home / 'journal.db'}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as journal:
        yield journal


@pytest.mark.parametrize("reached_the_node", [False, True])
def test_a_kill_between_signed_and_accepted_means_executed_exactly_once(
    chain: DevelopmentChain, tmp_path: Path, reached_the_node: bool
) -> None:
    with Wire(chain.node.port) as wire:
        address = ("-a", chain.deployment.scheduler)
        arguments = ("eth_alarm", "scheduler", *address, "-p", str(wire.port))
        call = schedule_on(chain, ahead=14)
        with Running(tmp_path, *arguments) as program:
            journaled: list[tuple[str, int]] = []

            def kill(raw: str, forward: Callable[[], bytes]) -> None:
                hash_ = "0x" + keccak(hexstr=raw).hex()
                with journal_of(tmp_path) as journal:
                    query = "SELECT state, nonce FROM attempts WHERE hash = ? AND raw = ?"
                    found = journal.execute(query, (hash_, bytes.fromhex(raw[2:]))).fetchall()
                    journaled.extend(found)
                if reached_the_node:
                    forward()
                program.process.kill()
                program.process.wait()

            wire.intercept = kill
            program.saw(f"Tracking call: {call.address}")
            mine_up_to(chain, call.target_block - 1)
            assert program.ended() == -9
        assert [state for state, _ in journaled] == ["signed"]
        assert len(wire.sent) == 1
        assert program.having("Transaction accepted") == []

        wire.intercept = None
        with Running(tmp_path, *arguments) as program:
            until(lambda: head_of(tmp_path) >= call.target_block - 1)
            chain.endpoint.request("anvil_mine")
            program.saw("Outcome: succeeded")
            # Long after it is final nothing else has been sent.
            for _ in range(4):
                chain.endpoint.request("anvil_mine")
                head = chain.endpoint.number("eth_blockNumber")
                until(lambda head=head: head_of(tmp_path) >= head)
            assert program.stop() == 0
        assert len(program.having("Outcome")) == 1

    assert set(wire.sent) == {wire.sent[0]}
    assert len(wire.sent) == (1 if reached_the_node else 2)
    evidence = Witness(chain.node.http).testify(call, chain.deployment.counter)
    assert (evidence.outcome, evidence.effects) == ("succeeded", 1)
    assert evidence.on_target
    with journal_of(tmp_path) as journal:
        assert journal.execute("SELECT kind, is_final FROM outcomes").fetchall() == [
            ("succeeded", 1)
        ]
        assert journal.execute("SELECT nonce, state FROM slots").fetchall() == [
            (journaled[0][1], "consumed")
        ]
