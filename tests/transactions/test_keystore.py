"""A key file is opened with the password of another file; whatever is wrong is told in one line,
and the line holds no secret."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from eth_keyfile.keyfile import create_keyfile_json

from scheduler.errors import Misconfigured, NotYet
from scheduler.transactions import keystore
from scheduler.transactions.keystore import open_keystore

KEY = b"\x37" * 32
PASSWORD = b"correct horse battery"
LIGHT = {"kdf": "scrypt", "iterations": 4096}


@dataclass
class Files:
    """A key file and the file with its password, in one directory."""

    directory: Path

    @property
    def key(self) -> Path:
        return self.directory / "key.json"

    @property
    def password(self) -> Path:
        return self.directory / "password"

    def write(self, key: bytes = KEY, password: bytes = PASSWORD, **options: Any) -> "Files":
        content = create_keyfile_json(key, PASSWORD, **{**LIGHT, **options})
        self.put(self.key, json.dumps(content).encode())
        self.put(self.password, password)
        return self

    def put(self, path: Path, content: bytes, mode: int = 0o600) -> None:
        path.write_bytes(content)
        path.chmod(mode)


@pytest.fixture(autouse=True)
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the box's lock here: tests that run beside these open key files, too."""
    name = f"keystore of {tmp_path}"
    monkeypatch.setattr(keystore, "LOCK", name)
    return name


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path).write()


def refusal(files: Files, error: type[Exception] = Misconfigured) -> str:
    """The one line with which opening is refused."""
    with pytest.raises(error) as refused:
        open_keystore(files.key, files.password)
    text = str(refused.value)
    assert "\n" not in text
    seen: BaseException | None = refused.value
    while seen is not None:
        assert PASSWORD.decode() not in repr(seen)
        assert KEY.hex() not in repr(seen)
        seen = seen.__cause__
    return text


def test_the_right_password_opens_it(files: Files) -> None:
    assert open_keystore(files.key, files.password).to_bytes() == KEY


def test_the_password_is_the_first_line(files: Files) -> None:
    files.put(files.password, PASSWORD + b"\r\nnot the password\r\n")
    assert open_keystore(files.key, files.password).to_bytes() == KEY


def test_the_other_key_derivation_is_opened_too(tmp_path: Path) -> None:
    files = Files(tmp_path).write(kdf="pbkdf2", iterations=1000)
    assert open_keystore(files.key, files.password).to_bytes() == KEY


def test_a_wrong_password_is_told_without_it(files: Files) -> None:
    files.put(files.password, b"wrong horse")
    text = refusal(files)
    assert text == (
        f"the password in {files.password} does not open {files.key}; write the right one there"
    )


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644, 0o602])
@pytest.mark.parametrize("which", ["key", "password"])
def test_a_file_that_others_can_read_is_not_used(files: Files, which: str, mode: int) -> None:
    path: Path = getattr(files, which)
    path.chmod(mode)
    assert refusal(files).endswith(f"{path} can be read by others; run: chmod 600 {path}")


def test_a_file_of_another_user_is_not_used(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: files.key.stat().st_uid + 1)
    assert refusal(files).endswith(
        f"{files.key} belongs to another user; run: sudo chown $(id -un) {files.key}"
    )


def test_the_command_that_mends_it_can_be_pasted_whatever_the_path(tmp_path: Path) -> None:
    directory = tmp_path / "my keys"
    directory.mkdir()
    files = Files(directory).write()
    files.key.chmod(0o644)
    command = refusal(files).rpartition("run: ")[2]
    subprocess.run(command, shell=True, check=True)
    assert open_keystore(files.key, files.password).to_bytes() == KEY


@pytest.mark.parametrize("which", ["key", "password"])
def test_a_missing_file_is_told(files: Files, which: str) -> None:
    path: Path = getattr(files, which)
    path.unlink()
    assert f"{path} cannot be read: No such file or directory" in refusal(files)


@pytest.mark.parametrize("which", ["key", "password"])
def test_a_directory_is_no_file(files: Files, which: str) -> None:
    path: Path = getattr(files, which)
    path.unlink()
    path.mkdir(mode=0o700)
    assert f"{path} is not a file" in refusal(files)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0x" + KEY.hex().encode(),
        b'{"version": 9, "crypto": {}}',
        b'{"version": 3, "crypto": {"kdf": "scrypt", "kdfparams": {}}}',
    ],
    ids=repr,
)
def test_what_is_no_key_file_is_told(files: Files, content: bytes) -> None:
    files.put(files.key, content)
    assert refusal(files).startswith(f"{files.key} is not an encrypted key file")


def test_a_child_that_was_killed_says_nothing_against_the_key_file(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel kills it where memory is short; the operator was told to make a new key file."""
    monkeypatch.setattr(keystore.sys, "executable", _program(files, "kill -9 $$"))
    assert "ended with status -9; see whether memory is short" in refusal(files, NotYet)


def test_a_child_that_takes_too_long_is_told(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was a traceback."""
    monkeypatch.setattr(keystore.sys, "executable", _program(files, "exec sleep 60"))
    monkeypatch.setattr(keystore, "TIME_LIMIT", 0.2)
    assert "was not open after 0.2 seconds" in refusal(files, NotYet)


def test_neither_secret_is_in_the_childs_arguments_or_environment(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows = 'tr "\\0" "\\n" < /proc/$$/cmdline > seen; env >> seen; exit 4'
    monkeypatch.chdir(files.directory)
    monkeypatch.setattr(keystore.sys, "executable", _program(files, shows))
    refusal(files)
    seen = (files.directory / "seen").read_text()
    assert str(files.password) in seen
    assert PASSWORD.decode() not in seen


def test_two_opened_at_once_are_opened_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together they could take more memory than a small box has."""
    keys = [bytes([number]) * 32 for number in (1, 2, 3)]
    boxes = []
    for key in keys:
        directory = tmp_path / key.hex()
        directory.mkdir()
        boxes.append(Files(directory).write(key))
    spans = []
    run = subprocess.run

    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.monotonic()
        try:
            return run(*arguments, **options)
        finally:
            spans.append((began, time.monotonic()))

    monkeypatch.setattr(subprocess, "run", timed)
    with ThreadPoolExecutor(len(boxes)) as pool:
        opened = pool.map(lambda files: open_keystore(files.key, files.password), boxes)
        assert [key.to_bytes() for key in opened] == keys
    spans.sort()
    assert len(spans) == 3
    for (_, ended), (began, _) in pairwise(spans):
        assert ended <= began


HOLDS = """
import sys
from scheduler.locks import hold_when_free
with hold_when_free(sys.argv[1], 60):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_on_the_box_is_waited_for(
    files: Files, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    """The kernel holds the lock, for all processes, and frees it with the one that had it."""
    program = files.directory / "opener"
    program.write_text(HOLDS)
    command = [sys.executable, str(program), lock]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            with monkeypatch.context() as patch:
                patch.setattr(keystore, "TIME_LIMIT", 0.3)
                text = refusal(files, NotYet)
            assert f"process {other.pid}" in text
            assert "has been opening a key file for 0.3 s, and one is opened at a time" in text
        finally:
            other.kill()
    assert open_keystore(files.key, files.password).to_bytes() == KEY


def _program(files: Files, body: str) -> str:
    """A program that stands in for the child, to end as no real one does when told to."""
    path = files.directory / "program"
    files.put(path, f"#!/bin/sh\n{body}\n".encode(), mode=0o700)
    return str(path)
