"""A supervisord of one's own: its files in one directory, reached by a Unix socket alone."""

import getpass
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from scheduler.processes import bound_command

# Longer than any stopwaitsecs in conf.d: supervisord kills what is left by then.
_STOP_SECONDS = 60
_START_SECONDS = 20

_CONFIGURATION = """\
[unix_http_server]
file={directory}/supervisor.sock
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisord]
nodaemon=true
silent=true
user={user}
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
childlogdir={directory}

[supervisorctl]
serverurl=unix://{directory}/supervisor.sock

[include]
files=conf.d/*.conf
"""


class SupervisorFailed(Exception):
    """supervisord did not come up; the message is one line that names its log."""


class Supervisor:
    """supervisord running the given program files; used as a context, it stops what it started.

    Should this process die first, the kernel tells supervisord to stop.
    """

    def __init__(self, directory: Path, programs: Mapping[str, str]) -> None:
        """`programs` are the texts of program files by name (`scheduler.supervision.render`).

        `directory` exists and has a short path: that of a Unix socket is at most 107 bytes.
        """
        self.directory = directory
        self.configuration = directory / "supervisord.conf"
        self.log = directory / "supervisord.log"
        text = _CONFIGURATION.format(
            directory=str(directory).replace("%", "%%"), user=getpass.getuser()
        )
        self.configuration.write_text(text, encoding="utf-8")
        included = directory / "conf.d"
        included.mkdir(exist_ok=True)
        for name, program in programs.items():
            (included / f"{name}.conf").write_text(program, encoding="utf-8")

    def __enter__(self) -> "Supervisor":
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.configuration)]
        self.process = subprocess.Popen(
            bound_command(command, signal.SIGTERM),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            # A Ctrl-C is for the caller, who then stops supervisord in order.
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_SECONDS
        while self.control("pid").returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                assert self.process.stderr is not None
                reason = self.process.stderr.readline().decode(errors="replace").strip()
                raise SupervisorFailed(f"supervisord did not start: {reason or f'see {self.log}'}")
            time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def stop(self) -> None:
        """Stops the programs, the last started first, then supervisord."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def add(self, name: str, program: str) -> None:
        """Adds a program file while supervisord runs, which starts the program."""
        (self.directory / "conf.d" / f"{name}.conf").write_text(program, encoding="utf-8")
        self.control("update", name)

    def control_command(self, *arguments: str) -> list[str]:
        """The command line that asks this supervisord something."""
        here = Path(sys.executable).parent / "supervisorctl"
        return [str(here), "-c", str(self.configuration), *arguments]

    def control(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`supervisorctl ARGUMENTS`, and what it said."""
        return subprocess.run(
            self.control_command(*arguments), capture_output=True, text=True, check=False
        )

    def state(self, program: str) -> str:
        """supervisord's word for the state of `program`: RUNNING, BACKOFF, EXITED, FATAL, …"""
        words = self.control("status", program).stdout.split()
        return words[1] if len(words) > 1 else "UNKNOWN"
