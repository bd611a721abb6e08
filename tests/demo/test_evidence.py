"""The demonstration's witness: what it says of a call is what the chain says, good or bad."""

from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.chain import chain_on_anvil
from scheduler.devchain.evidence import Evidence, Witness, row
from scheduler.devchain.scheduling import CallRequest, schedule

EXECUTE = bytes.fromhex("61461954")  # execute() of FutureBlockCall v0.7

GOOD = Evidence("0x" + "1" * 40, "0x" + "2" * 40, 320, 320, "succeeded", 200_000, 10**16, 1)


@pytest.mark.parametrize(
    "bad",
    [
        {"executed_in": None},
        {"executed_in": 319},
        {"executed_in": 321},
        {"outcome": "target failed"},
        {"effects": 0},
        {"effects": 2},
    ],
)
def test_only_one_effect_exactly_at_the_target_block_is_on_target(bad: dict[str, object]) -> None:
    assert GOOD.on_target
    assert not replace(GOOD, **bad).on_target


def test_a_row_shows_block_outcome_gas_and_payment() -> None:
    expected = ["0x" + "1" * 40, "0x22…222222", "320", "320", "succeeded", "200000", "0.010000"]
    assert row(GOOD).split() == expected
    assert row(replace(GOOD, executed_in=None)).split()[3] == "-"


def test_a_call_is_witnessed_before_and_after_its_execution(tmp_path: Path) -> None:
    with chain_on_anvil(tmp_path, block_time=None) as chain:
        endpoint, deployment = chain.endpoint, chain.deployment
        request = CallRequest(deployment.counter, endpoint.number("eth_blockNumber") + 20)
        call = schedule(Wallet(endpoint, Role.CUSTOMER), deployment.scheduler, request)
        witness = Witness(endpoint.url)

        before = witness.testify(call, deployment.counter)
        assert (before.executed_in, before.outcome, before.effects) == (None, "not executed", 0)

        missing = call.target_block + 2 - endpoint.number("eth_blockNumber")
        endpoint.request("anvil_mine", hex(missing))
        receipt = Wallet(endpoint, Role.RIVAL).transact(call.address, EXECUTE, gas=1_000_000)

        after = witness.testify(call, deployment.counter)
        assert after.executed_in == int(receipt["blockNumber"], 16) > call.target_block
        assert (after.outcome, after.effects) == ("succeeded", 1)
        assert after.gas == int(receipt["gasUsed"], 16)
        assert after.payment > 0
        assert not after.on_target
        endpoint.close()
