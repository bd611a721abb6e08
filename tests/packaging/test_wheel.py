"""What is in the checkout and needed at run time is in the distribution."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of the files in the wheel built from a copy of the checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "config.json"):
        shutil.copy(ROOT / name, copy)
    for name in ("scheduler", "conf.d"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "bdist_wheel"],
        cwd=copy,
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next((copy / "dist").glob("*.whl"))) as archive:
        return archive.namelist()


def test_every_file_of_the_package_is_in_the_wheel(wheel: list[str]) -> None:
    files = (path for path in (ROOT / "scheduler").rglob("*") if path.is_file())
    expected = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    assert expected <= set(wheel)


def test_the_program_files_are_in_the_wheel(wheel: list[str]) -> None:
    expected = {path.name for path in (ROOT / "conf.d").glob("*.conf")}
    assert expected == {Path(name).name for name in wheel if "/share/scheduler-kit/conf.d/" in name}
    assert "scheduler.conf" in expected


def test_the_configuration_of_moc_jobs_is_in_the_wheel(wheel: list[str]) -> None:
    assert [name for name in wheel if name.endswith("/share/scheduler-kit/config.json")]


def test_nothing_else_is_importable_from_it(wheel: list[str]) -> None:
    assert {name.split("/")[0] for name in wheel if name.endswith(".py")} == {"scheduler"}
