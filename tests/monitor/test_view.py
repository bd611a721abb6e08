"""What the page says of a box with these facts, without a browser."""

from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.agenda import Appointment
from scheduler.operations.facts.model import Facts
from scheduler.operations.page import app
from scheduler.operations.page.app import Page
from scheduler.operations.status import status_of
from scheduler.transactions.journal import Journal
from tests.monitor.samples import LIFE, NODE, NOW, WELL, program


async def shown(facts: Facts, tmp_path: Path) -> str:
    """The front page of a box that has sent nothing yet."""
    return await front(Page(tmp_path / "journal.db", lambda: status_of(facts)))


async def front(page: Page) -> str:
    answer = await page.front()
    assert answer.status_code == 200
    return bytes(answer.body).decode()


async def test_who_may_act_is_told_where_several_boxes_share_the_journal(tmp_path: Path) -> None:
    holders = ("box-2, process 4711",)
    assert "box-2, process 4711 may act" in await shown(program(holders=holders), tmp_path)
    assert "may act" not in await shown(program(), tmp_path)


async def test_a_job_that_is_done_every_so_often_is_on_the_time_line(tmp_path: Path) -> None:
    """In an hour, which is 300 blocks of 12 seconds."""
    contract = "0x" + "cd" * 20
    agenda = (Appointment("tick", contract, "seconds", int(NOW) + 3_600),)
    text = await shown(program(life=replace(LIFE, agenda=agenda)), tmp_path)
    due = NODE.head_number + 300
    assert f"tick {contract}, due in block {due}" in text
    assert f"≈ #{due:,}" in text


async def test_a_journal_that_can_be_read_again_is_shown_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sums of days, which are read once a minute, were said to be unreadable for as long."""
    monkeypatch.setattr(app, "FRESH_SECONDS", 0.0)
    journal = tmp_path / "journal.db"
    journal.write_text("no database")
    page = Page(journal, lambda: status_of(WELL))
    assert "earned 0, spent 0" not in await front(page)
    journal.unlink()
    Journal.open(journal).close()
    assert "earned 0, spent 0" in await front(page)
