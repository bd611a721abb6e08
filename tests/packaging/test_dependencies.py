"""Every dependency has its reason written down, and is pinned by hash from an unnamed place."""

import ast
import re
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FILES = (
    "requirements.txt",
    "requirements-aws.txt",
    "requirements-dev.txt",
    "requirements-image.txt",
    "requirements-postgresql.txt",
)


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", line) for line in requirements)
    return {normalised(match.group()) for match in found if match}


def runtime() -> set[str]:
    """The names in setup.py's install_requires."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())):
        if isinstance(node, ast.keyword) and node.arg == "install_requires":
            return names(ast.literal_eval(node.value))
    raise AssertionError("setup.py has no install_requires")


def extra(name: str) -> set[str]:
    """The names in this one of setup.py's extras."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())):
        if isinstance(node, ast.keyword) and node.arg == "extras_require":
            return names(ast.literal_eval(node.value)[name])
    raise AssertionError("setup.py has no extras_require")


def listed(file: str) -> set[str]:
    return names((ROOT / file).read_text().splitlines())


def development() -> set[str]:
    return listed("requirements-dev.in")


def pins(file: str) -> dict[str, set[str]]:
    """The versions that a compiled requirements file allows, by name."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / file).read_text(), re.M):
        found.setdefault(name, set()).add(version)
    return found


def test_each_dependency_has_its_sentence() -> None:
    rows = re.findall(
        r"^\| ([a-z0-9-]+) \| (.+) \|$", (ROOT / "docs/dependencies.md").read_text(), re.M
    )
    assert {name for name, why in rows} - {"package", "---"} == runtime() | extra("aws") | extra(
        "postgresql"
    ) | development()


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("requirements.txt", runtime()),
        ("requirements-aws.txt", extra("aws")),
        ("requirements-postgresql.txt", extra("postgresql")),
        ("requirements-dev.txt", development()),
        ("requirements-image.txt", listed("requirements-image.in")),
    ],
    ids=["run", "aws", "postgresql", "development", "image"],
)
def test_each_dependency_is_pinned(file: str, wanted: set[str]) -> None:
    assert wanted <= pins(file).keys()


@pytest.mark.parametrize("name", ["aws", "postgresql"])
def test_each_extra_is_listed_as_setup_py_has_it(name: str) -> None:
    assert listed(f"requirements-{name}.in") == extra(name)


@pytest.mark.parametrize(("one", "other"), list(combinations(FILES, 2)))
def test_files_agree_on_versions(one: str, other: str) -> None:
    first, second = pins(one), pins(other)
    common = first.keys() & second.keys()
    assert {name: first[name] for name in common} == {name: second[name] for name in common}


@pytest.mark.parametrize("file", FILES)
def test_pins_carry_hashes_and_name_no_place(file: str) -> None:
    text = (ROOT / file).read_text()
    for block in re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.M)[1:]:
        assert "--hash=sha256:" in block
    assert "://" not in text
    assert not re.search(
        r"^(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)", text, re.M
    )
