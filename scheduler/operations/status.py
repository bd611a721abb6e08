"""A box's facts and what the checks say of them, as one document: for people and for programs."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from scheduler.operations.checks.model import Finding, Level, worst
from scheduler.operations.checks.registry import findings
from scheduler.operations.facts.model import Facts

VERSION = 1
"""Of the document: it grows only when a name in it goes or means something else."""


@dataclass(frozen=True, slots=True)
class Status:
    """What `scheduler status --json` prints. `verdict` is the worst level of the `checks`."""

    version: int
    verdict: Level
    checks: tuple[Finding, ...]
    facts: Facts


_ADAPTER = TypeAdapter(Status)


def status_of(facts: Facts) -> Status:
    """The document of a box with these facts, with all checks."""
    found = findings(facts)
    return Status(VERSION, worst(found), found, facts)


def as_json(status: Status) -> str:
    return json.dumps(_ADAPTER.dump_python(status, mode="json"), indent=2)


def from_json(text: str) -> Status:
    """The document that was written. Raises ValueError for what is none."""
    return _ADAPTER.validate_json(text)


def schema() -> dict[str, Any]:
    """The document's JSON Schema (draft 2020-12), as docs/status.schema.json has it."""
    return _ADAPTER.json_schema(mode="serialization")


def schema_text() -> str:
    """The same, as that file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False)
