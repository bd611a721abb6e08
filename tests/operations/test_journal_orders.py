"""`scheduler journal bump|cancel|retry` as an operator types them, with a real program."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.evidence import Witness
from scheduler.transactions.journal import Journal
from tests.commands import (
    Running,
    alarm_chain,
    eth_alarm,
    finished,
    refusal,
    schedule_on,
    until,
    walk_to,
)
from tests.transactions.samples import ACCOUNT, intent, prepared


@pytest.fixture
def chain() -> Iterator[DevelopmentChain]:
    with alarm_chain() as chain:
        yield chain


def lines(home: Path, *words: str) -> list[str]:
    """What the command says; it must do well."""
    done = finished(home, "scheduler", "journal", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def mine_without(chain: DevelopmentChain, home: Path) -> None:
    """A block without what is in flight, which the program has dealt with."""
    listed = finished(home, "scheduler", "journal", "list", "--json").stdout
    [row] = map(json.loads, listed.splitlines())
    chain.endpoint.request("anvil_dropTransaction", row["hash"])
    walk_to(chain, chain.endpoint.number("eth_blockNumber") + 1, home)


def pooled(chain: DevelopmentChain) -> dict[str, str]:
    """The account's first transaction, as the node has it."""
    found: dict[str, str] = chain.endpoint.request(
        "eth_getTransactionBySenderAndNonce", chain.account, "0x0"
    )
    return found


def test_a_call_is_cancelled_abandoned_and_after_a_retry_executed(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    call = schedule_on(chain, ahead=12)
    chain.endpoint.request("evm_setAutomine", False)
    with eth_alarm(chain, tmp_path) as program:
        program.saw(f"Tracking call: {call.address}")
        walk_to(chain, call.target_block - 1, tmp_path)
        program.saw("Transaction accepted")
        program.kill()
    # Ordered while nothing runs, so between this order and its attempt lies a kill.
    given = lines(tmp_path, "cancel", call.address)
    assert "a transfer of nothing is bid in its slot" in given[0]
    assert given[1] == "no program runs now that carries it out: that waits until one does"
    assert "cancel was ordered by" in finished(tmp_path, "scheduler", "journal", "list").stderr
    with eth_alarm(chain, tmp_path) as program:
        program.saw("nonce 0 .* cancelling it")
        # Said when it is in the journal; it leaves after that.
        until(lambda: pooled(chain)["to"] == chain.account)
        walk_to(chain, call.target_block + 3, tmp_path)
        program.saw("Outcome: abandoned: .* ordered that it be cancelled")
        assert lines(tmp_path, "list")[1].split()[2] == "abandoned"
        assert Witness(chain.node.http).testify(call, chain.deployment.counter).effects == 0
        assert lines(tmp_path, "retry", call.address) == [
            f"{call.address}: it was abandoned and is planned again"
        ]
        program.saw("Heartbeat")
        walk_to(chain, call.target_block + 5, tmp_path)
        program.saw("wants it tried again")
        program.saw("Outcome: succeeded")
        walk_to(chain, call.target_block + 8, tmp_path)
        assert program.stop() == 0
    assert Witness(chain.node.http).testify(call, chain.deployment.counter).effects == 1
    story = "\n".join(lines(tmp_path, "show", call.address))
    for words in ("ordered: cancel", "to cancel it was carried out", "ordered: retry", "abandoned"):
        assert words in story
    orders = [row for row in map(json.loads, lines(tmp_path, "export")) if row["table"] == "orders"]
    assert [(row["what"], row["state"]) for row in orders] == [
        ("cancel", "done"),
        ("retry", "done"),
    ]
    line = refusal(tmp_path, "scheduler", "journal", "retry", call.address, status=1)
    assert line.endswith("is refused: it has ended already: it is succeeded")


def test_a_bump_is_waited_for_and_its_bid_is_told(chain: DevelopmentChain, tmp_path: Path) -> None:
    call = schedule_on(chain, ahead=12)
    chain.endpoint.request("evm_setAutomine", False)
    with eth_alarm(chain, tmp_path) as program:
        program.saw(f"Tracking call: {call.address}")
        walk_to(chain, call.target_block - 1, tmp_path)
        program.saw("Transaction accepted")
        with Running(tmp_path, "scheduler", "journal", "bump", call.address, "--wait") as bump:
            bump.saw("bump was ordered")
            mine_without(chain, tmp_path)
            bump.saw("a further bid for nonce 0, at most")
            assert bump.ended() == 0
        walk_to(chain, call.target_block + 4, tmp_path)
        program.saw("Outcome: succeeded")
        assert program.stop() == 0
    assert Witness(chain.node.http).testify(call, chain.deployment.counter).effects == 1
    assert any("The order to bump it was carried out" in line for line in lines(
        tmp_path, "show", call.address
    ))  # fmt: skip


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A home with one intent in a slot, and no program that runs."""
    journal = Journal.open(tmp_path / "journal.db")
    journal.admit(ACCOUNT)
    journal.reserve(ACCOUNT, [prepared(0, intent("tests:touch:here"))])
    journal.close()
    return tmp_path


def test_an_order_that_nobody_carries_out_in_time_stands(stopped: Path) -> None:
    words = ("bump", "here", "--wait", "--timeout", "0.2")
    done = finished(stopped, "scheduler", "journal", *words)
    assert done.returncode == 1
    assert "was not carried out within 0.2 s; it stands" in done.stderr
    story = lines(stopped, "show", "here")
    assert story[-1].startswith("Next: The order to bump it is carried out next.")


def test_wrong_orders_are_one_line(stopped: Path) -> None:
    line = refusal(stopped, "scheduler", "journal", "retry", "here", status=1)
    assert line.endswith("is refused: it is on its way already")
    assert "the nearest is" in refusal(stopped, "scheduler", "journal", "cancel", "nowhere")
