"""What a program that is gone left in its slots does not keep the others from going on."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler.chain.errors import RpcError
from scheduler.locks import Lock
from scheduler.transactions.bidding import intent_of
from scheduler.transactions.custody import actor
from scheduler.transactions.encoding import sign
from scheduler.transactions.intents import ANY_COST, Urgency
from scheduler.transactions.journal import Replacement
from scheduler.transactions.ladder import GETH_PERCENT, fee_of, outbid
from scheduler.transactions.states import IntentState, Purpose
from tests.holders import holder, stop
from tests.transactions.rig import Bench, Office, later, office

GWEI = 10**9
ELSEWHERE = "0x" + "ee" * 20


@pytest.fixture
async def offices(anvil_bench: Bench, tmp_path: Path) -> AsyncIterator[tuple[Office, Office]]:
    """Two programs with one account and one journal, for two contracts: one gone, one that runs."""
    anvil_bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    key = anvil_bench.key()
    async with AsyncExitStack() as stack:
        path = tmp_path / "journal.db"
        gone = await stack.enter_async_context(office(anvil_bench, path, key))
        runs = await stack.enter_async_context(office(anvil_bench, path, key))
        runs = later(runs, contract=ELSEWHERE)
        yield gone, runs
        runs.flow.close()


def wish_of(opened: Office, key: str, **fields: object) -> None:
    opened.want(opened.wish(key, contract=opened.family.contract, **fields))


async def mine_at(opened: Office, base_fee: int, blocks: int = 1) -> None:
    for _ in range(blocks):
        opened.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
        opened.bench.mine()
        await opened.turn()


async def test_the_others_go_on_and_the_outcome_waits_for_its_program(
    offices: tuple[Office, Office],
) -> None:
    gone, runs = offices
    wish_of(gone, "left behind")
    await gone.turn()
    wish_of(runs, "behind it", urgency=Urgency.URGENT)
    await runs.turn()
    await mine_at(runs, 500 * GWEI, 3)
    assert runs.hits == 2
    assert runs.journal.intent_states(["left behind", "behind it"]) == {
        "left behind": IntentState.IN_SLOT,
        "behind it": IntentState.SUCCEEDED,
    }
    back = later(gone)
    await back.turn()
    assert back.family.story("left behind") == ["succeeded"]
    assert runs.hits == 2


async def test_what_is_past_its_window_is_cancelled(offices: tuple[Office, Office]) -> None:
    gone, runs = offices
    wish_of(gone, "left behind", last_block=(await gone.head()).number + 2)
    await gone.turn()
    runs.want()
    await mine_at(runs, 500 * GWEI, 3)
    assert runs.open_attempts()[-1].purpose is Purpose.CANCEL
    await mine_at(runs, 500 * GWEI)
    assert runs.hits == 0
    assert runs.bench.nonce(runs.address) == 1
    back = later(gone)
    for _ in range(4):
        await mine_at(back, GWEI)
    assert back.journal.intent_states(["left behind"]) == {"left behind": IntentState.EXPIRED}


async def test_the_slots_of_a_program_that_runs_are_its_own(
    offices: tuple[Office, Office],
) -> None:
    gone, runs = offices
    wish_of(gone, "its own")
    await gone.turn()
    told = gone.open_attempts()[0].intent
    lock = Lock(actor(told.family, gone.desk.account, told.contract))
    try:
        runs.want()
        await mine_at(runs, 500 * GWEI, 5)
        assert len(runs.open_attempts()) == 1
    finally:
        lock.release()
    await mine_at(runs, 500 * GWEI, 5)
    assert runs.hits == 1


async def test_a_program_that_is_stopped_holds_nobody_up_though_it_is_the_custodian(
    offices: tuple[Office, Office],
) -> None:
    """SIGSTOP leaves it all its locks."""
    gone, runs = offices
    wish_of(gone, "its own")
    await gone.turn()
    told, account = gone.open_attempts()[0].intent, gone.desk.account
    own, custodian = (
        actor(told.family, account, told.contract),
        f"account/{account.chain}/{account.address}",
    )
    with holder(own, custodian) as process:
        wish_of(runs, "behind it", urgency=Urgency.URGENT)
        await runs.turn()
        await mine_at(runs, 500 * GWEI, 2)
        assert runs.hits == 0
        stop(process)
        await mine_at(runs, 500 * GWEI, 3)
        assert runs.hits == 2


async def test_a_slot_is_bid_for_by_one_of_two_who_look_after_it(
    offices: tuple[Office, Office],
) -> None:
    """One of them was stopped between signing and its commit."""
    gone, runs = offices
    wish_of(gone, "one")
    await gone.turn()
    [bid] = gone.open_attempts()
    raised = gone.desk.transaction(
        intent_of(bid), bid.nonce, outbid(fee_of(bid.fields), GETH_PERCENT)
    )
    both = Replacement(bid, Purpose.ACT, raised, sign(raised, key_of(gone)), 1)
    assert len(runs.journal.replace(runs.desk.account, [both])[0]) == 1
    assert gone.journal.replace(gone.desk.account, [both]) == ([], None)


def key_of(opened: Office) -> PrivateKey:
    assert opened.key is not None
    return opened.key


async def test_the_custodian_does_not_bid_above_the_market(offices: tuple[Office, Office]) -> None:
    """What an intent earns only its family knows."""
    gone, runs = offices
    wish_of(gone, "left behind")
    await gone.turn()
    [bid] = gone.open_attempts()
    runs.node.refusal = RpcError(-32000, "something that nobody has heard of")
    runs.bench.endpoint.request("anvil_dropTransaction", bid.hash)
    runs.want()
    await mine_at(runs, GWEI, 8)
    assert runs.open_attempts() == [bid]
    runs.node.refusal = None
    await mine_at(runs, GWEI, 2)
    assert runs.hits == 1


async def test_one_custodian_at_a_time(offices: tuple[Office, Office]) -> None:
    gone, runs = offices
    wish_of(gone, "left behind")
    await gone.turn()
    account = gone.desk.account
    other = Lock(f"account/{account.chain}/{account.address}")
    try:
        runs.want()
        await mine_at(runs, 500 * GWEI, 5)
        assert len(runs.open_attempts()) == 1
    finally:
        other.release()
    await mine_at(runs, 500 * GWEI, 5)
    assert runs.hits == 1


async def test_cheap_work_of_one_program_does_not_keep_urgent_work_of_another_waiting(
    offices: tuple[Office, Office],
) -> None:
    """Their own program was as patient as with nothing behind them, and raised them one by one."""
    cheap, urgent = offices
    keys = [f"cheap {number}" for number in range(5)]
    cheap.want(*(cheap.wish(key) for key in keys))
    await cheap.turn()
    told = cheap.open_attempts()[0].intent
    lock = Lock(actor(told.family, cheap.desk.account, told.contract))
    try:
        wish_of(urgent, "urgent", urgency=Urgency.URGENT)
        await urgent.turn()
        urgent.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(500 * GWEI))
        urgent.bench.mine()
        for program in offices:
            await program.turn()
        urgent.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(500 * GWEI))
        urgent.bench.mine()
    finally:
        lock.release()
    assert cheap.hits == len(keys) + 1


FIVE = [f"cheap {number}" for number in range(5)]


async def five_stuck(cheap: Office, urgent: Office, **fields: object) -> None:
    """One program's, which a block has left out; and for the next one something urgent is due."""
    cheap.want(*(cheap.wish(key, **fields) for key in FIVE))
    await cheap.turn()
    await mine_at(cheap, 500 * GWEI)
    wish_of(urgent, "urgent", urgency=Urgency.URGENT)


@contextmanager
def running(program: Office) -> Iterator[None]:
    """It has the lock that a program has as long as it runs."""
    lock = Lock(actor("tests", program.desk.account, program.family.contract))
    try:
        yield
    finally:
        lock.release()


async def test_urgent_work_behind_the_stuck_work_of_a_program_that_runs_is_in_the_next_block(
    offices: tuple[Office, Office],
) -> None:
    """It was mined a block later: their own program raised their price when it saw what waited."""
    cheap, urgent = offices
    await five_stuck(cheap, urgent, max_cost=ANY_COST)
    with running(cheap):
        await urgent.turn()
        urgent.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(500 * GWEI))
        urgent.bench.mine()
        assert cheap.hits == len(FIVE) + 1
    for _ in range(4):
        for program in offices:
            await program.turn()
        cheap.bench.mine()
    states = cheap.journal.intent_states([*FIVE, "urgent"])
    assert set(states.values()) == {IntentState.SUCCEEDED}
    assert cheap.open_attempts() == []
    assert cheap.hits == len(FIVE) + 1
    assert cheap.bench.nonce(cheap.address) == len(FIVE) + 1


async def test_what_seems_to_have_no_effect_is_cancelled_by_its_own_program_alone(
    offices: tuple[Office, Office],
) -> None:
    """The urgent one cancelled what reverted in a simulation without the family's own eyes."""
    cheap, urgent = offices
    request = cheap.bench.endpoint.request
    request(
        "anvil_setCode", cheap.bench.reverter, request("eth_getCode", cheap.bench.counter, "latest")
    )
    await five_stuck(cheap, urgent, max_cost=ANY_COST, to=cheap.bench.reverter)
    before = cheap.open_attempts()
    request("anvil_setCode", cheap.bench.reverter, "0x60006000fd")  # REVERT(0, 0)
    with running(cheap):
        await urgent.turn()
    assert cheap.open_attempts()[: len(FIVE)] == before


async def test_what_another_raised_and_did_not_send_is_sent_by_its_own_program(
    offices: tuple[Office, Office],
) -> None:
    """The other one was killed between its commit and the node."""
    cheap, urgent = offices
    await five_stuck(cheap, urgent, max_cost=ANY_COST)
    with running(cheap):
        urgent.node.unreachable = True
        await urgent.turn()
        raised = {bid.nonce: bid.hash for bid in cheap.open_attempts()}
        urgent.flow.close()
        cheap.want()
        await cheap.turn()
        # The same head: nothing more is bid, and the bytes that are in the journal are sent.
        assert {bid.nonce: bid.hash for bid in cheap.open_attempts()} == raised
        await mine_at(cheap, 500 * GWEI, 2)
    assert cheap.hits == len(FIVE) + 1


@pytest.mark.parametrize("who", ["earns", "is urgent itself", "was sent just now"])
async def test_what_its_own_program_alone_can_price_or_is_not_stuck_is_left_to_it(
    offices: tuple[Office, Office], who: str
) -> None:
    cheap, urgent = offices
    fields: dict[str, object] = {} if who == "earns" else {"max_cost": ANY_COST}
    if who == "is urgent itself":
        fields["urgency"] = Urgency.URGENT
    if who == "was sent just now":
        cheap.want(cheap.wish("cheap", **fields))
        await cheap.turn()
        wish_of(urgent, "urgent", urgency=Urgency.URGENT)
    else:
        await five_stuck(cheap, urgent, **fields)
    before = cheap.open_attempts()
    with running(cheap):
        await urgent.turn()
        assert cheap.open_attempts()[:-1] == before
