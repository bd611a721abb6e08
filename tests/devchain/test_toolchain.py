"""Tools are installed once, whole or not at all, and what fails says what to do."""

import multiprocessing
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from scheduler.devchain import toolchain
from scheduler.devchain.compiler import own_contracts
from scheduler.devchain.originals import chronologic, future_calls
from scheduler.devchain.toolchain import (
    ToolchainError,
    cache_directory,
    installed,
    installed_node,
    solc_command,
)


def test_the_cache_follows_the_users_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_directory() == Path("/somewhere/scheduler-kit")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_directory() == Path.home() / ".cache" / "scheduler-kit"


def _slow_build(target: Path) -> None:
    time.sleep(0.2)
    with open(target.parent / "builds", "a") as builds:
        builds.write("built\n")
    (target / "tool").write_text("complete")


def _ask_for_a_tool(_: int) -> str:
    return (installed("tool-1", "building a tool", _slow_build) / "tool").read_text()


def test_of_several_processes_that_ask_at_once_one_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(_ask_for_a_tool, range(3)) == ["complete"] * 3
    assert (cache_directory() / "builds").read_text() == "built\n"


def test_a_build_that_failed_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(target: Path) -> None:
        (target / "half").write_text("")
        raise OSError(28, "No space left on device")

    with pytest.raises(ToolchainError, match="No space left on device"):
        installed("tool-1", "building a tool", fail)
    assert not [path for path in cache_directory().iterdir() if path.is_dir()]
    assert _ask_for_a_tool(0) == "complete"


def test_a_cache_that_cannot_be_written_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ToolchainError, match="set XDG_CACHE_HOME"):
        installed("tool-1", "building a tool", _slow_build)


def test_a_package_whose_hash_is_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = tmp_path / "pins"
    pins.mkdir()
    for name in ("requirements-build.txt", "requirements-alarm-0.7.txt"):
        (pins / name).write_text(
            (toolchain.PINS / name).read_text().replace("sha256:0", "sha256:1")
        )
    monkeypatch.setattr(toolchain, "PINS", pins)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ToolchainError) as error:
        future_calls("0.7")
    assert "\n" not in str(error.value)
    log = cache_directory() / "requirements-build.txt.log"
    assert str(log) in str(error.value)
    assert "HASHES" in log.read_text()


def test_a_package_of_npm_whose_hash_is_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = tmp_path / "pins"
    shutil.copytree(toolchain.PINS, pins)
    pinned = (pins / "chronologic.json").read_text()
    (pins / "chronologic.json").write_text(pinned.replace("sha512-S", "sha512-T"))
    monkeypatch.setattr(toolchain, "PINS", pins)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ToolchainError, match="has another hash than the pinned one: sha512-SJQf"):
        chronologic()
    assert not [path for path in cache_directory().iterdir() if path.name.startswith("alarm")]


def test_an_old_tool_on_path_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    wheel = Path("/the/go/of/the/wheel")
    monkeypatch.setattr(toolchain, "installed_go", lambda: wheel)
    assert toolchain.usable_go() == wheel
    old.write_text("#!/bin/sh\necho go version go1.26.1 linux/amd64\n")
    assert toolchain.usable_go() == old


def test_the_contracts_are_there() -> None:
    assert "FutureBlockCall" in future_calls("0.6")
    assert {"FutureBlockCall", "CallLib"} <= set(future_calls("0.7"))
    assert {"RequestFactory", "BlockScheduler", "TimestampScheduler"} <= set(chronologic())
    assert {
        "AccountingLib",
        "CallLib",
        "Scheduler",
        "SchedulerV06",
        "Counter",
        "Reverter",
        "GasGuzzler",
    } <= set(own_contracts())


def test_where_there_is_no_node_a_wheel_brings_it_with_npm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    node = installed_node()
    compiler = solc_command()
    assert compiler[0] == str(node)
    npm = [str(node), str(node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js")]
    for command in (compiler, npm):
        answer = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert answer.stdout.strip()[0].isdigit()
