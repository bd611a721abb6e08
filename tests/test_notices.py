"""Trouble is said once when it begins, and once when it ends."""

import logging

import pytest

from scheduler.notices import Notice


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "TROUBLE")
    return caplog


@pytest.fixture
def notice() -> Notice:
    return Notice(logging.getLogger("TROUBLE"))


def test_trouble_that_lasts_is_said_once_and_its_end_once(
    notice: Notice, said: pytest.LogCaptureFixture
) -> None:
    notice.cleared("never was")
    for _ in range(3):
        notice.raised("the disk is full")
    for _ in range(3):
        notice.cleared("the disk has room again")
    notice.raised("the disk is full")
    assert [(record.levelname, record.message) for record in said.records] == [
        ("WARNING", "the disk is full"),
        ("INFO", "the disk has room again"),
        ("WARNING", "the disk is full"),
    ]


def test_trouble_whose_figures_change_with_every_block_is_the_same_trouble(
    notice: Notice, said: pytest.LogCaptureFixture
) -> None:
    for block in range(100, 105):
        notice.raised(f"no contract at 0xab12 at block {block}, {block / 8} gwei")
    assert len(said.records) == 1
    assert notice.text == "no contract at 0xab12 at block 104, 13.0 gwei"


def test_other_trouble_is_said(notice: Notice, said: pytest.LogCaptureFixture) -> None:
    notice.raised("no contract at 0xab12")
    notice.raised("no contract at 0xab13")
    notice.raised("the node is syncing")
    assert len(said.records) == 3
