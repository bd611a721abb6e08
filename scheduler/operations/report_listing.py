"""The report as lines: tables for a terminal, plain columns for a pipe, CSV for programs."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table

from scheduler.networks import network_of
from scheduler.operations.report import By, Statement, Subject, Sums
from scheduler.operations.wording import amount, count, ether, printable

COLUMNS = ("transactions", "earned", "spent", "at stake", "lost", "net")

# What a terminal is spared where it is nothing in every line, and what a narrow one does without.
_OFTEN_NOTHING = ("at stake", "lost")
_DISPENSABLE = ("transactions",)

# So much of a call's address is enough for `journal show` to find it, where there is no room.
_BEGINNING = 12

_TOTAL = "total"

CSV_ACCOUNT = ("chain", "chain_id", "account")
CSV_SUBJECTS = {By.DAY: ("day",), By.CALL: ("family", "contract", "call")}
CSV_AMOUNTS = (
    "transactions",
    "not_final",
    "earned",
    "fees",
    "transferred",
    "staked",
    "returned",
    "lost",
    "net",
)


def heading(statement: Statement) -> str:
    """Whose money it is, and where."""
    network = network_of(statement.chain_id).name
    return f"{statement.owner.address} on {network} (chain id {statement.chain_id}), in ether"


def remarks(statement: Statement) -> Iterator[str]:
    """What the lines do not tell."""
    yield f"At stake now: {ether(statement.ever.at_stake)}."
    if statement.on_their_way:
        yield (
            f"On their way: {count(statement.on_their_way, 'transaction')}, which may take up to "
            f"{ether(statement.may_cost)}."
        )
    if statement.total.not_final:
        yield (
            f"Not final yet: {count(statement.total.not_final, 'transaction')}; a reorg may still "
            "take them back."
        )
    if statement.unknown:
        yield (
            f"Not in here: {count(statement.unknown, 'transaction')} from the account that "
            "somebody else sent."
        )


def rows(statement: Statement, by: By) -> list[dict[str, str]]:
    """A line for each subject and one for the total, by the name of `by` and COLUMNS."""
    first = first_column(by)
    found = [
        {first: _named(subject), **_amounts(sums)} for subject, sums in statement.lines.items()
    ]
    return [*found, {first: _TOTAL, **_amounts(statement.total)}]


def first_column(by: By) -> str:
    """What the column that says what a line is about is called."""
    return {By.DAY: "day (UTC)", By.CALL: "call or job"}[by]


def plain(statement: Statement, by: By) -> Iterator[str]:
    """A header and the lines, in columns of one width, two blanks between them."""
    first = first_column(by)
    columns = [first, *COLUMNS]
    lines = [{name: name for name in columns}, *rows(statement, by)]
    widths = {name: max(len(line[name]) for line in lines) for name in columns}
    for line in lines:
        amounts = [line[name].rjust(widths[name]) for name in COLUMNS]
        yield "  ".join([line[first].ljust(widths[first]), *amounts])


def table(statement: Statement, by: By, width: int) -> Table:
    """The same for a terminal of so many columns.

    No amount is cut: what is nothing in every line is left out, and addresses are shortened.
    """
    first = first_column(by)
    lines = rows(statement, by)
    chosen = [
        name
        for name in COLUMNS
        if name not in _OFTEN_NOTHING or any(line[name] != "0" for line in lines)
    ]
    for name in _DISPENSABLE:
        if _width(lines, [first, *chosen]) > width:
            chosen.remove(name)
    if _width(lines, [first, *chosen]) > width:
        for line in lines:
            line[first] = _shortened(line[first])
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column(first, overflow="fold")
    for name in chosen:
        shown.add_column(name, justify="right", overflow="fold")
    for line in lines:
        cells = [line[name] for name in (first, *chosen)]
        shown.add_row(*cells, style="bold" if line is lines[-1] else None)
    return shown


def show_table(statement: Statement, by: By) -> None:
    """Prints the table on the terminal."""
    console = Console(highlight=False)
    console.print(table(statement, by, console.width))


def write_csv(statements: Sequence[Statement], by: Sequence[By], out: TextIO) -> None:
    """A header, then a line for each line of each statement; amounts are integers, in wei."""
    subjects = [name for each in (By.DAY, By.CALL) if each in by for name in CSV_SUBJECTS[each]]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*CSV_ACCOUNT, *subjects, *CSV_AMOUNTS])
    for each in statements:
        account = (each.owner.chain, each.chain_id, each.owner.address)
        for subject, sums in each.lines.items():
            about = dict(subject)
            amounts = [getattr(sums, name) for name in CSV_AMOUNTS]
            writer.writerow([*account, *(about[name] for name in subjects), *amounts])


def _named(subject: Subject) -> str:
    about = dict(subject)
    if "day" in about:
        return about["day"]
    return printable(about["call"] or _WITHOUT_CALL.get(about["family"], about["family"]))


_WITHOUT_CALL: Mapping[str, str] = {
    "account": "the account's nonces",
    "alarm": "older calls",
}


def _amounts(sums: Sums) -> dict[str, str]:
    wei = {
        "earned": sums.earned,
        "spent": sums.spent,
        "at stake": sums.at_stake,
        "lost": sums.lost,
        "net": sums.net,
    }
    return {"transactions": str(sums.transactions), **{n: amount(each) for n, each in wei.items()}}


def _width(lines: Sequence[Mapping[str, str]], columns: Sequence[str]) -> int:
    """What these columns need, two blanks between them."""
    needs = [max(len(name), *(len(line[name]) for line in lines)) for name in columns]
    return sum(needs) + 2 * (len(columns) - 1)


def _shortened(name: str) -> str:
    return f"{name[:_BEGINNING]}…" if name.startswith("0x") else name
