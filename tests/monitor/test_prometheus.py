"""docs/monitoring/alerts.yml in Prometheus' own hands: promtool with the time that each rule takes,
and a Prometheus that reads the scheduler-monitor of a real box."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from scheduler.operations.facts.model import Facts, Latency
from scheduler.operations.monitor.metrics import LATENCY, registry
from scheduler.operations.status import status_of
from scheduler.plan import MONITOR
from tests.commands import schedule_on, until
from tests.monitor.box import Box, running
from tests.monitor.prometheus import Prometheus, prometheus, promtool
from tests.monitor.samples import ADDRESS, LIFE, NOW, WELL, but, program

DOCS = Path(__file__).parents[2] / "docs"
RULES = DOCS / "monitoring" / "alerts.yml"

INSTANCE = "127.0.0.1:9469"
TARGET = f'instance="{INSTANCE}",job="scheduler"'

EVERY_SECONDS = 15
MINUTE = 60 // EVERY_SECONDS
HOURS = 120 * MINUTE

Series = dict[str, str]
"""By name and labels the values that Prometheus reads, one every so many seconds."""


@dataclass(frozen=True)
class Alert:
    """What fires: its own labels, beside the target's, and its summary."""

    labels: Mapping[str, str]
    severity: str
    summary: str
    description: str | None = None


def series(facts: Facts) -> Series:
    """Of a box that stays as in these facts for two hours: moments go on with the clock, and a
    program hands something to the node between two readings."""
    status = status_of(facts)
    text = generate_latest(registry(lambda: status)).decode()
    found = {f"up{{{TARGET}}}": f"1x{HOURS}"}
    for name, labels, value in re.findall(r"(?m)^(\w+)(?:\{(.*)\})? (\S+)$", text):
        first, step = float(value), 0.0
        if name.endswith("_timestamp_seconds"):
            first, step = first - NOW, EVERY_SECONDS
        elif name.startswith(f"{LATENCY}_"):
            step = first
        found[f"{name}{{{labels}{',' * bool(labels)}{TARGET}}}"] = f"{first}+{step}x{HOURS}"
    return found


def changed(name: str, values: str) -> Series:
    """A box on which all is well, but for these values of one metric."""
    found = series(WELL)
    [key] = [each for each in found if each.startswith(name)]
    return {**found, key: values}


def failing(check: str) -> Alert:
    return Alert(
        {"check": check, "level": "fail", "job": "scheduler"},
        "critical",
        f"{check} fails on {INSTANCE}",
        f"On the box: scheduler doctor; docs/alerts.md, {check}",
    )


SLOW = Latency({"0.5": 0, "1.0": 1, "2.5": 2, "5.0": 8}, 8, 24.0)
IN_JOB = {"job": "scheduler"}

CASES: dict[str, tuple[Series, dict[str, Alert]]] = {
    "all is well": (series(WELL), {}),
    "the account is empty": (
        series(but("account", balance=0)),
        {"SchedulerCheckFails": failing("account.not_empty")},
    ),
    "the box is gone": (
        {f"up{{{TARGET}}}": f"0x{HOURS}"},
        {
            "SchedulerMonitorGone": Alert(
                IN_JOB,
                "critical",
                f"{INSTANCE} tells nothing: the box or its scheduler-monitor is gone",
            )
        },
    ),
    "the monitor does not look": (
        changed("scheduler_monitor_last_look_timestamp_seconds", f"0x{HOURS}"),
        {
            "SchedulerMonitorStuck": Alert(
                IN_JOB,
                "critical",
                f"scheduler-monitor on {INSTANCE} has not looked for two minutes",
            )
        },
    ),
    "no block comes": (
        changed("scheduler_node_head_timestamp_seconds", f"0x{HOURS}"),
        {"SchedulerHeadLate": Alert(IN_JOB, "critical", f"no new block on {INSTANCE}")},
    ),
    "something was done twice": (
        series(but("journal", violations={"done_twice": 1})),
        {
            "SchedulerCheckFails": failing("journal.invariants"),
            "SchedulerInvariantBroken": Alert(
                {"invariant": "done_twice", **IN_JOB},
                "critical",
                f"done_twice on {INSTANCE}: scheduler pause, and report it",
            ),
        },
    ),
    "gas for three days": (
        series(but("account", days_left=3.0)),
        {
            "SchedulerCheckFails": failing("account.lasts"),
            "SchedulerGasRunsOut": Alert(
                {"account": ADDRESS, **IN_JOB}, "warning", f"{ADDRESS} has gas for 3d 0h 0m 0s"
            ),
        },
    ),
    "three seconds from a block": (
        series(program(life=replace(LIFE, latency=SLOW))),
        {
            "SchedulerSlow": Alert(
                {"program": "scheduler"},
                "warning",
                "scheduler takes more than 2 s from a block to what is due",
            )
        },
    ),
    "four transactions in vain": (
        series(but("journal", losses=4)),
        {
            "SchedulerWorksInVain": Alert(
                IN_JOB,
                "warning",
                "more than three transactions in a day did nothing: scheduler report --days 1",
            )
        },
    ),
    "a reorg took an outcome back": (
        changed(
            'scheduler_outcomes_total{family="alarm",outcome="no_effect"',
            f"10x{60 * MINUTE} 9x{MINUTE} 10x{50 * MINUTE}",
        ),
        {},
    ),
}


def unit_test(rules: list[str]) -> str:
    """What promtool is to find (its docs, "Unit testing rules"): at the end of the two hours each
    case has its alerts, and of the other rules none. YAML takes JSON."""
    tests = []
    for name, (read, fires) in CASES.items():
        told = {}
        for rule, alert in fires.items():
            labels = {**alert.labels, "instance": INSTANCE, "severity": alert.severity}
            words = {"summary": alert.summary, "description": alert.description}
            annotations = {word: text for word, text in words.items() if text is not None}
            told[rule] = [{"exp_labels": labels, "exp_annotations": annotations}]
        tests.append(
            {
                "name": name,
                "interval": f"{EVERY_SECONDS}s",
                "input_series": [{"series": key, "values": read[key]} for key in read],
                "alert_rule_test": [
                    {"eval_time": "119m", "alertname": rule, "exp_alerts": told.get(rule, [])}
                    for rule in rules
                ],
            }
        )
    return json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": tests})


def test_each_rule_fires_on_what_it_is_for_and_on_nothing_else(tmp_path: Path) -> None:
    checked = promtool("check", "rules", str(RULES))
    assert checked.returncode == 0, checked
    rules = re.findall(r"(?m)^ +- alert: (\w+)$", RULES.read_text())
    assert f"{len(rules)} rules found" in checked.stdout
    assert {rule for _, fires in CASES.values() for rule in fires} == set(rules)
    file = tmp_path / "unit-test.yml"
    file.write_text(unit_test(rules))
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def box() -> Iterator[Box]:
    with running(own_disk=False) as box:
        yield box


@pytest.fixture
def reader(box: Box, tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus with the configuration of docs/metrics.md, which reads this box every second."""
    [text] = re.findall(r"(?s)```yaml\n(.*?)```", (DOCS / "metrics.md").read_text())
    text, ports = re.subn(r"127\.0\.0\.1:\d+", f"127.0.0.1:{box.metrics_port}", text)
    text, files = re.subn(r"/opt/\S+/docs/monitoring/alerts\.yml", str(RULES), text)
    assert (ports, files) == (1, 1)
    often = "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
    with prometheus(tmp_path, often + text) as reader:
        yield reader


@pytest.mark.timeout(400)
def test_a_prometheus_that_reads_a_box_says_what_is_wrong_with_it(
    box: Box, reader: Prometheus
) -> None:
    schedule_on(box.chain, ahead=15)
    until(lambda: reader.samples(f"{LATENCY}_count > 0") != [], 90)
    until(lambda: all(rule["health"] == "ok" for rule in reader.rules()), 60)
    names = set(re.findall(r"\bscheduler_\w+", RULES.read_text()))
    # That of which there is nothing yet is missing: what gas cost in the last week is known soon.
    until(lambda: names <= {each["__name__"] for each in reader.samples('{job="scheduler"}')}, 90)
    linted = promtool("check", "metrics", given=box.metrics())
    assert (linted.returncode, linted.stderr) == (0, "")
    assert reader.alerts("firing") == set()

    box.key.chmod(0o644)
    until(lambda: reader.alerts("firing") == {("SchedulerCheckFails", "files.private")}, 120)
    box.key.chmod(0o600)
    until(lambda: reader.alerts("firing") == set(), 120)
    box.supervisor.control("stop", MONITOR)
    until(lambda: ("SchedulerMonitorGone", None) in reader.alerts("pending"), 60)
    # Nothing else was told in between.
    fired = reader.samples('count_over_time(ALERTS{alertstate="firing"}[1h])')
    assert [(each["alertname"], each["check"]) for each in fired] == [
        ("SchedulerCheckFails", "files.private")
    ]
