"""Documents lead somewhere: every link has its file, every page its link from the README."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def links(page: Path) -> set[Path]:
    """The files that a page links to."""
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    return {(page.parent / each).resolve() for each in targets if "://" not in each}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_has_its_file(page: Path) -> None:
    assert [str(path) for path in links(page) if not path.exists()] == []


def test_the_readme_links_to_every_page() -> None:
    assert set(PAGES) - links(PAGES[0]) == {PAGES[0]}


def test_commands_that_the_readme_names_exist() -> None:
    named = set(re.findall(r"(?:scripts|\.ci)/[a-z]+", PAGES[0].read_text()))
    assert {"scripts/demo", "scripts/test"} <= named
    assert [name for name in named if not (ROOT / name).stat().st_mode & 0o100] == []
