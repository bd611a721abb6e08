"""The recorder sees transactions that were not journaled, and passes everything on."""

import json
import socket
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from tests.faults.recorder import Recorder
from tests.transactions.rig import Bench, office


def asked(path: Path, method: str, *params: object) -> dict[str, object]:
    """The answer to one request, over the socket at `path`."""
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(path))
        wire.sendall(json.dumps(message).encode() + b"\n")
        with wire.makefile("rb") as answers:
            answer: dict[str, object] = json.loads(answers.readline())
    return answer


@pytest.fixture
def bare(bench: Bench, tmp_path: Path) -> Recorder:
    """A recorder whose journal is not there yet."""
    return Recorder(bench.node.ipc, tmp_path / "ipc", lambda: tmp_path / "journal.db")


def test_a_raw_transaction_that_nobody_journaled_is_recorded(bare: Recorder) -> None:
    with bare:
        answer = asked(bare.path, "eth_sendRawTransaction", "0x1234")
    assert "error" in answer
    assert bare.violations == bare.sent == ["0x" + keccak(b"\x12\x34").hex()]


@pytest.mark.parametrize("change", [{}, {"nonce": "0x5"}, {"gas": "0x5208"}], ids=str)
async def test_a_request_to_send_must_be_journaled_field_for_field(
    bench: Bench, tmp_path: Path, bare: Recorder, change: dict[str, str]
) -> None:
    account = next(bench.unlocked)
    async with office(bench, tmp_path / "journal.db", account) as opened:
        opened.node.signs = False
        prepared = await opened.prepared(opened.wish())
        [attempt] = await opened.sender.commit(prepared, await opened.head())
    with bare:
        asked(bare.path, "eth_sendTransaction", {**attempt.fields, **change})
    assert len(bare.sent) == 1
    assert bool(bare.violations) is bool(change)
