"""The recorder sees transactions that were not journaled, and passes everything on."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from tests.faults.proxy import Proxy
from tests.faults.recorder import Recorder
from tests.transactions.rig import Bench, office


def asked(path: str, method: str, *params: object) -> dict[str, object]:
    """The answer to one request, over the socket at `path`."""
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(path)
        wire.sendall(json.dumps(message).encode() + b"\n")
        with wire.makefile("rb") as answers:
            answer: dict[str, object] = json.loads(answers.readline())
    return answer


@pytest.fixture
def bare(tmp_path: Path) -> Recorder:
    """A recorder whose journal is not there yet."""
    return Recorder(lambda: tmp_path / "journal.db")


@pytest.fixture
def socket_path(bench: Bench, tmp_path: Path, bare: Recorder) -> Iterator[str]:
    """Where the node is found, and every message is looked at."""
    with Proxy(bench.way, "ipc", tmp_path, bare) as proxy:
        yield proxy.endpoint


def test_a_raw_transaction_that_nobody_journaled_is_recorded(
    socket_path: str, bare: Recorder
) -> None:
    answer = asked(socket_path, "eth_sendRawTransaction", "0x1234")
    assert "error" in answer
    assert bare.violations == bare.sent == ["0x" + keccak(b"\x12\x34").hex()]


@pytest.mark.parametrize("change", [{}, {"nonce": "0x5"}, {"gas": "0x5208"}], ids=str)
async def test_a_request_to_send_must_be_journaled_field_for_field(
    bench: Bench, tmp_path: Path, socket_path: str, bare: Recorder, change: dict[str, str]
) -> None:
    account = next(bench.unlocked)
    async with office(bench, tmp_path / "journal.db", account) as opened:
        opened.node.signs = False
        prepared = await opened.prepared(opened.wish())
        [attempt] = await opened.sender.commit(prepared, await opened.head())
    asked(socket_path, "eth_sendTransaction", {**attempt.fields, **change})
    assert len(bare.sent) == 1
    assert bool(bare.violations) is bool(change)
