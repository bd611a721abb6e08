"""A disk whose power can be cut: the library that keeps only what was synced, and its use."""

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


def compiler() -> str | None:
    """The C compiler that the library needs, where there is one."""
    return shutil.which("cc") or shutil.which("gcc")


def built(directory: Path) -> Path:
    """The library, compiled into `directory`."""
    found = compiler()
    assert found, "callers look for a compiler first"
    library = directory / "platter.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([found, *flags, "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


class Disk:
    """A directory with a journal in it, and beside it what of that has been synced."""

    def __init__(self, directory: Path) -> None:
        self._disk = directory / "disk"
        self._platter = directory / "platter"
        self._looked_at = directory / "after a power cut"
        self._disk.mkdir(parents=True)
        self._platter.mkdir()
        self.journal = self._disk / "journal.db"

    def after_a_cut(self) -> Path:
        """The journal as it would be after a power cut at this moment."""
        self._copy_to(self._looked_at)
        return self._looked_at / self.journal.name

    def cut(self) -> None:
        """What was not synced is gone."""
        self._copy_to(self._disk)

    def _copy_to(self, directory: Path) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        # A copy that was not finished is no copy.
        shutil.copytree(self._platter, directory, ignore=shutil.ignore_patterns("*.fresh"))
