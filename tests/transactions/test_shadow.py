"""In the shadow: everything up to signing, said; nothing signed, sent, or in the way of later."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler.devchain.chain import DevelopmentChain
from tests.commands import (
    alarm_chain,
    eth_alarm,
    head_of,
    pulse_of,
    schedule_on,
    until,
    walk_to,
)
from tests.test_crash import Wire

KEY = PrivateKey(b"\x5a" * 32)
ADDRESS = KEY.public_key.to_address()

SIGNING = ("eth_sendRawTransaction", "eth_sendTransaction", "eth_signTransaction", "eth_sign")


@pytest.fixture(scope="module")
def chain() -> Iterator[DevelopmentChain]:
    with alarm_chain() as chain:
        chain.endpoint.request("anvil_setBalance", ADDRESS, hex(10**18))
        yield chain


def rows(home: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(connect(f"file:{home / 'journal.db'}?mode=ro", uri=True)) as journal:
        return journal.execute(f"SELECT * FROM {table}").fetchall()


def sent_by(chain: DevelopmentChain, address: str) -> int:
    return chain.endpoint.number("eth_getTransactionCount", address, "pending")


class Listening(Wire):
    """Writes down what is asked of the node."""

    def __init__(self, node_port: int) -> None:
        self.methods: set[str] = set()
        super().__init__(node_port)

    def relay(self, body: bytes, forward: Any) -> bytes | None:
        message = json.loads(body)
        asked = message if isinstance(message, list) else [message]
        self.methods |= {each["method"] for each in asked}
        return super().relay(body, forward)


@pytest.mark.parametrize("signer", ["node", "environment", "an address alone"])
def test_it_says_what_it_would_send_and_a_live_run_after_it_sends(
    chain: DevelopmentChain, tmp_path: Path, signer: str
) -> None:
    executor = chain.endpoint.request("eth_accounts")[0] if signer == "node" else ADDRESS
    key = {"SCHEDULER_SIGNER": "environment", "ACCOUNT_PK_SECRET": KEY.to_bytes().hex()}
    extra = {"an address alone": {"SCHEDULER_ACCOUNT": ADDRESS}, "environment": key}.get(signer, {})
    before = sent_by(chain, executor)
    with Listening(chain.node.port) as wire:
        way = ("-p", str(wire.port))
        with eth_alarm(chain, tmp_path, *way, SCHEDULER_MODE="shadow", **extra) as program:
            program.saw('CONFIG: WARNING: .* mode = "shadow"')
            program.saw("Heartbeat")
            call = schedule_on(chain, ahead=14)
            customer = sent_by(chain, executor) - before
            program.saw(f"Tracking call: {call.address}")
            walk_to(chain, call.target_block + 3, tmp_path)
            told = program.saw("SHADOW: INFO: .* Would send execute")
            assert program.stop() == 0
    assert re.search(
        rf"\(call {call.address}, .*\): nonce {before + customer} to {call.address} with 0 wei and "
        r"4 bytes of data, at most \d+ gas at \d+ wei; simulated as succeeded \(.+\), "
        r"earning \d+ wei$",
        told,
    )
    assert len(program.having("Would send execute")) == 1
    assert program.having("Attempting") == []
    assert wire.methods & set(SIGNING) == set()
    assert sent_by(chain, executor) == before + customer
    pulse = pulse_of(tmp_path)
    assert pulse is not None
    assert (pulse["mode"], pulse["counts"]["shadowed"]) == ("shadow", 1)
    assert [rows(tmp_path, table) for table in ("intents", "slots", "attempts")] == [[], [], []]

    # The same journal, the same call: its window is still open, and it is due.
    live = key if signer != "node" else {}
    with eth_alarm(chain, tmp_path, **live) as program:
        program.saw("Everything needed|Tracking call|Heartbeat")
        walk_to(chain, call.target_block + 8, tmp_path)
        program.saw("Outcome: succeeded")
        assert program.stop() == 0
    (intent,) = rows(tmp_path, "intents")
    assert call.address in str(intent)


def test_what_a_live_run_left_is_not_sent_again_or_cancelled_but_followed(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    """The node forgets a transaction; the shadow leaves it so, and the next live run sends it."""
    extra = {"SCHEDULER_SIGNER": "environment", "ACCOUNT_PK_SECRET": KEY.to_bytes().hex()}
    chain.endpoint.request("evm_setAutomine", True)
    call = schedule_on(chain, ahead=14)
    with eth_alarm(chain, tmp_path, **extra) as program:
        program.saw("Tracking call")
        walk_to(chain, call.target_block - 2, tmp_path)
        chain.endpoint.request("evm_setAutomine", False)
        chain.endpoint.request("anvil_mine")
        program.saw("Transaction accepted")
        program.kill()
    chain.endpoint.request("anvil_dropAllTransactions")
    nonce = sent_by(chain, ADDRESS)
    try:
        with Listening(chain.node.port) as wire:
            way = ("-p", str(wire.port))
            with eth_alarm(chain, tmp_path, *way, SCHEDULER_MODE="shadow", **extra) as program:
                program.saw("Heartbeat")
                for _ in range(4):
                    chain.endpoint.request("anvil_mine")
                    head = chain.endpoint.number("eth_blockNumber")
                    until(lambda head=head: head_of(tmp_path) >= head)
                assert program.stop() == 0
        assert wire.methods & set(SIGNING) == set()
        assert sent_by(chain, ADDRESS) == nonce
        assert len(rows(tmp_path, "attempts")) == 1
    finally:
        chain.endpoint.request("evm_setAutomine", True)
    with eth_alarm(chain, tmp_path, **extra) as program:
        program.saw("Heartbeat")
        walk_to(chain, chain.endpoint.number("eth_blockNumber") + 3, tmp_path)
        program.saw("Outcome: succeeded")
        assert program.stop() == 0
    assert len(rows(tmp_path, "slots")) == 1
