"""Intents as lines: a table for a terminal, plain columns for a pipe, JSON for programs."""

import json
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scheduler.operations.wording import aligned, local_time, printable
from scheduler.transactions.journal.records import Summary
from scheduler.transactions.states import IntentState

COLUMNS = ("key", "kind", "state", "nonce", "attempts", "hash", "block", "outcome", "when")
_NUMBERS = {"nonce", "attempts", "block"}

# What a narrow terminal does without, the first first.
_DISPENSABLE = ("attempts", "hash", "kind", "nonce", "when", "block", "outcome")

# A hash that is shown on a terminal keeps this much at either end; `journal show` has all of it.
_HASH_ENDS = 6

_COLOURS: Mapping[IntentState, str] = {
    IntentState.SUCCEEDED: "green",
    IntentState.IN_SLOT: "yellow",
    IntentState.TARGET_FAILED: "red",
    IntentState.REVERTED: "red",
    IntentState.DEPOSIT_LOST: "bold red",
    IntentState.SUSPENDED: "bold red",
}


def columns(summary: Summary, short: str) -> dict[str, str]:
    """An intent's line by COLUMNS; `-` where there is nothing. An outcome with ? is not final."""
    outcome = summary.outcome.value if summary.outcome else "-"
    values = {
        "key": short,
        "kind": summary.name.kind,
        "state": summary.state.value,
        "nonce": "-" if summary.nonce is None else str(summary.nonce),
        "attempts": str(summary.attempts),
        "hash": summary.hash or "-",
        "block": "-" if summary.block is None else str(summary.block),
        "outcome": outcome if summary.is_final or not summary.outcome else f"{outcome}?",
        "when": local_time(summary.changed_at),
    }
    return {name: printable(text) for name, text in values.items()}


def plain(summaries: Sequence[Summary], short: Mapping[str, str]) -> Iterator[str]:
    """A header and the lines, in columns of one width, two blanks between them."""
    rows = [list(columns(each, short[each.name.key]).values()) for each in summaries]
    return aligned([COLUMNS, *rows])


def table(summaries: Sequence[Summary], short: Mapping[str, str], width: int) -> Table:
    """The same for a terminal of so many columns: hashes shortened, states coloured.

    Nothing is cut, since a key is there to be copied; columns that do not fit are left out.
    """
    rows = [columns(each, short[each.name.key]) for each in summaries]
    for row in rows:
        row["hash"] = _shortened(row["hash"])
    chosen = _fitting(rows, width)
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in chosen:
        shown.add_column(name, justify="right" if name in _NUMBERS else "left", overflow="fold")
    for row, each in zip(rows, summaries, strict=True):
        cells = {name: Text(row[name]) for name in chosen}
        cells["state"].stylize(_COLOURS.get(each.state, ""))
        shown.add_row(*cells.values())
    return shown


def _fitting(rows: Sequence[Mapping[str, str]], width: int) -> list[str]:
    """The columns that fit into `width`, two blanks between them."""
    needs = {
        name: 2 + max(len(text) for text in (name, *(row[name] for row in rows)))
        for name in COLUMNS
    }
    chosen = list(COLUMNS)
    for name in _DISPENSABLE:
        if sum(needs[each] for each in chosen) <= width + 2:
            break
        chosen.remove(name)
    return chosen


def json_lines(summaries: Sequence[Summary], short: Mapping[str, str]) -> Iterator[str]:
    """One object for each intent, with its whole key; None where there is nothing."""
    for each in summaries:
        yield json.dumps(
            {
                "key": each.name.key,
                "short": short[each.name.key],
                "family": each.family,
                "kind": each.name.kind,
                "contract": each.name.contract,
                "state": each.state.value,
                "nonce": each.nonce,
                "attempts": each.attempts,
                "hash": each.hash,
                "block": each.block,
                "outcome": each.outcome.value if each.outcome else None,
                "final": each.is_final,
                "when": local_time(each.changed_at),
            }
        )


def show_table(summaries: Sequence[Summary], short: Mapping[str, str]) -> None:
    """Prints the table on the terminal."""
    console = Console()
    console.print(table(summaries, short, console.width))


def _shortened(hash_: str) -> str:
    if len(hash_) <= 2 * _HASH_ENDS + 3:
        return hash_
    return f"{hash_[: _HASH_ENDS + 2]}…{hash_[-_HASH_ENDS:]}"
