"""The pages say what there is: every check, every metric, every name in the status document."""

import re
from pathlib import Path

from scheduler.operations.checks.registry import CHECKS
from scheduler.operations.monitor.metrics import DECLARED, LATENCY
from scheduler.operations.status import schema_text

DOCS = Path(__file__).parents[2] / "docs"


def test_every_check_has_its_section_and_no_other_has_one() -> None:
    headings = re.findall(r"(?m)^### `(.+)`$", (DOCS / "alerts.md").read_text())
    assert headings == [check.name for check in CHECKS]


def test_the_table_of_invariants_is_that_of_the_checks() -> None:
    rows = re.findall(r"(?m)^\| (\d+)\. .* \| (.*) \|$", (DOCS / "alerts.md").read_text())
    told = {int(number): set(re.findall(r"`(.+?)`", names)) for number, names in rows}
    watched = {
        number: {check.name for check in CHECKS if number in check.invariants}
        for number in range(1, 12)
    }
    assert told == watched


def test_every_metric_is_on_the_page_with_its_labels_and_no_other_is() -> None:
    rows = re.findall(r"(?m)^\| `(.+?)` \| (\w+) \| (.+?) \|", (DOCS / "metrics.md").read_text())
    told = {name: (kind, set(re.findall(r"`(.+?)`", labels))) for name, kind, labels in rows}
    exposed = {
        each.name + "_total" * each.is_counter: (
            "counter" if each.is_counter else "gauge",
            set(each.labels),
        )
        for each in DECLARED
    }
    assert told == {**exposed, LATENCY: ("histogram", {"program"})}


def test_the_rules_for_prometheus_use_metrics_that_there_are() -> None:
    rules = (DOCS / "monitoring" / "alerts.yml").read_text()
    known = {each.name + "_total" * each.is_counter for each in DECLARED} | {f"{LATENCY}_bucket"}
    assert set(re.findall(r"\bscheduler_\w+", rules)) <= known


def test_the_schema_is_that_of_the_document() -> None:
    """After a change: scheduler status --schema > docs/status.schema.json"""
    assert (DOCS / "status.schema.json").read_text() == schema_text() + "\n"
