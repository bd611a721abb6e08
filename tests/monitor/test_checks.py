"""Each check says what it should of facts that are wrong in one place, and nothing else does."""

import asyncio
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest

from scheduler.cli import scheduler_commands
from scheduler.health import State
from scheduler.operations.checks import machine
from scheduler.operations.checks.model import Check, Level, fine, judged, worst, wrong
from scheduler.operations.checks.registry import CHECKS, findings
from scheduler.operations.facts.model import (
    Disk,
    Facts,
    Held,
    Incident,
    PrivateFile,
    Process,
    Quarantine,
    Sync,
)
from scheduler.operations.monitor.alerts import Alerts
from scheduler.operations.monitor.beat import BoxVitals
from scheduler.operations.monitor.metrics import registry
from scheduler.operations.page.app import Page
from scheduler.operations.status import Status, as_json, from_json, status_of
from scheduler.operations.status_table import rendered
from tests.monitor.samples import (
    ADDRESS,
    BARE,
    LIFE,
    NODE,
    NOW,
    PROGRAM,
    WELL,
    but,
    levels,
    program,
    unread,
)

ALONE = replace(WELL, configured=replace(WELL.configured, second_endpoint=None), second=None)
LEFT = replace(program(life=None), account=but("account", custodian=None).account)
OLD_SLOT = replace(WELL.journal.open_slots[0], age=601.0)  # type: ignore[union-attr]
FULL = Disk("/data", "the journal", 100 * 10**9, 4 * 10**9, 5 * 10**9, 10**6, False)
EXPOSED = PrivateFile("/etc/key", "the key file", False, "0644", "scheduler", "0600", True)
GONE = PrivateFile("/data/x", "the journal's directory", True, None, None, "0755", False, True)


def process(state: str) -> Process:
    return Process(state, "Exited too quickly", None, None, 1)


# What is wrong, which check says so, at which level, and a word that its remedy has.
WRONG: list[tuple[Facts, str, str, str]] = [
    (unread(node="nothing listens there"), "node.answers", "fail", "start the node"),
    (replace(ALONE, node=replace(NODE, chain_id=1)), "node.chain", "fail", "rpc-url"),
    (but("node", sync=Sync(50, 100, 50.0, 600.0)), "node.synced", "fail", "wait"),
    (but("node", head_age=121.0), "node.head", "fail", "start it again"),
    (but("node", still_for=121.0, head_age=-50.0), "node.head", "fail", "start it again"),
    (but("node", peers=0), "node.peers", "fail", "port"),
    (but("node", head_number=998), "node.behind_journal", "fail", "wait"),
    (but("second", agrees=False), "node.second", "fail", "scheduler pause"),
    (but("second", ahead=11), "node.second", "fail", "start it again"),
    (but("second", ahead=-11), "node.second", "warn", "monitor.second-rpc-url"),
    (but("second", chain_id=1), "node.second", "fail", "second-rpc-url"),
    (unread(second="time-out"), "node.second", "warn", "second-rpc-url"),
    (but("account", balance=1), "account.not_empty", "fail", ADDRESS),
    (but("account", days_left=6.9), "account.lasts", "fail", "scheduler config needs"),
    (but("limits", balance=2 * 10**18), "account.lasts", "fail", ADDRESS),
    (but("account", latest=13), "account.nonces", "fail", "stop whoever"),
    (LEFT, "account.custodian", "fail", "supervisorctl start scheduler"),
    (but("journal", strangers=1), "account.strangers", "warn", "scheduler report"),
    (unread(supervisor="refused"), "programs.supervised", "fail", "systemctl status supervisor"),
    (program(process=process("FATAL")), "programs.run", "fail", "supervisorctl start scheduler"),
    (program(process=process("BACKOFF")), "programs.run", "fail", "supervisorctl start scheduler"),
    (program(process=process("EXITED")), "programs.run", "fail", "supervisorctl start scheduler"),
    (program(name="other"), "programs.installed", "fail", "supervisorctl update"),
    (
        program(process=process("STOPPED"), expected=False),
        "programs.stopped",
        "warn",
        "supervisorctl start scheduler",
    ),
    (program(life=replace(LIFE, fresh=False)), "programs.turn", "fail", "restart scheduler"),
    (
        program(life=replace(LIFE, state=State.FAILING, wrong=("it cannot",))),
        "programs.work",
        "fail",
        "scheduler-stdout.log",
    ),
    (
        program(life=replace(LIFE, head_number=1, head_timestamp=int(NOW) - 200)),
        "programs.heads",
        "fail",
        "restart scheduler",
    ),
    (
        but("monitor", incidents=(Incident(NOW - 59, "exited", "scheduler", "it ended"),)),
        "programs.exits",
        "fail",
        "scheduler-std",
    ),
    (unread(journal="file is not a database"), "journal.readable", "fail", "ls -la"),
    (but("journal", turns="database is locked"), "journal.turns", "fail", "fuser"),
    (
        but("journal", quarantines=(Quarantine(ADDRESS, "behind"),)),
        "journal.quarantine",
        "fail",
        "journal trust",
    ),
    (but("journal", suspended=("alarm:7",)), "journal.suspended", "fail", "journal retry alarm:7"),
    (
        but("journal", holds=(Held("all", "pause", NOW, "me", "a test"),)),
        "journal.holds",
        "warn",
        "scheduler resume --all",
    ),
    (but("journal", open_slots=(OLD_SLOT,)), "journal.open_slots", "fail", "bump alarm:1"),
    (but("journal", losses=1), "journal.losses", "warn", "scheduler report"),
    (but("journal", violations={"done_twice": 1}), "journal.invariants", "fail", "pause"),
    (replace(WELL, disks=(FULL,)), "disk.space", "fail", "/data"),
    (replace(WELL, disks=(replace(FULL, free=14 * 10**9),)), "disk.space", "warn", "/data"),
    (
        replace(WELL, disks=(replace(FULL, free=50 * 10**9, free_inodes=9),)),
        "disk.inodes",
        "fail",
        "df -i",
    ),
    (
        replace(WELL, disks=(replace(FULL, free=50 * 10**9, read_only=True),)),
        "disk.writable",
        "fail",
        "remount",
    ),
    (unread(disks="it has not answered"), "disk.space", "fail", "df -h"),
    (but("memory", available=10**8), "memory.available", "fail", "rss"),
    (but("memory", available=7 * 10**8), "memory.available", "warn", "rss"),
    (but("clock", offset=60.0), "clock.right", "fail", "set-ntp"),
    (but("clock", offset=-60.0), "clock.right", "fail", "set-ntp"),
    (but("clock", synchronised=False), "clock.synchronised", "warn", "set-ntp"),
    (replace(WELL, files=(EXPOSED,)), "files.private", "fail", "chmod 600 /etc/key"),
    (replace(WELL, files=(GONE,)), "files.there", "fail", "doctor --fix"),
    (
        replace(WELL, deliveries=(replace(WELL.deliveries[1], why="no route"),)),  # type: ignore[index]
        "telling.heartbeat",
        "fail",
        "AWS",
    ),
    (
        replace(WELL, deliveries=(replace(WELL.deliveries[0], why="503"),)),  # type: ignore[index]
        "telling.alerts",
        "fail",
        "config show",
    ),
    (but("monitor", running=False), "telling.monitor", "warn", "start scheduler-monitor"),
]


def test_nothing_is_wrong_with_a_box_on_which_all_is_well() -> None:
    assert set(levels(findings(WELL)).values()) == {"ok"}


@pytest.mark.parametrize(
    ("facts", "check", "level", "word"),
    [
        pytest.param(*each, id=f"{each[1]}: {each[3]} ({number})")
        for number, each in enumerate(WRONG)
    ],
)
def test_what_is_wrong_is_said_by_its_check_and_no_other(
    facts: Facts, check: str, level: str, word: str
) -> None:
    found = {each.check: each for each in findings(facts)}
    assert found[check].level.value == level, found[check]
    assert word in found[check].remedy
    assert found[check].reason
    others = {
        name
        for name, each in found.items()
        if name != check and each.level in (Level.FAIL, Level.WARN)
    }
    assert others == set()


@pytest.mark.parametrize("facts", [each[0] for each in WRONG])
def test_what_mends_it_are_commands_that_there_are(facts: Facts) -> None:
    for finding in findings(facts):
        for line in re.findall(r"(?:^|: |, |then )scheduler ([a-z]+(?: [a-z]+)?)", finding.remedy):
            command: click.Command = scheduler_commands
            for word in line.split():
                if isinstance(command, click.Group):
                    found = command.get_command(click.Context(command), word)
                    assert found is not None, finding.remedy
                    command = found


def test_every_check_is_shown_to_fail() -> None:
    assert {check for _, check, _, _ in WRONG} == {check.name for check in CHECKS}


def test_what_nobody_could_read_is_unknown_and_no_check_breaks() -> None:
    found = findings(BARE)
    assert not [each for each in found if "this check itself failed" in each.reason]
    assert levels(found)["account.not_empty"] == "unknown"


def test_a_check_that_breaks_keeps_no_other_from_its_verdict() -> None:
    def broken(_: Facts) -> None:
        raise RuntimeError("a fault in it")

    checks = [Check("a.b", "", broken), *CHECKS]  # type: ignore[arg-type]
    first, *rest = judged(checks, WELL)
    assert (first.level, first.reason) == (
        Level.UNKNOWN,
        "this check itself failed: RuntimeError('a fault in it')",
    )
    assert worst(rest) is Level.OK


@pytest.fixture
def added() -> Iterator[Check]:
    """A check that somebody adds to the list, in one place."""
    check = Check("test.added", "the moon is up", lambda _: wrong("it is down", "wait for it"))
    CHECKS.append(check)
    yield check
    CHECKS.remove(check)


def test_a_check_that_is_added_is_in_all_that_tell(added: Check, tmp_path: Path) -> None:
    status = status_of(WELL)
    assert "test.added" in [each.check for each in from_json(as_json(status)).checks]
    text = _drawn(status)
    assert "test.added: it is down" in text
    assert "→ wait for it" in text
    from prometheus_client import generate_latest

    metrics = generate_latest(registry(lambda: status)).decode()
    assert 'scheduler_check_status{check="test.added",level="fail"} 1.0' in metrics
    answer = asyncio.run(Page(tmp_path / "journal.db", lambda: status).front())
    assert '<li id="check-test.added" data-level="fail">' in bytes(answer.body).decode()
    alerts = Alerts()
    assert alerts.take(status.checks, NOW) == []
    [message] = alerts.take(status.checks, NOW + 5)
    assert (message.check, message.reason) == ("test.added", "it is down")
    # The doctor tells what `findings` says, too.
    assert levels(findings(WELL))["test.added"] == "fail"


def test_the_document_survives_being_written_and_read() -> None:
    status = status_of(WELL)
    assert from_json(as_json(status)) == status
    assert '"balance": "1000000000000000000"' in as_json(status)


def test_a_bare_box_can_be_drawn() -> None:
    assert "node.answers" in _drawn(status_of(BARE))


def test_modes_are_mended_and_nothing_is_added_to_them(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("secret")
    file.chmod(0o440)
    exposed = PrivateFile(str(file), "the key file", False, "0440", "me", "0600", True)
    assert machine.make_private(replace(WELL, files=(exposed,))) == [f"chmod 400 {file}"]
    assert os.stat(file).st_mode & 0o777 == 0o400


def test_no_directory_is_made_below_a_mount_point_that_may_be_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = replace(GONE, path=str(tmp_path / "data"))
    facts = replace(WELL, files=(missing,))
    monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
    assert machine.make_directories(facts) == []
    monkeypatch.setenv("HOME", str(tmp_path))
    assert machine.make_directories(facts) == [f"mkdir {tmp_path / 'data'}"]
    assert (tmp_path / "data").is_dir()


def test_a_node_elsewhere_is_not_taken_for_a_program_here() -> None:
    node = replace(PROGRAM, name="geth", process=process("STOPPED"), expected=False, life=None)
    facts = replace(unread(node="away"), programs=(PROGRAM, node))
    found = {each.check: each for each in findings(facts)}
    assert found["node.answers"].remedy.startswith("supervisorctl start geth")


def test_one_fault_is_one_alert() -> None:
    failing = replace(LIFE, state=State.FAILING, wrong=("the node is away",))
    facts = replace(unread(node="away"), programs=(replace(PROGRAM, life=failing),))
    found = {each.check: each for each in findings(facts)}
    assert [name for name, each in found.items() if each.level is Level.FAIL] == ["node.answers"]
    assert found["programs.work"].level is Level.UNKNOWN
    assert found["programs.work"].reason.endswith("(follows from node.answers)")
    # The heartbeat counts both.
    vitals = BoxVitals().take(facts, tuple(found.values()))
    assert len(vitals.wrong) == 2


def test_what_checks_follow_from_are_checks() -> None:
    names = {check.name for check in CHECKS}
    assert {cause for check in CHECKS for cause in check.follows} <= names


def test_a_head_is_not_old_since_the_clock_is_wrong() -> None:
    ahead = replace(but("node", head_age=125.0), clock=replace(WELL.clock, offset=120.0))  # type: ignore[type-var]
    assert levels(findings(ahead))["node.head"] == "ok"
    behind = replace(but("node", head_age=5.0), clock=replace(WELL.clock, offset=-120.0))  # type: ignore[type-var]
    assert levels(findings(behind))["node.head"] == "fail"


def test_what_a_program_counts_adds_up_over_its_restarts() -> None:
    vitals = BoxVitals()

    def counted(exceptions: int) -> int:
        facts = program(life=replace(LIFE, exceptions=exceptions))
        return vitals.take(facts, findings(facts)).exceptions

    # What was there before the first look is not news; 1 after 7 began anew.
    assert [counted(number) for number in (5, 7, 7, 1, 2)] == [0, 2, 2, 3, 4]


def test_the_worst_level_is_what_counts() -> None:
    assert worst(judged([Check("a.b", "", lambda _: fine(""))], WELL)) is Level.OK


def _drawn(status: Status) -> str:
    from rich.console import Console

    console = Console(width=160, force_terminal=False)
    with console.capture() as capture:
        console.print(rendered(status))
    return capture.get()
