"""A lock excludes every other process, says who holds it, and ends with its holder."""

import os
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest

from scheduler.locks import Held, Lock, hold_when_free
from tests.holders import HOLDS, holder, stop


@pytest.fixture
def name() -> str:
    """A lock that no other test takes."""
    return f"test/{uuid4()}"


def test_a_lock_excludes_other_processes_which_are_told_who_holds_it(name: str) -> None:
    with holder(name) as process, pytest.raises(Held) as held:
        Lock(name)
    assert f"process {process.pid} " in held.value.holder
    assert f"of user {os.geteuid()}" in held.value.holder


def test_the_holders_program_is_named_without_its_options(name: str, tmp_path: Path) -> None:
    program = tmp_path / "nightly_program"
    program.write_text(HOLDS)
    with (
        holder(name, program=str(program)),
        pytest.raises(Held, match=r"\(nightly_program [0-9a-f-]+\)"),
    ):
        Lock(name)


def test_a_holder_that_does_nothing_is_told_from_one_that_works(name: str) -> None:
    with holder(name) as process:
        with pytest.raises(Held) as held:
            Lock(name)
        assert not held.value.is_stopped
        stop(process)
        with pytest.raises(Held) as held:
            Lock(name)
        assert held.value.is_stopped


def test_two_locks_of_one_process_exclude_each_other_too(name: str) -> None:
    lock = Lock(name)
    with pytest.raises(Held, match=f"process {os.getpid()} "):
        Lock(name)
    lock.release()
    Lock(name).release()


def test_locks_of_other_names_are_free(name: str) -> None:
    with holder(name):
        Lock(f"{name}/other").release()


def test_sigkill_of_the_holder_frees_the_lock(name: str) -> None:
    with holder(name) as process:
        process.kill()
        process.wait()
        Lock(name).release()


def test_names_of_any_length_are_told_apart() -> None:
    long = f"{uuid4()}/" + "x" * 500
    lock, other = Lock(f"{long}1"), Lock(f"{long}2")
    with pytest.raises(Held):
        Lock(f"{long}1")
    lock.release()
    other.release()


def test_whoever_asks_for_a_held_lock_again_and_again_is_answered_each_time(name: str) -> None:
    """A connection for each question stood in the holder's queue, and the 130th question hung."""
    with holder(name) as process:
        for _ in range(300):
            with pytest.raises(Held, match=f"process {process.pid} "):
                Lock(name)


def test_whoever_waits_has_the_lock_when_it_is_released(name: str) -> None:
    lock, steps = Lock(name), []

    def wait() -> None:
        with hold_when_free(name, 20):
            steps.append("held")

    waiting = Thread(target=wait)
    waiting.start()
    steps.append("released")
    lock.release()
    waiting.join(20)
    assert steps == ["released", "held"]
    Lock(name).release()
