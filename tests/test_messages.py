"""docs/troubleshooting.md knows every message, and no message that is not said."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "troubleshooting.md"

# How a message comes into being: an exception for the operator, a notice, a warning.
RAISED = {
    "ChainChanged",
    "FeeTooHigh",
    "FirstBlockMissing",
    "HeldElsewhere",
    "JournalUnavailable",
    "Misconfigured",
    "NotYet",
    "error",
    "fault",
    "raised",
    "warning",
}

# Passed on from elsewhere, with nothing added.
PASSED_ON = {"%s", "…: …", "Waiting: …"}


def sources() -> list[Path]:
    """What long-lived programs are made of, and their commands."""
    own = sorted((ROOT / "scheduler").rglob("*.py"))
    return [path for path in own if "devchain" not in path.parts and path.stem != "supervision"]


def text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (each.value if isinstance(each, ast.Constant) else "…" for each in node.values)
        return "".join(map(str, parts))
    return None


def templates(path: Path) -> Iterator[str]:
    """All texts in a source, with … for what is filled in."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.expr) and (found := text(node)):
            yield found


def messages(path: Path) -> Iterator[str]:
    """The texts of a source that operators are told."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in RAISED or (name == "ValueError" and path.stem.endswith("config")):
            yield from filter(None, map(text, node.args))


def described() -> list[str]:
    return re.findall(r"^\| `(.+?)` \|", PAGE.read_text(), re.MULTILINE)


def same(fragment: str, template: str) -> bool:
    """Whether the fragment is part of the template; … stands for anything."""
    pattern = ".*".join(re.escape(part) for part in fragment.split("…"))
    return re.search(pattern, template, re.DOTALL) is not None


def test_every_message_has_its_line() -> None:
    page = described()
    said = {each for path in sources() for each in messages(path)} - PASSED_ON
    assert len(said) > 50
    assert [each for each in said if not any(same(line, each) for line in page)] == []


def test_every_line_has_its_message() -> None:
    said = [each for path in sources() for each in templates(path)]
    assert [line for line in described() if not any(same(line, each) for each in said)] == []
