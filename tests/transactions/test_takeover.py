"""Urgent intents take over the slots of cheap ones that are stuck, and nobody has two effects."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.chain.errors import RpcError
from scheduler.transactions.care import OpenSlot
from scheduler.transactions.encoding import DynamicFee
from scheduler.transactions.fees import FeePolicy, price_at
from scheduler.transactions.intents import GaveWay, Urgency
from scheduler.transactions.journal import Attempt, Journal, Prepared, SlotClosed, Withheld
from scheduler.transactions.ladder import GETH_PERCENT, fee_of, outbid
from scheduler.transactions.purse import Allowance, Budget, Deposits, Funds, Want
from scheduler.transactions.states import MINED_OUTCOMES, AttemptState, IntentState, Purpose
from scheduler.transactions.takeover import giving_way, outbidding
from tests.transactions.rig import HIT, VIEW, Bench, Office, Touches, later
from tests.transactions.samples import ACCOUNT, DONE, intent, prepared, receipt

GWEI = 10**9
TEN = [f"cheap {number}" for number in range(10)]


@pytest.fixture
def bench(anvil_bench: Bench) -> Iterator[Bench]:
    """What blocks cost is said by the tests, which only anvil lets them."""
    anvil_bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    anvil_bench.mine()
    return anvil_bench


async def mine_at(opened: Office, base_fee: int, blocks: int = 1) -> None:
    """Blocks at this base fee, in wei per gas, each seen by the program."""
    for _ in range(blocks):
        opened.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
        opened.bench.mine()
        await opened.turn()


async def ten_stuck(at: Office) -> None:
    """Ten cheap ones, sent before blocks became too dear for them."""
    at.want(*(at.wish(key) for key in TEN))
    await at.turn()
    await mine_at(at, 500 * GWEI)


def give_back(at: Office, attempt: Attempt) -> None:
    """Somebody hands the node what we sent before, and blocks are cheap again."""
    assert attempt.raw is not None
    at.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    at.bench.endpoint.request("eth_sendRawTransaction", "0x" + attempt.raw.hex())


def states(at: Office, *keys: str) -> set[IntentState]:
    return {at.journal.intent_states([key])[key] for key in keys}


async def test_an_urgent_intent_is_mined_at_once_while_ten_cheap_ones_are_stuck(
    at: Office,
) -> None:
    await ten_stuck(at)
    at.want(*at.family.wishes, at.wish("urgent", urgency=Urgency.URGENT))
    await at.turn()
    lowest = [bid.intent.key for bid in at.open_attempts() if bid.nonce == 0]
    assert lowest == ["cheap 0", "urgent"]
    await mine_at(at, 500 * GWEI)
    assert states(at, "urgent") == {IntentState.SUCCEEDED}
    assert states(at, "cheap 0") == {IntentState.IN_SLOT}, "a reorg may still bring it back"
    for _ in range(20):
        await mine_at(at, GWEI)
        if not at.open_attempts():
            break
    assert states(at, "urgent", *TEN) == {IntentState.SUCCEEDED}
    assert at.hits == 11
    assert at.bench.nonce(at.address) == 11
    assert [key for key, said in at.family.heard if isinstance(said, GaveWay)] == ["cheap 0"]


async def test_an_urgent_intent_that_asks_for_a_price_takes_over_at_no_less(at: Office) -> None:
    """Of two, each pays what it needs: one enough to enter, the other what it asks for."""
    await ten_stuck(at)
    asked = 700 * GWEI
    at.want(
        at.wish("plain", urgency=Urgency.URGENT),
        at.wish("asking", urgency=Urgency.URGENT, min_price=asked),
    )
    await at.turn()
    bids = {
        bid.intent.key: (bid.nonce, fee_of(bid.fields))
        for bid in at.open_attempts()
        if bid.intent.key in ("plain", "asking")
    }
    assert {nonce for nonce, _ in bids.values()} == {0, 1}
    assert price_at(bids["asking"][1], 0) >= asked
    assert price_at(bids["plain"][1], 500 * GWEI) < asked
    await mine_at(at, 400 * GWEI)
    assert states(at, "plain", "asking") == {IntentState.SUCCEEDED}


async def test_where_the_cheap_one_is_mined_after_all_the_urgent_one_gets_another_slot(
    at: Office,
) -> None:
    await ten_stuck(at)
    at.want(at.wish("urgent", urgency=Urgency.URGENT))
    at.node.refusal = RpcError(-32000, "something that nobody has heard of")
    await at.turn()
    # The node never sees the urgent one, and finds the cheap one again.
    give_back(at, at.open_attempts()[0])
    at.bench.mine()
    await at.turn()
    assert states(at, "cheap 0") == {IntentState.SUCCEEDED}
    assert states(at, "urgent") == {IntentState.IN_SLOT}
    at.node.refusal = None
    for _ in range(20):
        await mine_at(at, GWEI)
        if not at.open_attempts():
            break
    assert states(at, "urgent", *TEN) == {IntentState.SUCCEEDED}
    assert at.hits == 11
    assert [key for key, said in at.family.heard if isinstance(said, GaveWay)] == ["urgent"]


async def test_a_restart_finds_both_in_the_slot(at: Office) -> None:
    await ten_stuck(at)
    at.want(*at.family.wishes, at.wish("urgent", urgency=Urgency.URGENT))
    await at.send_due()
    again = later(at)
    for _ in range(20):
        await mine_at(again, 500 * GWEI)
        if not again.open_attempts():
            break
    assert states(again, "urgent", *TEN) == {IntentState.SUCCEEDED}
    assert again.hits == 11
    assert again.bench.nonce(again.address) == 11


async def test_a_reorg_gives_the_slot_back_to_both(at: Office) -> None:
    """The block with the urgent one is gone, and the cheap one is mined in its place."""
    await ten_stuck(at)
    at.want(at.wish("urgent", urgency=Urgency.URGENT))
    await at.turn()
    cheap = at.open_attempts()[0]
    await mine_at(at, 500 * GWEI)
    gone = await at.head()
    at.bench.endpoint.request("anvil_reorg", 1, [])
    urgent = next(bid for bid in at.open_attempts() if bid.intent.key == "urgent")
    at.bench.endpoint.request("anvil_dropTransaction", urgent.hash)
    at.node.refusal = RpcError(-32000, "something that nobody has heard of")
    give_back(at, cheap)
    at.bench.mine()
    await at.turn(removed=[gone])
    assert states(at, "cheap 0") == {IntentState.SUCCEEDED}
    assert states(at, "urgent") == {IntentState.IN_SLOT}
    at.node.refusal = None
    for _ in range(20):
        await mine_at(at, GWEI)
        if not at.open_attempts():
            break
    assert states(at, "urgent", *TEN) == {IntentState.SUCCEEDED}
    assert at.hits == 11


async def test_a_bid_that_the_journal_lost_is_of_the_intent_whose_work_it_does(at: Office) -> None:
    """It counted as the urgent one's, whose slot it was last: the cheap one was done twice."""
    at.want(at.wish("cheap"))
    await at.turn()
    await mine_at(at, 500 * GWEI)
    looks = at.wish(
        "urgent", data=VIEW, urgency=Urgency.URGENT, worth_sending=frozenset(MINED_OUTCOMES)
    )
    at.want(looks)
    await at.turn()
    assert [each.intent.key for each in at.open_attempts()] == ["cheap", "urgent"]
    at.bench.endpoint.request("anvil_dropAllTransactions")
    at.stranger(0, data=HIT, gas_price=10_000 * GWEI)
    at.bench.mine()
    at.want(at.wish("cheap"), looks)
    await mine_at(at, GWEI, 12)
    assert states(at, "cheap") == {IntentState.SUCCEEDED}
    assert states(at, "urgent") == {IntentState.NO_EFFECT}
    assert at.hits == 1


async def test_both_in_a_slot_are_followed_when_they_became_two_programs(at: Office) -> None:
    """The configuration was split while they were in flight: each follows what is its own."""
    other = Touches(at.bench.reverter)
    both = Office(at.bench, at.node, replace(at.desk, families=[at.family, other]), at.path, at.key)
    both.want(at.wish("cheap"))
    await both.turn()
    await mine_at(both, 500 * GWEI)
    both.want()
    other.wishes = [at.wish("urgent", contract=other.contract, urgency=Urgency.URGENT)]
    await both.turn()
    cheap, urgent = at.open_attempts()
    assert (cheap.intent.key, urgent.intent.key) == ("cheap", "urgent")
    both.flow.close()
    of_cheap, of_urgent = later(at), later(at, contract=other.contract)
    at.bench.endpoint.request("anvil_dropAllTransactions")
    give_back(at, cheap)
    at.bench.mine()
    for _ in range(8):
        await of_cheap.turn()
        await of_urgent.turn()
        at.bench.mine()
    assert states(at, "cheap") == {IntentState.SUCCEEDED}
    assert states(at, "urgent") == {IntentState.PLANNED}
    assert at.open_attempts() == []


async def test_what_is_not_stuck_is_left_alone(at: Office) -> None:
    at.want(at.wish("cheap"))
    await at.turn()
    at.want(at.wish("urgent", urgency=Urgency.URGENT))
    await at.turn()
    assert [bid.nonce for bid in at.open_attempts()] == [0, 1]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path / "plain.db")
    journal.admit(ACCOUNT)
    yield journal
    journal.close()


def taking(journal: Journal, key: str) -> Prepared:
    """For the intent `key`, in place of the last bid of the only open slot."""
    [*_, bid] = journal.open_attempts(ACCOUNT)
    item = prepared(bid.nonce, intent(key, urgency=Urgency.URGENT, data=b"\x09"))
    return replace(item, takes=bid)


async def test_where_the_slot_is_gone_the_urgent_one_is_sent_behind_an_outsiders_transaction(
    at: Office,
) -> None:
    at.want(at.wish("cheap"))
    await at.turn()
    await mine_at(at, 500 * GWEI)
    [cheap] = at.open_attempts()
    # anvil counts as pending only what the next block could take.
    at.bench.endpoint.request("anvil_dropTransaction", cheap.hash)
    give_back(at, cheap)
    at.stranger(nonce=1, gas_price=600 * GWEI)
    assert at.bench.nonce(at.address, "pending") == 2
    [urgent] = await at.prepared(at.wish("urgent", urgency=Urgency.URGENT))
    assert urgent.takes is not None
    at.journal.mined(cheap, receipt(cheap), DONE)
    [attempt] = await at.sender.commit([urgent], await at.head())
    assert attempt.nonce == 2


def test_a_slot_that_was_mined_meanwhile_is_not_taken_over(journal: Journal) -> None:
    [cheap] = journal.reserve(ACCOUNT, [prepared(0, intent("cheap"))])
    item = taking(journal, "urgent")
    journal.mined(cheap, receipt(cheap), DONE)
    with pytest.raises(SlotClosed) as closed:
        journal.reserve(ACCOUNT, [item])
    assert closed.value.nonce == 0
    assert journal.intent_states(["urgent"]) == {}


def test_what_the_slot_was_promised_comes_from_the_urgent_purse(journal: Journal) -> None:
    """It was counted there from then on, but not asked for: the day cost more than its budget."""
    cheap = prepared(0, intent("cheap"))
    journal.reserve(ACCOUNT, [cheap])
    urgent = taking(journal, "urgent")
    funds, worst = Funds(10**20, 0, 4), urgent.transaction.worst_cost
    assert worst > 0
    bounded = Allowance(Budget(urgent_per_day=worst - 1), funds)
    with pytest.raises(Withheld, match="urgent-per-day"):
        journal.reserve(ACCOUNT, [urgent], allowance=bounded)
    enough = Allowance(Budget(urgent_per_day=worst), funds)
    assert journal.reserve(ACCOUNT, [urgent], allowance=enough)
    assert not journal.purse(ACCOUNT, enough).takes(Want(Urgency.URGENT, "0xc0", 1))


def test_what_takes_over_stakes_no_more_than_what_has_a_slot_of_its_own(journal: Journal) -> None:
    journal.reserve(ACCOUNT, [prepared(0, intent("cheap"))])
    wish = intent("urgent", urgency=Urgency.URGENT, value=5)
    [bid] = journal.open_attempts(ACCOUNT)
    urgent = replace(prepared(0, wish), takes=bid)
    deposits = Deposits(frozenset({wish.contract}), 4)
    allowance = Allowance(Budget(deposits=deposits), Funds(10**20, 0, 4))
    with pytest.raises(Withheld, match="max-at-risk-per-day"):
        journal.reserve(ACCOUNT, [urgent], allowance=allowance)


def test_a_slot_that_was_taken_over_meanwhile_is_not_taken_over_again(journal: Journal) -> None:
    journal.reserve(ACCOUNT, [prepared(0, intent("cheap"))])
    late = taking(journal, "late")
    journal.reserve(ACCOUNT, [taking(journal, "urgent")])
    with pytest.raises(SlotClosed):
        journal.reserve(ACCOUNT, [late])


@pytest.mark.parametrize("winner", [0, 1])
def test_whose_transaction_is_final_decides_who_is_planned_again(
    journal: Journal, winner: int
) -> None:
    journal.reserve(ACCOUNT, [prepared(0, intent("cheap"))])
    journal.reserve(ACCOUNT, [taking(journal, "urgent")])
    attempt = journal.open_attempts(ACCOUNT)[winner]
    journal.mined(attempt, receipt(attempt), DONE)
    ours, others = ("cheap", "urgent") if winner == 0 else ("urgent", "cheap")
    assert journal.intent_states([others]) == {others: IntentState.IN_SLOT}
    journal.final(ACCOUNT, journal.open_attempts(ACCOUNT)[winner])
    assert journal.intent_states([ours, others]) == {
        ours: IntentState.SUCCEEDED,
        others: IntentState.PLANNED,
    }
    journal.reserve(ACCOUNT, [prepared(1, intent(others))])


def test_where_somebody_else_took_the_nonce_both_are_planned_again(journal: Journal) -> None:
    journal.reserve(ACCOUNT, [prepared(0, intent("cheap"))])
    [urgent] = journal.reserve(ACCOUNT, [taking(journal, "urgent")])
    journal.displaced(ACCOUNT, urgent, "0x" + "12" * 32, 1, "0x" + "bb" * 32)
    assert set(journal.intent_states(["cheap", "urgent"]).values()) == {IntentState.PLANNED}


# A slot's nonce; whether its bid is urgent, whether it was mined, at which head it was sent.
SLOTS = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.booleans(), st.integers(1, 3)),
    unique_by=lambda slot: slot[0],
)


def slot_of(nonce: int, urgent: bool, mined: bool, head_number: int) -> OpenSlot:
    item = prepared(nonce, intent(urgency=Urgency.URGENT if urgent else Urgency.NORMAL))
    return OpenSlot(
        (
            Attempt(
                id=nonce,
                nonce=nonce,
                intent=item.intent.told,
                limits=item.intent.limits,
                purpose=Purpose.ACT,
                fields=item.transaction.rpc_fields(ACCOUNT.address),
                raw=b"",
                hash="0x",
                state=AttemptState.MINED if mined else AttemptState.BROADCAST,
                head_number=head_number,
                block_number=None,
                block_hash=None,
            ),
        )
    )


@given(SLOTS, st.integers(0, 7), st.integers(1, 4))
def test_slots_give_way_from_the_lowest_unmined_on_without_a_gap(
    slots: list[tuple[int, bool, bool, int]], latest: int, head_number: int
) -> None:
    given_up = giving_way([slot_of(*slot) for slot in slots], latest, head_number)
    assert [slot.nonce for slot in given_up] == list(range(latest, latest + len(given_up)))
    fit = {n for n, urgent, mined, sent in slots if not urgent and not mined and sent < head_number}
    assert {slot.nonce for slot in given_up} <= fit
    assert latest + len(given_up) not in fit, "the next one could have given way, too"


PRICES = st.integers(0, 10**12)
FEES = st.tuples(PRICES, PRICES).map(lambda two: DynamicFee(max(two), min(two)))


@given(st.lists(FEES, max_size=5), FEES, st.none() | PRICES)
def test_one_price_outbids_all_that_are_taken_over_and_no_ceiling(
    bids: list[DynamicFee], market: DynamicFee, ceiling: int | None
) -> None:
    slots = []
    for nonce, fee in enumerate(bids):
        slot = slot_of(nonce, False, False, 1)
        fields = replace(prepared(nonce).transaction, fee=fee).rpc_fields(ACCOUNT.address)
        slots.append(OpenSlot((replace(slot.bid, fields=fields),)))
    taken, price = outbidding(slots, market, FeePolicy(max_gas_price=ceiling))
    assert taken == slots[: len(taken)]
    assert isinstance(price, DynamicFee)
    for slot in taken:
        lowest = outbid(fee_of(slot.bid.fields), GETH_PERCENT)
        assert isinstance(lowest, DynamicFee)
        assert price.max_fee >= lowest.max_fee
        assert price.tip >= lowest.tip
        assert ceiling is None or price.cap <= ceiling
    if ceiling is None:
        assert taken == slots
        assert price.max_fee >= market.max_fee
