"""Amounts, times and foreign words as an operator reads them."""

import io
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime

_ETHER = 10**18
_GWEI = 10**9


def ether(wei: int) -> str:
    """`1500000000000000000` as `1.5 ether`, exactly."""
    return f"{amount(wei)} ether"


def amount(wei: int) -> str:
    """The same without its unit, as in a column of ether."""
    return _decimal(wei, _ETHER)


def gwei(wei: int) -> str:
    """`2500000000` as `2.5 gwei`, exactly."""
    return f"{_decimal(wei, _GWEI)} gwei"


def local_time(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in local time, with its offset from UTC."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def count(number: int, thing: str) -> str:
    """`3 attempts`, `1 attempt`; large numbers in groups of three digits."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """`text` without what would steer a terminal: contracts and nodes choose their own words."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows as lines, in columns of one width, two blanks between them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def lenient_output() -> None:
    """A terminal in another encoding than UTF-8 shows \\u2026 rather than nothing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _decimal(number: int, scale: int) -> str:
    whole, rest = divmod(abs(number), scale)
    decimals = str(rest).rjust(len(str(scale)) - 1, "0").rstrip("0")
    return f"{'-' if number < 0 else ''}{whole:,}{'.' if decimals else ''}{decimals}"
