"""All that a journal holds, for other programs: JSON lines or CSV, as docs/journal.md says."""

import csv
import json
from collections.abc import Mapping
from typing import Any, TextIO

from scheduler.operations.wording import local_time
from scheduler.transactions.journal.reading import TABLES, Reading

_TIMES = {
    "admitted_at",
    "created_at",
    "signed_at",
    "judged_at",
    "since",
    "lifted_at",
    "given_at",
    "done_at",
    "settled_at",
}
_NESTED = {"params", "fields", "worth_sending", "expects", "proof"}


def write_json(journal: Reading, out: TextIO) -> None:
    """One object for each row of each table, one a line; `table` says which."""
    for table in TABLES:
        for row in journal.rows(table):
            nested = {name: json.loads(row[name]) for name in _NESTED & row.keys() if row[name]}
            out.write(json.dumps({"table": table, **_readable(row), **nested}) + "\n")


def write_csv(journal: Reading, out: TextIO) -> None:
    """A header, then one line for each attempt with its intent, slot and outcome."""
    writer = csv.DictWriter(out, journal.columns_of_sheet(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_readable(row) for row in journal.sheet())


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(name, stored) for name, stored in row.items()}


def _value(name: str, stored: Any) -> Any:
    if isinstance(stored, bytes):
        return "0x" + stored.hex()
    if name in _TIMES and stored is not None:
        return local_time(stored)
    return stored
