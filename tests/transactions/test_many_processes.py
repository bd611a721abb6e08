"""Several programs send from one account at once: every effect once, no nonce twice, no gap."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests import nodes
from tests.transactions.rig import Bench

PROCESSES = 4
EACH = 25


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Its account is made while anvil mines on command; then there is a block every second."""
    with nodes.anvil(automine=False) as node:
        bench = Bench(node)
        bench.counter  # noqa: B018 - deployed before the programs begin
        yield bench
        bench.endpoint.close()


def test_four_programs_share_an_account(bench: Bench, tmp_path: Path) -> None:
    key = bench.key()
    account = key.public_key.to_address()
    journal = tmp_path / "journal.db"
    common = [sys.executable, "-m", "tests.transactions.crew", bench.node.ws, str(journal)]
    crew = [
        subprocess.Popen(
            [*common, key.to_bytes().hex(), bench.counter, f"0x{number:040x}", str(EACH)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    bench.endpoint.request("evm_setIntervalMining", 1)
    try:
        errors = [process.communicate(timeout=90)[1] for process in crew]
    finally:
        for process in crew:
            process.kill()
            process.wait()
    assert errors == [""] * PROCESSES
    assert bench.hits(account) == PROCESSES * EACH
    with closing(sqlite3.connect(journal)) as file:
        rows = file.execute("SELECT nonce FROM slots ORDER BY nonce").fetchall()
        outcomes = file.execute("SELECT state, count(*) FROM intents GROUP BY state").fetchall()
        unfinished = file.execute("SELECT count(*) FROM slots WHERE state = 'open'").fetchall()
    assert [nonce for (nonce,) in rows] == list(range(PROCESSES * EACH))
    assert outcomes == [("succeeded", PROCESSES * EACH)]
    assert unfinished == [(0,)]
    assert bench.nonce(account) == PROCESSES * EACH
