"""On a chain without EIP-1559, such as rskj's, transactions are legacy, and reach their effect."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from scheduler.transactions.encoding import LegacyFee
from tests import nodes
from tests.transactions.rig import Bench, Office


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with nodes.anvil(automine=False, hardfork="istanbul", gas_limit=6_800_000) as node:
        bench = Bench(node)
        yield bench
        bench.endpoint.close()


async def test_an_intent_is_executed_once(at: Office) -> None:
    at.want(at.wish())
    await at.turn()
    [attempt] = at.open_attempts()
    assert "gasPrice" in attempt.fields
    assert "maxFeePerGas" not in attempt.fields
    await at.until_mined()
    await at.mine_and_turn(3)
    assert at.hits == 1
    assert at.open_attempts() == []


async def test_the_blocks_minimum_gas_price_is_paid(at: Office) -> None:
    """anvil's blocks have no minimumGasPrice; it is put into the head, as rskj's would have it."""
    head = await at.head()
    minimum = 2 * (await at.sender.conditions(head)).suggested
    head = replace(head, minimum_gas_price=minimum)
    assert head.base_fee is None
    [prepared] = await at.sender.prepare([at.wish()], head)
    assert prepared.transaction.fee == LegacyFee(minimum)
