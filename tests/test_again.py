"""What failed is played once more, alone; what fails twice has failed."""

from pathlib import Path

import pytest

from tests.again import FEW, may_be_unsteady, play


@pytest.mark.parametrize(
    ("failed", "again"),
    [
        ([], False),
        (["tests/test_service.py::test_one"], True),
        ([f"tests/test_service.py::test_{number}" for number in range(FEW)], True),
        ([f"tests/test_service.py::test_{number}" for number in range(FEW + 1)], False),
        (["tests/faults/test_kills.py::test_one"], False),
        (["tests/boxes/test_crowd.py::test_one", "tests/test_service.py::test_one"], False),
        (["tests/provision/test_boot.py::test_one"], False),
        (["gw1"], False),
    ],
)
def test_which_are_played_again(failed: list[str], again: bool) -> None:
    assert may_be_unsteady(failed) is again


@pytest.mark.parametrize(
    ("fails", "status", "says"),
    [
        ("False", 0, []),
        ("not Path('seen').exists()", 0, ["once more", "UNSTEADY"]),
        ("True", 1, ["once more"]),
    ],
    ids=["never", "once", "twice"],
)
def test_a_second_failure_counts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], fails: str, status: int, says: list[str]
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(
        "from pathlib import Path\n\n"
        "def test_it():\n"
        f"    fails = {fails}\n"
        "    Path('seen').touch()\n"
        "    assert not fails\n"
    )
    assert play([], tmp_path, workers=1) == status
    out = capfd.readouterr().out
    assert [words for words in ("once more", "UNSTEADY") if words in out] == says
    assert out.count("test_it.py::test_it\n") >= len(says)


def test_what_failed_in_another_run_is_not_played_in_its_place(tmp_path: Path) -> None:
    """Where nothing was played, what had failed before passed for it."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    kept = tmp_path / ".pytest_cache" / "v" / "cache"
    kept.mkdir(parents=True)
    (kept / "lastfailed").write_text('{"test_it.py::test_it": true}')
    (tmp_path / "test_broken.py").write_text("raise ValueError\n")
    assert play([], tmp_path, workers=1) == 1


def test_what_cannot_be_played_is_no_failed_test(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    assert play(["--no-such-option"], tmp_path) == 4
