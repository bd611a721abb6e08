"""What a real supervisord does with the settings of conf.d when programs end."""

import configparser
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scheduler.devchain.supervisor import Supervisor
from scheduler.plan import MONITOR
from scheduler.supervision import Placement, render, templates

# Stands in for the command `scheduler`: start number N ends the way that line N of its script
# says, by an exit code, by SIGKILL, or (at its last line) not at all until SIGTERM.
PROGRAM = """\
#!/bin/sh
cd "{directory}" || exit 99
# before the start is noted: who reads that may stop it at once
trap 'echo stopped >> "stopped-$1"; exit 0' TERM
echo "$$" >> "starts-$1"
n=$(wc -l < "starts-$1")
ending=$(sed -n "${{n}}p" "script-$1")
case $ending in
    kill) kill -KILL $$ ;;
    stay) while :; do sleep 0.05; done ;;
    *) exit "$ending" ;;
esac
"""


class Programs:
    """A supervisord with the filled program files, whose command is the stand-in."""

    def __init__(self, directory: Path, supervisor: Supervisor) -> None:
        self.directory = directory
        self.supervisor = supervisor

    def starts(self, argument: str) -> int:
        path = self.directory / f"starts-{argument}"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def wait_for(self, condition: Callable[[], bool], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.supervisor.log.read_text()
            time.sleep(0.1)

    def wait_for_state(self, program: str, state: str) -> None:
        self.wait_for(lambda: self.supervisor.state(program) == state)


@contextmanager
def running(
    directory: Path, scheduler: str, devchain: str, installed: bool = True
) -> Iterator[Programs]:
    """Programs whose consecutive starts end as the words of `scheduler` and `devchain` say."""
    placement = Placement(
        user="", home=directory, bin_dir=directory, directory=directory, log_dir=directory
    )
    (directory / "script-run").write_text("\n".join(scheduler.split()) + "\n")
    (directory / "script-dev").write_text("\n".join(devchain.split()) + "\n")
    if installed:
        install(directory)
    # Without a user supervisord starts programs as itself, whoever runs the tests.
    texts = {
        name: render(name, placement).replace("user=\n", "") for name in ("scheduler", "devchain")
    }
    with Supervisor(directory, texts) as supervisor:
        yield Programs(directory, supervisor)


def install(directory: Path) -> None:
    command = directory / "scheduler.new"
    command.write_text(PROGRAM.format(directory=directory))
    command.chmod(0o755)
    command.rename(directory / "scheduler")


def test_programs_come_up_and_are_stopped_and_started_by_their_bare_names(tmp_path: Path) -> None:
    with running(tmp_path, scheduler="stay stay", devchain="stay") as programs:
        programs.wait_for_state("scheduler", "RUNNING")
        programs.wait_for_state("devchain", "RUNNING")
        programs.wait_for(lambda: programs.starts("run") == 1)

        assert "scheduler: stopped" in programs.supervisor.control("stop", "scheduler").stdout
        assert programs.supervisor.state("scheduler") == "STOPPED"
        assert (tmp_path / "stopped-run").read_text() == "stopped\n"

        assert "scheduler: started" in programs.supervisor.control("start", "scheduler").stdout
        assert programs.supervisor.state("scheduler") == "RUNNING"
        programs.wait_for(lambda: programs.starts("run") == 2)


def test_the_node_is_started_first_and_stopped_last(tmp_path: Path) -> None:
    with running(tmp_path, scheduler="stay", devchain="stay") as programs:
        programs.wait_for(lambda: programs.starts("run") == programs.starts("dev") == 1)
        log = programs.supervisor.log.read_text()
        assert log.index("spawned: 'devchain'") < log.index("spawned: 'scheduler'")
    log = programs.supervisor.log.read_text()
    assert log.index("stopped: scheduler") < log.index("stopped: devchain")


def test_a_stopped_supervisord_leaves_no_program_behind(tmp_path: Path) -> None:
    with running(tmp_path, scheduler="stay", devchain="stay") as programs:
        programs.wait_for(lambda: programs.starts("run") == programs.starts("dev") == 1)
    started = (tmp_path / "starts-run").read_text() + (tmp_path / "starts-dev").read_text()
    assert not [pid for pid in started.split() if Path(f"/proc/{pid}").exists()]


def test_wrong_configuration_ends_the_restarts_and_nothing_else_does(tmp_path: Path) -> None:
    others = "1 0 255 kill 1 1 1 1 stay"
    with running(tmp_path, scheduler="2 stay", devchain=others) as programs:
        programs.wait_for(lambda: programs.starts("dev") == len(others.split()))
        programs.wait_for_state("devchain", "RUNNING")
        assert programs.supervisor.state("scheduler") == "EXITED"
        assert programs.starts("run") == 1

        # The operator has mended it.
        programs.supervisor.control("start", "scheduler")
        programs.wait_for_state("scheduler", "RUNNING")


def test_a_command_that_is_away_for_longer_than_the_default_retries_is_started_once_back(
    tmp_path: Path,
) -> None:
    with running(tmp_path, scheduler="stay", devchain="stay", installed=False) as programs:
        missing = "spawnerr: can't find command"
        programs.wait_for(lambda: programs.supervisor.log.read_text().count(missing) >= 2 * 5)
        assert programs.supervisor.state("scheduler") == "BACKOFF"
        install(tmp_path)
        programs.wait_for_state("scheduler", "RUNNING")


OF_OTHERS = ("beacon", "clef", "geth", "rskj")


@pytest.mark.parametrize("program", sorted(templates()))
def test_every_program_is_restarted_by_the_same_rules(program: str) -> None:
    file = configparser.RawConfigParser()
    file.read(templates()[program])
    kind = "eventlistener" if program == MONITOR else "program"
    assert file.sections() == [f"{kind}:{program}"], "no groups, and the name of the file"
    settings = dict(file[f"{kind}:{program}"])
    assert (settings["startsecs"], settings["startretries"]) == ("0", "1000000")
    # To the programs of others 2 does not mean what it means to ours: a panic of Go's ends with it.
    rule = ("true", None) if program in OF_OTHERS else ("unexpected", "2")
    assert (settings["autorestart"], settings.get("exitcodes")) == rule
    assert settings["stopsignal"] == "TERM"
    assert int(settings["stopwaitsecs"]) > 10
    # A listener speaks to supervisord by its standard output.
    output = "NONE" if program == MONITOR else "${log_dir}/" + f"{program}-stdout.log"
    assert settings["stdout_logfile"] == output
    assert settings["stderr_logfile"] == "${log_dir}/" + f"{program}-stderr.log"
