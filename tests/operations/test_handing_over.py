"""Handing a box's work over: who has taken it, and when there is nobody to."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scheduler.operations import handing_over
from scheduler.operations.handing_over import hand_over
from scheduler.transactions.boxes import Box
from scheduler.transactions.custody import actor, custodian
from scheduler.transactions.journal import Account, Remote
from scheduler.transactions.leases import Leases
from tests.boxes.journals import migrated
from tests.postgres import Server

ACCOUNT = Account(os.urandom(8).hex(), "0x" + "aa" * 20)
NAME = actor("tests", ACCOUNT, "0x" + "cc" * 20)


@pytest.fixture
def where(database_server: Server, tmp_path: Path) -> Remote:
    return migrated(database_server, tmp_path)


@pytest.fixture
def here(where: Remote) -> Iterator[Leases]:
    """A program of this box that works."""
    with closing(Leases(where, "scheduler", term=60)) as leases:
        leases.take(NAME)
        leases.take(custodian(ACCOUNT))
        yield leases


@pytest.fixture
def elsewhere(where: Remote) -> Iterator[Leases]:
    with closing(Leases(where, "scheduler", Box("other", "another boot"))) as leases:
        yield leases


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing_over, "_PATIENCE_SECONDS", 3.0)


def test_a_file_is_one_boxs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not hand_over(tmp_path / "journal.db", "all")
    assert capsys.readouterr().out == ""


def test_where_nobody_works_there_is_nothing_to_hand_over(
    where: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not hand_over(where, "all")
    assert capsys.readouterr().out == ""


def test_where_another_box_works_this_one_may_be_stopped(
    where: Remote, elsewhere: Leases, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere.take(NAME)
    assert hand_over(where, "scheduler")
    assert capsys.readouterr().out == (
        f"other, process {os.getpid()} (scheduler) does the work; this box does none of it, and "
        "may be stopped\n"
    )
    assert not hand_over(where, "moc_jobs")


def test_it_waits_until_another_box_has_taken_over(
    where: Remote, here: Leases, elsewhere: Leases, capsys: pytest.CaptureFixture[str]
) -> None:
    """But for the account's own lease, which is taken when it is needed."""

    def take_over() -> None:
        time.sleep(0.5)
        here.close()
        elsewhere.take(NAME)

    other = threading.Thread(target=take_over)
    other.start()
    assert hand_over(where, "all")
    other.join()
    assert capsys.readouterr().out.splitlines() == [
        f"other, process {os.getpid()} (scheduler) has taken over",
        "to stop this box: supervisorctl stop scheduler",
    ]


def test_a_box_that_only_looks_on_has_taken_over_nothing(
    where: Remote, here: Leases, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Leases(where, "scheduler", Box("other", "another boot"), shadow=True)) as shadow:

        def take() -> None:
            time.sleep(0.5)
            here.close()
            shadow.take(NAME)

        other = threading.Thread(target=take)
        other.start()
        assert not hand_over(where, "all")
        other.join()
        assert capsys.readouterr().out == "no other box stands by\n"
        assert [lease.name for lease in shadow.standing()] == [NAME]
        assert not hand_over(where, "scheduler")
    assert capsys.readouterr().out == ""


def test_where_nobody_takes_over_it_is_drained_as_a_single_box(
    where: Remote, here: Leases, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not hand_over(where, "all")
    assert capsys.readouterr().out == "no other box stands by\n"
