"""Leases: one box acts at a time, by the database's clock; who lost its lease writes nothing."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scheduler.errors import NotYet
from scheduler.locks import Held
from scheduler.transactions.boxes import HeldByBox
from scheduler.transactions.custody import actor, check_succession, custodian
from scheduler.transactions.journal import Account, Journal, JournalUnavailable
from scheduler.transactions.journal.database import opened
from scheduler.transactions.journal.holds import Mode
from scheduler.transactions.journal.location import Remote
from scheduler.transactions.leases import LeaseLost, Leases
from tests.boxes.elsewhere import elsewhere
from tests.boxes.journals import migrated
from tests.holders import holder, stop
from tests.postgres import Server
from tests.transactions.samples import ACCOUNT, prepared

SHORT = 0.6
"""Seconds that a lease of a test lasts which waits for its end."""


@pytest.fixture
def where(database_server: Server, tmp_path: Path) -> Remote:
    return migrated(database_server, tmp_path)


@pytest.fixture
def name() -> str:
    """One that no test has had: the kernel's locks are of the whole box."""
    return actor("tests", Account(os.urandom(8).hex(), "0x" + "aa" * 20), "0x" + "cc" * 20)


Boxes = Callable[..., Leases]


@pytest.fixture
def box(where: Remote) -> Iterator[Boxes]:
    """Makes boxes of this one process, by their names."""
    made: list[Leases] = []

    def make(name: str, term: float = 60.0, shadow: bool = False) -> Leases:
        leases = Leases(where, "scheduler", elsewhere(name), term, shadow=shadow)
        made.append(leases)
        return leases

    yield make
    for leases in made:
        leases.close()


def _journal(where: Remote, leases: Leases) -> Journal:
    return Journal(leases.fencing(opened(where)), time.time)


def _writes(journal: Journal) -> bool:
    return journal.holds.place(os.urandom(4).hex(), Mode.PAUSE, "a test", "")


def test_one_box_has_it_and_the_other_is_told_who(box: Boxes, name: str) -> None:
    box("one").take(name)
    with pytest.raises(HeldByBox) as held:
        box("other").take(name)
    assert held.value.holder == f"one, process {os.getpid()} (scheduler)"
    assert "stands by" in held.value.advice


def test_it_is_free_as_soon_as_it_is_released(box: Boxes, name: str) -> None:
    box("one").take(name).release()
    box("other").take(name)


def test_its_token_is_another_with_each_holder(box: Boxes, name: str) -> None:
    one, other = box("one"), box("other")
    tokens = []
    for leases in (one, other, one):
        hold = leases.take(name)
        tokens.append(hold.token)
        hold.release()
    assert tokens == [1, 2, 3]


def test_whoever_does_not_renew_it_loses_it_at_its_end(box: Boxes, name: str) -> None:
    one, other = box("one", SHORT), box("other")
    one.take(name)
    with pytest.raises(Held):
        other.take(name)
    time.sleep(SHORT)
    other.take(name)
    with pytest.raises(LeaseLost, match="could not be renewed"):
        one.check_here()


async def test_what_is_renewed_does_not_end(box: Boxes, name: str) -> None:
    one, other = box("one", SHORT), box("other")
    one.take(name)
    for _ in range(4):
        time.sleep(SHORT / 2)
        await one.renew()
    with pytest.raises(Held):
        other.take(name)
    one.check_here()


async def test_what_is_let_go_while_it_is_renewed_is_free_at_once(
    box: Boxes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal that came to the database after the release gave nobody the lease for its term."""
    one = box("one")
    one.take(name)
    hold = one.take(f"{name}2")

    async def late(renew: Callable[..., Any], *values: object) -> Any:
        hold.release()
        return renew(*values)

    monkeypatch.setattr("scheduler.transactions.leases.asyncio.to_thread", late)
    await one.renew()
    one.check_here()
    box("other").take(f"{name}2")


async def test_who_comes_back_late_has_it_again_if_nobody_took_it(box: Boxes, name: str) -> None:
    one = box("one", SHORT)
    one.take(name)
    time.sleep(SHORT)
    await one.renew()
    one.check_here()
    with pytest.raises(Held):
        box("other").take(name)


async def test_who_comes_back_too_late_is_told_who_has_it(box: Boxes, name: str) -> None:
    one, other = box("one", SHORT), box("other")
    one.take(name)
    time.sleep(SHORT)
    other.take(name)
    await one.renew()
    with pytest.raises(LeaseLost, match="other, process"):
        one.check_here()


def test_what_was_taken_over_writes_nothing(where: Remote, box: Boxes, name: str) -> None:
    one, other = box("one", SHORT), box("other")
    journal = _journal(where, one)
    one.take(name)
    assert _writes(journal)
    time.sleep(SHORT)
    other.take(name)
    # As if this process had slept, and its own clock had not told.
    one._until = float("inf")
    with pytest.raises(LeaseLost, match="is over"):
        _writes(journal)
    assert len(journal.holds.standing()) == 1
    journal.close()


def test_what_ended_writes_nothing_though_nobody_took_it(
    where: Remote, box: Boxes, name: str
) -> None:
    one = box("one", SHORT)
    journal = _journal(where, one)
    one.take(name)
    time.sleep(SHORT)
    one._until = float("inf")
    with pytest.raises(LeaseLost):
        _writes(journal)
    journal.close()


def test_of_several_leases_each_is_needed(where: Remote, box: Boxes, name: str) -> None:
    one = box("one")
    journal = _journal(where, one)
    one.take(name)
    lost = one.take(f"{name}2")
    one._ask("leases.release", mine=f'[{{"name": "{name}2", "token": {lost.token}}}]')
    with pytest.raises(LeaseLost):
        _writes(journal)
    journal.close()


def test_what_was_let_go_is_not_needed(where: Remote, box: Boxes, name: str) -> None:
    one = box("one")
    journal = _journal(where, one)
    one.take(name)
    one.take(f"{name}2").release()
    assert _writes(journal)
    journal.close()


def test_nobody_takes_over_within_a_transaction(
    where: Remote, box: Boxes, name: str, database_server: Server
) -> None:
    """Its holder stopped between the look at the lease and the commit: who takes over waits until
    the server has ended that, so that nothing is committed behind its back."""
    one, other = box("one", SHORT), box("other")
    journal = _journal(where, one)
    one.take(name)
    transaction = journal.together()
    transaction.__enter__()
    time.sleep(SHORT)
    with pytest.raises(JournalUnavailable):
        other.take(name)
    # The time limit for who says nothing in a transaction, which is the server's.
    _end_idle(database_server)
    other.take(name)
    with pytest.raises(JournalUnavailable):
        transaction.__exit__(None, None, None)
    one._until = float("inf")
    with pytest.raises(LeaseLost):
        _writes(journal)
    journal.close()


def _end_idle(server: Server) -> None:
    found = server.sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE state = 'idle in transaction'"
    )
    assert found == [["t"]]


def test_after_a_crash_nobody_waits_on_the_same_box(where: Remote, box: Boxes, name: str) -> None:
    """The kernel knows that who held it is gone."""
    with (
        closing(Leases(where, "scheduler")) as killed,
        closing(Leases(where, "scheduler")) as next_,
    ):
        hold = killed.take(name)
        assert hold.kernel
        hold.kernel.release()
        with pytest.raises(HeldByBox):
            box("other").take(name)
        assert next_.take(name).token == hold.token + 1


def test_two_programs_of_one_box_exclude_each_other(where: Remote, name: str) -> None:
    leases = Leases(where, "scheduler")
    with holder(name) as process, pytest.raises(Held, match=f"process {process.pid}"):
        leases.take(name)


def test_a_stopped_process_of_the_same_box_keeps_its_lease_only_to_its_end(
    where: Remote, name: str
) -> None:
    one = Leases(where, "scheduler", term=SHORT)
    with closing(one), closing(Leases(where, "scheduler")) as other:
        hold = one.take(name)
        assert hold.kernel
        hold.kernel.release()
        with holder(name) as process:
            stop(process)
            with pytest.raises(HeldByBox):
                other.take(name)
            time.sleep(SHORT)
            assert other.take(name).kernel is None


async def test_who_only_looks_on_gives_way_to_who_works(box: Boxes, name: str) -> None:
    """A second box in the shadow, to try it, had the lease when the first was started again: that
    stood by, and nobody did the work."""
    one, other = box("one", shadow=True), box("other")
    one.take(name)
    with pytest.raises(HeldByBox, match=r"one, process \d+ \(scheduler \(shadow\)\)"):
        box("third", shadow=True).take(name)
    other.look(name)
    assert other.take(name).token == 2
    await one.renew()
    with pytest.raises(LeaseLost, match="other, process"):
        one.check_here()
    one.close()
    with pytest.raises(HeldByBox):
        one.take(name)


def test_the_account_of_who_only_looks_on_is_in_nobodys_way(box: Boxes) -> None:
    chain, contract = os.urandom(8).hex(), "0x" + "cc" * 20
    box("one", shadow=True).take(actor("jobs/price", Account(chain, "0xaa"), contract))
    box("other").take(actor("jobs/price", Account(chain, "0xbb"), contract))


def test_it_is_looked_at_without_being_taken(box: Boxes, name: str) -> None:
    one, other = box("one"), box("other")
    other.look(name)
    hold = one.take(name)
    with pytest.raises(HeldByBox):
        other.look(name)
    hold.release()
    other.look(name)
    assert other.take(name).token == 2


def test_another_account_for_the_same_contract_is_no_standby(box: Boxes) -> None:
    chain, contract = os.urandom(8).hex(), "0x" + "cc" * 20
    box("one").take(actor("jobs/price", Account(chain, "0xaa"), contract))
    other = box("other")
    with pytest.raises(NotYet, match=r"one, .* has 0xbb"):
        other.take(actor("jobs/price", Account(chain, "0xbb"), contract))
    other.take(actor("jobs/settlement", Account(chain, "0xbb"), contract))
    other.take(custodian(Account(chain, "0xbb")))


def test_what_the_account_of_before_sent_is_told_as_on_a_single_box(
    where: Remote, box: Boxes
) -> None:
    """Who looks whether it has a program has the lease of its own account by then, and is no other
    box with a wrong one."""
    journal, one = Journal.open(where), box(os.urandom(4).hex())
    journal.admit(ACCOUNT)
    sent = prepared(0)
    journal.reserve(ACCOUNT, [sent])
    family, contract = sent.intent.family, sent.intent.contract
    changed = Account(ACCOUNT.chain, "0x" + "bb" * 20)
    one.take(actor(family, changed, contract))
    with pytest.raises(NotYet, match=f"what {ACCOUNT.address} sent .* is not final yet"):
        check_succession(journal, one, changed, family, contract)
    journal.close()


def test_a_box_on_another_chain_is_no_standby(box: Boxes) -> None:
    account = Account(os.urandom(8).hex(), "0xaa")
    box("one").take(actor("alarm", account, "0xcc"))
    other = Account(os.urandom(8).hex(), "0xaa")
    with pytest.raises(NotYet, match=f"{account.chain}, here it is {other.chain}"):
        box("other").take(actor("alarm", other, "0xcc"))


async def test_a_clock_that_is_apart_from_the_databases_is_said_once(
    box: Boxes, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = box("one")
    one.take(name)
    now = time.time
    monkeypatch.setattr("scheduler.transactions.leases.time.time", lambda: now() - 3600)
    for _ in range(2):
        await one.renew()
    monkeypatch.undo()
    await one.renew()
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line.partition(";")[0] for line in said] == [
        "this box's clock is 3600 s behind the database's"
    ]


async def test_a_database_that_is_away_is_said_and_ends_the_work(
    box: Boxes, name: str, where: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    one = box("one", SHORT)

    def away(_: object) -> None:
        raise JournalUnavailable("the server is away")

    one.take(name)
    one._hang_up()
    one._connect = away  # type: ignore[assignment]
    await one.renew()
    one.check_here()
    time.sleep(SHORT)
    with pytest.raises(LeaseLost, match="could not be renewed in time"):
        one.check_here()
    assert "cannot be renewed: the server is away" in caplog.text


async def test_who_gives_it_up_lets_the_others_have_it_first(box: Boxes, name: str) -> None:
    one, other = box("one"), box("other")
    one.take(name)
    assert other.give_up("all") == []
    assert one.give_up("another program") == []
    assert one.give_up("scheduler") == [name]
    await one.renew()
    with pytest.raises(LeaseLost, match="scheduler drain"):
        one.check_here()
    one.close()
    with pytest.raises(NotYet, match="gives others their turn"):
        one.take(name)
    assert other.take(name).token == 2
    await other.renew()
    other.check_here()


async def test_who_gave_it_up_to_nobody_has_it_again(
    box: Boxes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.transactions.leases.GIVE_WAY_SECONDS", 0.2)
    one = box("one")
    one.take(name)
    one.give_up("all")
    await one.renew()
    one.close()
    with pytest.raises(NotYet, match="gives others their turn"):
        one.look(name)
    time.sleep(0.2)
    one.take(name)
    await one.renew()
    one.check_here()
