"""One message when it begins, one when it ends, none in between, none twice, whatever happens."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.config.model import AlertMetric, Email
from scheduler.operations.checks.model import Finding, Level
from scheduler.operations.facts import records
from scheduler.operations.monitor.alerts import CONFIRMED, Alerts, Kind, Message
from scheduler.operations.monitor.channels import (
    CloudWatchChannel,
    EmailChannel,
    NotDelivered,
    WebhookChannel,
    get,
)
from scheduler.operations.monitor.incidents import Incidents
from scheduler.operations.monitor.listener import event_of
from scheduler.operations.monitor.outbox import Outbox
from scheduler.operations.monitor.pinging import heads_are_processed
from scheduler.operations.status import status_of
from scheduler.spelling import speak_of, spelled_output
from tests.commands import free_port, until
from tests.heartbeat import cloudwatch
from tests.monitor.box import Told
from tests.monitor.mail import mail_server
from tests.monitor.samples import LIFE, MESSAGE, OVER, WELL, program, unread

NOW = 1_800_000_000.0


def finding(level: Level, check: str = "node.head") -> Finding:
    return Finding(check, "new blocks come", level, "no new block for 70 s", "restart it")


def told(levels: Sequence[Level], alerts: Alerts | None = None) -> list[Kind]:
    """The kinds of messages about one check that is at these levels, one look after the other."""
    alerts = alerts or Alerts()
    return [
        message.kind
        for number, level in enumerate(levels)
        for message in alerts.take([finding(level)], NOW + number)
    ]


@given(st.lists(st.sampled_from(list(Level)), max_size=60))
def test_messages_begin_and_end_in_turn(levels: list[Level]) -> None:
    kinds = told(levels)
    assert kinds == [Kind.BEGAN, Kind.ENDED] * (len(kinds) // 2) + [Kind.BEGAN] * (len(kinds) % 2)


@given(st.lists(st.sampled_from(list(Level)), max_size=60), st.integers(0, 60))
def test_a_restart_in_between_says_nothing_anew(levels: list[Level], at: int) -> None:
    before = Alerts()
    kinds = told(levels[:at], before)
    kinds += told(levels[at:], Alerts(before.open.values()))
    assert kinds == [Kind.BEGAN, Kind.ENDED] * (len(kinds) // 2) + [Kind.BEGAN] * (len(kinds) % 2)


@given(st.lists(st.sampled_from([Level.OK, Level.WARN, Level.UNKNOWN]), max_size=30))
def test_what_does_not_fail_is_no_alert(levels: list[Level]) -> None:
    assert told(levels) == []


@given(st.lists(st.sampled_from([Level.FAIL, Level.UNKNOWN]), max_size=30))
def test_what_is_unknown_ends_nothing(levels: list[Level]) -> None:
    assert told([Level.FAIL] * CONFIRMED + levels) == [Kind.BEGAN]


def test_one_look_that_fails_is_no_alert() -> None:
    assert told([Level.OK, Level.FAIL, Level.OK, Level.FAIL, Level.OK]) == []


def test_a_check_that_is_gone_ends_its_alert() -> None:
    alerts = Alerts()
    assert told([Level.FAIL] * CONFIRMED, alerts) == [Kind.BEGAN]
    [message] = alerts.take([], NOW + 60)
    assert (message.kind, message.check) == (Kind.ENDED, "node.head")


class Kept:
    """A channel that keeps what it is told, and is away for so many messages first."""

    def __init__(self, name: str = "kept", away: int = 0) -> None:
        self.name = name
        self.away = away
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        if self.away:
            self.away -= 1
            raise NotDelivered("it is away")
        self.messages.append(message)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel that is away is tried again soon."""
    monkeypatch.setattr("scheduler.operations.monitor.outbox.RETRY_SECONDS", 0.05)


def test_what_was_not_told_is_told_after_a_restart_and_nothing_twice(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    # Nobody serves it, as if the process were killed at once.
    box = Outbox(journal, [Kept()])
    messages = [*box.alerts.take([finding(Level.FAIL)], NOW)]
    messages += box.alerts.take([finding(Level.FAIL)], NOW + 5)
    box.put(messages)
    again, channel = Outbox(journal, [kept := Kept()]), kept
    assert list(again.alerts.open) == ["node.head"]
    again.start()
    until(again.is_empty)
    assert [each.kind for each in channel.messages] == [Kind.BEGAN]
    third = Outbox(journal, [other := Kept()])
    third.start()
    assert third.is_empty()
    assert other.messages == []


def test_a_channel_that_is_away_gets_all_in_order_and_keeps_no_other_waiting(
    tmp_path: Path,
) -> None:
    away, there = Kept("away", away=3), Kept("there")
    box = Outbox(tmp_path / "journal.db", [away, there])
    box.start()
    box.put([MESSAGE])
    box.put([OVER])
    until(lambda: len(there.messages) == 2)
    until(lambda: any(each.why for each in records.deliveries(tmp_path / "journal.db")))
    until(box.is_empty)
    assert [each.kind for each in away.messages] == [Kind.BEGAN, Kind.ENDED]
    until(lambda: not any(each.why for each in records.deliveries(tmp_path / "journal.db")))


def test_what_cannot_be_kept_is_told_all_the_same(tmp_path: Path) -> None:
    (tmp_path / records.DIRECTORY).write_text("a file where the directory should be")
    box = Outbox(tmp_path / "journal.db", [kept := Kept()])
    box.start()
    box.put([MESSAGE])
    until(lambda: kept.messages == [MESSAGE])


def test_alerts_name_an_account_as_the_networks_wallets_write_it() -> None:
    small = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
    message = replace(MESSAGE, reason=f"{small} is empty", remedy=f"send ether to {small}")
    told = Told()
    try:
        with spelled_output(), mail_server() as server:
            speak_of(30)
            mail = Email(server=server.address, sender="a@b.org", to=("c@d.org",))
            EmailChannel(mail, "box-1").send(message)
            WebhookChannel(told.url, "box-1").send(message)
    finally:
        told.close()
    [sent] = server.mails
    [posted] = told.messages
    for text in (sent, str(posted)):
        assert small not in text
        assert "0x5aaEB6053f3e94c9b9a09f33669435E7ef1bEAeD is empty" in text
        assert "send ether to 0x5aaEB6053f3e94c9b9a09f33669435E7ef1bEAeD" in text


def test_no_failure_of_a_webhook_shows_its_secret() -> None:
    secret = "x7f3k9q2m5t8w1z4b6n0"
    for url in (f"http://127.0.0.1:{free_port()}/hooks/{secret}", f"http://no.invalid/{secret}"):
        with pytest.raises(NotDelivered) as failed:
            WebhookChannel(url, "box-1").send(MESSAGE)
        assert secret not in str(failed.value)
        assert failed.value.__suppress_context__


def test_a_webhook_that_answers_otherwise_is_not_one_that_took_it() -> None:
    server = Told()
    server.refuses = True
    try:
        with pytest.raises(NotDelivered, match="503"):
            WebhookChannel(server.url, "box-1").send(MESSAGE)
        server.refuses = False
        WebhookChannel(server.url, "box-1").send(MESSAGE)
        [message] = server.messages
        assert message["text"] == message["content"]
        assert (message["kind"], message["check"]) == ("began", "node.head")
        get(server.url)
        assert len(server.pings) == 1
    finally:
        server.close()


def test_cloudwatch_gets_a_value_for_the_beginning_and_one_for_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with cloudwatch.running() as server:
        for name, value in cloudwatch.variables(server.url).items():
            monkeypatch.setenv(name, value)
        channel = CloudWatchChannel(AlertMetric(region=cloudwatch.REGION), "box-1")
        channel.send(MESSAGE)
        channel.send(OVER)
        assert server.values("alert") == [1, 0]
    with pytest.raises(NotDelivered, match="Could not connect"):
        channel.send(MESSAGE)


def test_events_of_processes_are_read_as_supervisord_writes_them() -> None:
    payload = "processname:scheduler groupname:scheduler from_state:RUNNING expected:0 pid:2766"
    event = event_of("PROCESS_STATE_EXITED", payload)
    assert event is not None
    assert (event.program, event.state, event.before) == ("scheduler", "EXITED", "RUNNING")
    assert (event.expected, event.pid) == (False, 2766)
    fatal = "processname:a groupname:a from_state:BACKOFF"
    assert event_of("PROCESS_STATE_FATAL", fatal) is not None
    assert event_of("TICK_5", "when:1201063880") is None


def test_the_outside_is_pinged_only_while_heads_are_dealt_with() -> None:
    for facts, pings in (
        (WELL, True),
        (unread(node="away"), False),
        (program(life=None), False),
        (program(life=replace(LIFE, fresh=False)), False),
    ):
        assert heads_are_processed(facts, status_of(facts).checks) is pings


def test_incidents_are_kept_up_to_a_number(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    incidents = Incidents(journal)
    for _ in range(records.KEPT_INCIDENTS + 5):
        incidents.told(MESSAGE)
    assert len(records.monitor(journal).incidents) == records.KEPT_INCIDENTS
