"""A journal on a network file system is refused: two machines would each have one of their own."""

from pathlib import Path

import pytest

from scheduler.transactions.journal import Journal, JournalUnavailable
from scheduler.transactions.journal.sqlite import filesystem
from scheduler.transactions.journal.sqlite.filesystem import network_file_system


def mounted(tmp_path: Path, *mounts: tuple[str, str]) -> Path:
    """A list of mounts as the kernel writes it, beside the root: place and type of each."""
    lines = [
        f"{number} 1 0:{number} / {place} rw,relatime shared:7 - {kind} source rw"
        for number, (place, kind) in enumerate([("/", "ext4"), *mounts], 20)
    ]
    path = tmp_path / "mountinfo"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "fuse.mount-s3"])
def test_none_is_made_on_a_network_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The list of mounts is a made one: none of these can be mounted everywhere."""
    monkeypatch.setattr(filesystem, "MOUNTS", mounted(tmp_path, (str(tmp_path), kind)))
    path = tmp_path / "journal.db"
    with pytest.raises(JournalUnavailable) as refused:
        Journal.open(path)
    assert str(refused.value) == (
        f"the journal {path} cannot be kept there: {kind} is a network file system; give it a "
        "path on a local disk with journal = in the configuration"
    )
    assert not path.exists()


def test_this_machine_s_own_are_found_in_the_kernel_s_list(tmp_path: Path) -> None:
    assert network_file_system(tmp_path / "journal.db") is None
    assert network_file_system(Path("/proc/self")) is None


def test_the_mount_that_counts_is_the_innermost_and_of_two_at_one_place_the_later(
    tmp_path: Path,
) -> None:
    mounts = mounted(
        tmp_path,
        ("/data", "nfs4"),
        ("/data/scheduler", "xfs"),
        ("/over", "ext4"),
        ("/over", "cifs"),
        ("/database", "nfs"),
    )
    found = {
        name: network_file_system(Path(name), mounts)
        for name in ("/data/a", "/data/scheduler/a", "/over/a", "/database/a", "/databases/a")
    }
    assert found == {
        "/data/a": "nfs4",
        "/data/scheduler/a": None,
        "/over/a": "cifs",
        "/database/a": "nfs",
        "/databases/a": None,
    }


def test_a_place_with_a_blank_is_found_and_a_link_is_followed(tmp_path: Path) -> None:
    place = tmp_path / "a disk"
    place.mkdir()
    (tmp_path / "link").symlink_to(place)
    mounts = mounted(tmp_path, (str(place).replace(" ", "\\040"), "nfs"))
    assert network_file_system(tmp_path / "link" / "journal.db", mounts) == "nfs"


def test_without_a_list_nothing_is_said(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, tmp_path / "missing") is None
