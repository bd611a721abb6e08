"""Amounts, times and keys as the page writes them: short, with the whole beside it as a title."""

import time
from datetime import datetime, timezone

_ETHER = 10**18

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def ether(wei: int) -> str:
    """Four significant figures of it, in ether: what is less than that is said to be there."""
    if wei == 0:
        return "0"
    value = wei / _ETHER
    if abs(value) < 1e-6:
        return "<0.000001" if wei > 0 else ">-0.000001"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    return text if "e" not in text else f"{value:.6f}".rstrip("0")


def span(seconds: float) -> str:
    """A length of time in its largest unit, `3 min`; two units where the second says something."""
    rest = round(abs(seconds))
    for index, (size, unit) in enumerate(_STEPS):
        if rest >= size:
            whole, rest = divmod(rest, size)
            if index + 1 < len(_STEPS) and whole < 10:
                smaller, name = _STEPS[index + 1]
                if more := rest // smaller:
                    return f"{whole} {unit} {more} {name}"
            return f"{whole} {unit}"
    return "0 s"


def ago(at: float, now: float | None = None) -> str:
    """`3 min ago`; `now` for what was in the last second."""
    seconds = (time.time() if now is None else now) - at
    return "now" if seconds < 1 else f"{span(seconds)} ago"


def moment(at: float) -> str:
    """UTC, to the second."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def day(text: str) -> str:
    """`2026-03-01` as `Mar 1`."""
    found = datetime.strptime(text, "%Y-%m-%d")
    return f"{found:%b} {found.day}"


def days(number: float) -> str:
    """A number of days, as far as anybody plans."""
    return f"{number:,.0f} days" if number < 10_000 else "more than 9,999 days"


def short(text: str) -> str:
    """An address or a hash by its ends; whatever is short as it is."""
    return text if len(text) <= 16 else f"{text[:8]}…{text[-6:]}"


def words(name: str) -> str:
    """A name of the code in plain words."""
    return name.replace("_", " ")
