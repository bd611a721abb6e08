"""Log lines as operators know them, or JSON: one event says one thing, with its intent's key."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.logs import JSON, JsonLines, about
from tests.commands import alarm_chain, eth_alarm, finished, mine_up_to, schedule_on


def record(message: str, *args: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("SENDER", logging.INFO, __file__, 1, message, args, None)
    made.__dict__.update(more)
    return made


def test_a_log_in_another_encoding_shows_every_line() -> None:
    program = "import logging; from scheduler import logs; logs.configure(); logging.error('1…2')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("1\\u20262\n")
    assert done.stderr == ""


@given(message=st.text())
def test_an_event_is_one_line_whatever_it_says(message: str) -> None:
    line = JsonLines().format(record("%s", message))
    assert len(line.splitlines()) == 1 or any(mark in message for mark in "\x85\u2028\u2029")
    assert "\n" not in line
    assert json.loads(line)["name"] == "SENDER"


def test_an_event_has_the_key_of_what_it_is_about() -> None:
    def intent(**more: object) -> object:
        return json.loads(JsonLines().format(record("sent", **more))).get("intent")

    assert intent() is None
    assert intent(intent="the call's") == "the call's"
    with about("the claim's"):
        assert intent() == "the claim's"
        assert intent(intent="the call's") == "the claim's"
    assert intent() is None


def test_a_traceback_is_in_its_event() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        line = JsonLines().format(record("it failed", exc_info=sys.exc_info()))
    assert json.loads(line)["exception"].splitlines()[-2:] == ["ValueError: two", "lines"]
    assert "\n" not in line


@pytest.mark.timeout(600)
def test_all_that_is_said_of_an_execution_has_the_key_that_the_journal_has(tmp_path: Path) -> None:
    with alarm_chain() as chain:
        call = schedule_on(chain, ahead=12)
        with eth_alarm(chain, tmp_path, SCHEDULER_LOG_FORMAT=JSON) as program:
            program.saw("Tracking call")
            mine_up_to(chain, call.target_block - 1)
            program.saw("Outcome: succeeded")
            assert program.stop() == 0
    events = [json.loads(line) for line in program.lines]
    told = [event for event in events if event["name"] == f"CALL-{call.address.upper()}"]
    assert [event["message"].split(":")[0] for event in told][-3:] == [
        "Attempting to execute call",
        "Transaction accepted.",
        "Outcome",
    ]
    (key,) = {event["intent"] for event in told}
    story = finished(tmp_path, "scheduler", "journal", "show", key)
    assert story.returncode == 0
    assert call.address in story.stdout
    assert [event for event in events if event["name"] == "BLOCKSAGE" and "intent" in event] == []
