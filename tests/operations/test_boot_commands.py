"""`scheduler enable` and `disable` change one line of a program's file."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from scheduler.errors import Misconfigured
from scheduler.operations.boot_commands import disable, enable
from scheduler.supervision import Placement, autostarts, render


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory of program files with that of the scheduler."""
    here = Placement("operator", Path("/"), Path("/"), Path("/"), Path("/"))
    (tmp_path / "scheduler.conf").write_text(render("scheduler", here, autostart=False))
    return tmp_path


def test_enable_and_disable_change_what_starts_at_boot_and_nothing_else(directory: Path) -> None:
    file = directory / "scheduler.conf"
    before = file.read_text()
    enabled = CliRunner().invoke(enable, ["scheduler", "--directory", str(directory)])
    assert enabled.output == (
        "scheduler starts at boot; to start it now: supervisorctl start scheduler\n"
    )
    assert autostarts(file.read_text())
    assert len(set(file.read_text().splitlines()) ^ set(before.splitlines())) == 2
    disabled = CliRunner().invoke(disable, ["scheduler", "--directory", str(directory)])
    assert "supervisorctl stop scheduler" in disabled.output
    assert file.read_text() == before
    assert [path.name for path in directory.iterdir()] == ["scheduler.conf"]


def test_a_program_that_the_box_has_not_is_refused_with_those_it_has(directory: Path) -> None:
    result = CliRunner().invoke(enable, ["scheduler-prices", "--directory", str(directory)])
    assert isinstance(result.exception, Misconfigured)
    assert "no program scheduler-prices on this box; there are: scheduler" in str(result.exception)


def test_a_file_without_the_line_is_left_alone(directory: Path) -> None:
    (directory / "own.conf").write_text("[program:own]\ncommand=true\n")
    result = CliRunner().invoke(disable, ["own", "--directory", str(directory)])
    assert isinstance(result.exception, Misconfigured)
    assert (directory / "own.conf").read_text() == "[program:own]\ncommand=true\n"
