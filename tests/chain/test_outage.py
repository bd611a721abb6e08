"""Outage: trouble is told once, and tried again with growing delays."""

import logging

import pytest

from scheduler.chain.outage import Outage


def test_told_once_at_the_beginning_and_once_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "CHAIN")
    outage = Outage("Node http://n:1")
    outage.works(now=0)
    for second in range(5):
        outage.failed("Node http://n:1: nothing listens there", now=10 + second)
    outage.works(now=17.25)
    outage.works(now=18)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "Node http://n:1: nothing listens there. Trying again until it works."),
        ("INFO", "Node http://n:1 works again after 7.2 s."),
    ]


def test_delays_double_up_to_fifteen_seconds_with_jitter() -> None:
    outage = Outage("n")
    delays = [outage.failed("no", now=n) for n in range(12)]
    for delay, most in zip(delays, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15, 15], strict=False):
        assert 0.75 * most <= delay <= most
    assert len({delay / 15 for delay in delays[-4:]}) > 1


def test_delays_begin_anew_only_after_it_worked_for_a_while() -> None:
    outage = Outage("n")
    for now in range(5):
        outage.failed("no", now=now)
    outage.works(now=5)
    assert outage.failed("again", now=6) > 2
    outage.works(now=10)
    assert outage.failed("much later", now=100) <= 0.1
