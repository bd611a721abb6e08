"""A deposit is out until it is known for good what became of it; then it is booked, once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from scheduler.chain.model import Head, HeadEvent
from scheduler.errors import NotYet
from scheduler.operations.journal_story import outlook, told
from scheduler.operations.report import By, Sums, statements
from scheduler.transactions.deposits import Deposits
from scheduler.transactions.desk import Desk
from scheduler.transactions.flow import Flow
from scheduler.transactions.intents import (
    Effects,
    Fate,
    Intent,
    Params,
    Settlement,
    Told,
    Verdict,
)
from scheduler.transactions.journal import Attempt, Journal, Location
from scheduler.transactions.journal.holds import Mode
from scheduler.transactions.journal.pruning import BEGINNING
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.states import OutcomeKind
from tests.transactions.rig import CONFIRMATIONS, Bench, Touches, office
from tests.transactions.samples import ACCOUNT, intent, prepared, receipt

CALL = "0x" + "ca" * 20
AMOUNT = 10**16
CLAIMED = Verdict(OutcomeKind.SUCCEEDED, "claimed", staked=AMOUNT)
BACK = Settlement(Fate.BACK, "the call was cleaned up")
GONE = Settlement(Fate.GONE, "0xee executed the call")
DAY = 86_400.0


@pytest.fixture
def journal(place: Location) -> Iterator[Journal]:
    journal = Journal.open(place, clock=lambda: 1_772_366_400.0)
    journal.admit(ACCOUNT)
    yield journal
    journal.close()


def wish(kind: str) -> Intent:
    value = AMOUNT if kind == "claim" else 0
    return intent(f"tests:{kind}", kind=kind, params={"call": CALL}, value=value)


def mined(journal: Journal, kind: str, verdict: Verdict, nonce: int = 0) -> Attempt:
    """A transaction of this kind to the call is in block 5."""
    [attempt] = journal.reserve(ACCOUNT, [prepared(nonce, wish(kind))])
    journal.mined(attempt, receipt(attempt), verdict)
    return attempt


def total(place: Location) -> Sums:
    with reading(place) as opened:
        [statement] = statements(opened.bookings(), [By.CALL])
    return statement.total


def story(place: Location) -> str:
    with reading(place) as opened:
        history = opened.history("tests:claim")
    return "\n".join([*told(history), outlook(history)])


def settled(journal: Journal, settlement: Settlement) -> int:
    [deposit] = journal.deposits.out(ACCOUNT)
    assert deposit.amount == AMOUNT
    return journal.deposits.settle(deposit, settlement)


def forget(journal: Journal) -> int:
    """Removes all that is old a day later; how many intents that were."""
    later = 1_772_366_400.0 + DAY
    removed, _ = journal.prunings.prune(ACCOUNT, BEGINNING, later, 10**6, lambda _: True)
    return removed


def test_it_is_out_from_its_claim_on(journal: Journal, place: Location) -> None:
    attempt = mined(journal, "claim", CLAIMED)
    journal.final(ACCOUNT, attempt)
    assert [each.intent.key for each in journal.deposits.out(ACCOUNT)] == ["tests:claim"]
    assert total(place).at_stake == AMOUNT
    assert "Its deposit of 0.01 ether is with the contract until the call is over." in story(place)


@pytest.mark.parametrize(
    ("settlement", "returned", "lost", "words"),
    [
        (BACK, AMOUNT, 0, "0.01 ether of it came by somebody else's transaction"),
        (GONE, 0, AMOUNT, "0.01 ether of it are lost (0xee executed the call)"),
    ],
)
def test_it_is_booked_as_what_became_of_it_and_with_no_transaction_more(
    journal: Journal, place: Location, settlement: Settlement, returned: int, lost: int, words: str
) -> None:
    journal.final(ACCOUNT, mined(journal, "claim", CLAIMED))
    assert settled(journal, settlement) == lost
    sums = total(place)
    assert (sums.transactions, sums.returned, sums.lost, sums.at_stake) == (1, returned, lost, 0)
    assert sums.net == returned - AMOUNT - 21_000 * 10**20
    assert journal.deposits.out(ACCOUNT) == []
    assert words in story(place)


@pytest.mark.parametrize("settlement", [BACK, GONE])
def test_what_came_with_a_transaction_of_ours_is_booked_with_that_alone(
    journal: Journal, place: Location, settlement: Settlement
) -> None:
    journal.final(ACCOUNT, mined(journal, "claim", CLAIMED))
    executed = Verdict(OutcomeKind.SUCCEEDED, "executed", 3 * AMOUNT, returned=AMOUNT)
    mined(journal, "execute", executed, nonce=1)
    assert total(place).at_stake == 0
    assert settled(journal, settlement) == 0
    sums = total(place)
    assert (sums.returned, sums.lost, sums.at_stake, sums.earned) == (AMOUNT, 0, 0, 2 * AMOUNT)
    assert "Its deposit of 0.01 ether is back, with a transaction of the account." in story(place)


def test_a_reorg_that_takes_the_claim_back_takes_the_deposit_back(
    journal: Journal, place: Location
) -> None:
    attempt = mined(journal, "claim", CLAIMED)
    journal.unmined(attempt)
    assert journal.deposits.out(ACCOUNT) == []
    journal.mined(attempt, receipt(attempt, branch="b"), CLAIMED)
    assert len(journal.deposits.out(ACCOUNT)) == 1


def test_a_reorg_deeper_than_the_confirmations_does_so_too(
    journal: Journal, place: Location
) -> None:
    journal.final(ACCOUNT, mined(journal, "claim", CLAIMED))
    settled(journal, GONE)
    journal.reopen(ACCOUNT, [0])
    assert journal.deposits.out(ACCOUNT) == []
    with reading(place) as opened:
        assert list(opened.bookings()) == []


def test_what_is_out_is_not_forgotten_and_what_is_settled_stays_in_its_day(
    journal: Journal, place: Location
) -> None:
    journal.final(ACCOUNT, mined(journal, "claim", CLAIMED))
    journal.final(ACCOUNT, mined(journal, "touch", Verdict(OutcomeKind.SUCCEEDED, ""), nonce=1))
    assert forget(journal) == 0
    settled(journal, GONE)
    before = total(place)
    assert forget(journal) == 1
    assert total(place) == before
    assert before.lost == AMOUNT


def test_what_a_deposit_came_back_with_is_not_forgotten_before_it_is_settled(
    journal: Journal, place: Location
) -> None:
    """No program ran from before that on until both were old: it would be booked twice."""
    journal.final(ACCOUNT, mined(journal, "claim", CLAIMED))
    executed = Verdict(OutcomeKind.SUCCEEDED, "executed", 3 * AMOUNT, returned=AMOUNT)
    journal.final(ACCOUNT, mined(journal, "execute", executed, nonce=1))
    journal.final(ACCOUNT, mined(journal, "touch", Verdict(OutcomeKind.SUCCEEDED, ""), nonce=2))
    before = total(place)
    assert forget(journal) == 0
    settled(journal, GONE)
    assert total(place) == before
    assert forget(journal) == 2
    assert total(place) == before
    assert (before.returned, before.lost) == (AMOUNT, 0)


class Family:
    """Says what the test says became of each deposit: imitates the alarm clock's reads."""

    def __init__(self) -> None:
        self.fate: Settlement | None = None

    async def fates(self, intents: Sequence[Told], head: Head) -> Mapping[str, Settlement]:
        return {each.key: self.fate for each in intents if self.fate is not None}


async def test_a_fate_counts_once_it_was_the_same_for_the_confirmations(
    journal: Journal, place: Location, caplog: pytest.LogCaptureFixture
) -> None:
    journal.final(ACCOUNT, mined(journal, "claim", CLAIMED))
    family = Family()
    desk = SimpleNamespace(
        journal=journal, account=ACCOUNT, families=[family], family=lambda told: family
    )
    deposits = Deposits(cast(Desk, desk), confirmations=3)
    head = Head(10, "0x" + "aa" * 32, "0x" + "bb" * 32, 1_000, 10**9, 30_000_000)

    async def turn(number: int, fate: Settlement | None, removed: bool = False) -> Sums:
        family.fate = fate
        at = replace(head, number=number)
        await deposits.turn(HeadEvent(at, (at,), (head,) if removed else (), False))
        return total(place)

    for number, fate in enumerate([None, GONE, GONE, BACK, GONE, None, GONE]):
        assert (await turn(10 + number, fate)).at_stake == AMOUNT
    assert (await turn(18, GONE)).at_stake == AMOUNT
    assert (await turn(20, GONE, removed=True)).at_stake == AMOUNT
    assert (await turn(22, GONE)).at_stake == AMOUNT
    assert (await turn(23, GONE)).lost == AMOUNT
    assert (await turn(24, GONE)).lost == AMOUNT
    warnings = [each for each in caplog.messages if "lost its deposit" in each]
    assert warnings == [
        f"tests:claim lost its deposit of {AMOUNT} wei: 0xee executed the call. What was lost in "
        "all: scheduler report"
    ]


@dataclass
class Staking(Touches):
    """A family whose hits leave a deposit with the contract, which is gone."""

    def judge(self, kind: str, params: Params, effects: Effects) -> Verdict:
        return replace(super().judge(kind, params, effects), staked=AMOUNT)

    async def fates(self, intents: Sequence[Told], head: Head) -> Mapping[str, Settlement]:
        return {each.key: GONE for each in intents}


async def test_a_program_that_is_held_back_settles_deposits_all_the_same(
    anvil_bench: Bench, tmp_path: Path
) -> None:
    async with office(anvil_bench, tmp_path / "journal.db", anvil_bench.key()) as at:
        family = Staking(at.family.contract, wishes=[at.wish()])
        at.flow = Flow(replace(at.desk, families=[family]), CONFIRMATIONS)
        await at.turn()
        await at.mine_and_turn()
        assert len(at.journal.deposits.out(at.desk.account)) == 1
        at.journal.holds.place("scheduler", Mode.PAUSE, "ann", "")
        for _ in range(CONFIRMATIONS):
            anvil_bench.mine()
            with pytest.raises(NotYet, match="held back by ann"):
                await at.turn()
        assert at.journal.deposits.out(at.desk.account) == []
        at.flow.close()
