"""One turn for each head: what is due is sent, then what was sent is looked after."""

import asyncio
import logging

import pytest

from scheduler.chain.model import Conditions, Head, HeadEvent
from scheduler.errors import NotYet
from scheduler.notices import Notice
from scheduler.transactions.fees import FeePolicy
from tests.transactions.rig import ETHER, Bench, Office, later

GWEI = 10**9


@pytest.fixture
def bench(anvil_bench: Bench) -> Bench:
    return anvil_bench


def fund(opened: Office, wei: int) -> None:
    opened.bench.endpoint.request("anvil_setBalance", opened.address, hex(wei))


def set_base_fee(opened: Office, wei: int) -> None:
    """Of the next block."""
    opened.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(wei))
    opened.bench.mine()


async def worst_cost(opened: Office) -> int:
    """What one wish may cost at the most, in wei."""
    [prepared] = await opened.prepared(opened.wish("probe"))
    return prepared.transaction.gas * prepared.transaction.fee.cap


async def test_too_little_ether_is_said_once_and_nothing_is_reserved(
    at: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """The sum that is missing changes with every base fee; it was said with every block."""
    fund(at, 10**12)
    at.want(at.wish())
    notice = Notice(logging.getLogger("TEST"))
    for base_fee in (3 * GWEI, 2 * GWEI, 4 * GWEI):
        set_base_fee(at, base_fee)
        with pytest.raises(NotYet, match="wei less than what is due may cost; send ether") as said:
            await at.turn()
        notice.raised(str(said.value))
    assert len(caplog.records) == 1
    assert f"{at.address} has {10**12} wei" in caplog.messages[0]
    assert at.open_attempts() == []
    assert at.journal.intent_states(["one"]) == {}
    fund(at, ETHER)
    await at.turn()
    at.bench.mine()
    assert at.hits == 1


async def test_one_that_cannot_be_paid_does_not_keep_cheaper_ones_back(at: Office) -> None:
    """Whoever scheduled a call with much gas stopped all the others for as long as it was due."""
    fund(at, await worst_cost(at) * 3)
    at.want(at.wish("dear", gas=10_000_000), at.wish("cheap"))
    with pytest.raises(NotYet, match="send ether"):
        await at.turn()
    assert [attempt.intent.key for attempt in at.open_attempts()] == ["cheap"]
    at.bench.mine()
    assert at.hits == 1


async def test_too_little_ether_is_no_trouble_when_nothing_is_due(at: Office) -> None:
    fund(at, 0)
    at.want(at.wish())
    with pytest.raises(NotYet):
        await at.turn()
    at.want()
    await at.turn()


async def test_what_the_ether_suffices_for_is_sent(at: Office) -> None:
    cost = await worst_cost(at)
    fund(at, cost * 2 + cost // 2)
    at.want(*(at.wish(f"wish {number}") for number in range(3)))
    with pytest.raises(NotYet, match="send ether to it"):
        await at.turn()
    assert [attempt.intent.key for attempt in at.open_attempts()] == ["wish 0", "wish 1"]


async def test_the_value_sent_along_counts_too(at: Office) -> None:
    cost = await worst_cost(at)
    fund(at, cost + 999)
    at.want(at.wish(value=1000))
    with pytest.raises(NotYet, match="1 wei less"):
        await at.turn()
    fund(at, cost + 1000)
    await at.turn()
    at.bench.mine()
    assert at.bench.endpoint.number("eth_getBalance", at.bench.counter, "latest") >= 1000


async def test_what_is_in_the_pool_is_kept_back(at: Office) -> None:
    cost = await worst_cost(at)
    fund(at, cost + cost // 2)
    at.want(at.wish())
    await at.turn()
    at.want(at.wish("two"))
    with pytest.raises(NotYet, match="send ether"):
        await at.turn()


async def test_what_is_mined_is_not_kept_back_a_second_time(at: Office) -> None:
    """Until it was final, its highest price was held against the balance that had paid for it."""
    at.want(at.wish())
    await at.turn()
    await at.mine_and_turn()
    [mined] = at.open_attempts()
    assert mined.block_number is not None
    fund(at, 2 * await worst_cost(at) - 1)
    at.want(at.wish("two"))
    await at.turn()
    assert "Accepted" in at.family.story("two")


async def test_nothing_is_sent_above_the_ceiling_which_is_said_once(at: Office) -> None:
    low = later(at, policy=FeePolicy(max_gas_price=GWEI))
    low.want(low.wish())
    said = set()
    for base_fee in (3 * GWEI, 4 * GWEI):
        set_base_fee(low, base_fee)
        with pytest.raises(NotYet, match="max-gas-price") as raised:
            await low.turn()
        said.add(str(raised.value))
    assert len(said) == 1
    assert low.open_attempts() == []


async def test_it_is_sent_when_the_price_has_fallen(at: Office) -> None:
    low = later(at, policy=FeePolicy(max_gas_price=3 * GWEI))
    low.want(low.wish())
    set_base_fee(low, 5 * GWEI)
    with pytest.raises(NotYet):
        await low.turn()
    set_base_fee(low, GWEI)
    await low.turn()
    [attempt] = low.open_attempts()
    assert int(attempt.fields["maxFeePerGas"], 16) <= 3 * GWEI
    low.bench.mine()
    assert low.hits == 1


async def test_a_turn_counts_what_is_due_and_what_is_in_flight(at: Office) -> None:
    at.want(at.wish("a"), at.wish("b"))
    await at.turn()
    assert (at.flow.due, at.flow.in_flight) == (2, 2)
    at.want()
    await at.turn()
    assert (at.flow.due, at.flow.in_flight) == (0, 2)
    at.bench.mine()


async def test_what_sending_depends_on_is_read_once_and_while_families_look_around(
    on_anvil: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, read = asyncio.Event(), on_anvil.node.conditions
    asked: list[Head] = []

    async def noted(account: str, head: Head) -> Conditions:
        asked.append(head)
        reading.set()
        return await read(account, head)

    async def observe(_: HeadEvent) -> None:
        await asyncio.wait_for(reading.wait(), 30)

    monkeypatch.setattr(on_anvil.node, "conditions", noted)
    monkeypatch.setattr(on_anvil.family, "observe", observe)
    on_anvil.want(on_anvil.wish())
    head = await on_anvil.turn()
    assert asked == [head]
    assert len(on_anvil.open_attempts()) == 1


async def test_what_a_former_process_left_leaves_before_anything_is_put_behind_it(
    at: Office,
) -> None:
    """Killed between commit and send, it left a slot behind which nothing is mined."""
    [prepared] = await at.prepared(at.wish("left behind"))
    [left] = await at.sender.commit([prepared], await at.head())
    after = later(at)
    after.want(after.wish("next"))
    await after.turn()
    assert after.node.sent[0] == left.hash
    assert len(after.node.sent) == 2
    at.bench.mine()
    assert at.hits == 2
