"""Real PostgreSQL servers for tests: an unprivileged user's, in a temporary directory, on loopback.

Debian's package (.ci/apt.txt) brings the programs; a server that it may have set up is left alone.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.commands import free_port

# The least that the journal is made for.
OLDEST = 15

# Whose the server is where the tests are root's: PostgreSQL refuses to run as root. Debian's
# package makes this user.
UNPRIVILEGED = "postgres"

USER = "scheduler"
PASSWORD = "of-the-tests"

# Servers and their files are gone after a test, so that a power cut has nothing to take; whoever
# measures says otherwise.
SETTINGS = {"fsync": "off", "log_min_messages": "warning"}

_START_SECONDS = 90
_databases = count(1)


@dataclass
class Server:
    """A PostgreSQL server that is started, stopped and started again, with the same data.

    `socket` is the directory of its Unix socket, where everybody is let in; on loopback `port` asks
    for the password. Whoever starts it must live as long as it shall: the kernel ends it with the
    thread that did.
    """

    directory: Path
    port: int
    settings: Mapping[str, str]
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def socket(self) -> Path:
        return self.directory

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> str:
        """What it wrote to its log, for whoever wonders why it does not start."""
        return (self.directory / "log").read_text()

    def url(self, database: str, port: int | None = None) -> str:
        """How a program reaches the database over TCP, with the password; `port` of a proxy."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def local(self, database: str) -> str:
        """How a program reaches the database through the socket."""
        return f"postgresql://{USER}@/{database}?host={self.socket}&port={self.port}"

    def database(self) -> str:
        """The name of a new and empty database."""
        name = f"journal_{os.getpid()}_{next(_databases)}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def sql(self, statement: str, database: str = "postgres") -> list[list[str]]:
        """The rows, as text, that a statement of the superuser answers."""
        done = subprocess.run(
            [
                _program("psql"), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
                "--field-separator=\t", "--set=ON_ERROR_STOP=1", f"--command={statement}",
                self.local(database),
            ],
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def start(self) -> None:
        """Starts it, and waits until it takes connections."""
        assert self.process is None
        given = [f"--{name}={value}" for name, value in self.settings.items()]
        command = [
            _program("postgres"), "-D", str(self.data), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1",
            "-c", f"unix_socket_directories={self.socket}", *given,
        ]  # fmt: skip
        with (self.directory / "log").open("ab") as log:
            # setpriv(1): the signal survives the change of user; prctl(2) alone would not.
            self.process = subprocess.Popen(
                [*_unprivileged(), "--pdeathsig", "QUIT", *command],
                cwd=self.directory,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def stop(self, signum: int = signal.SIGINT) -> None:
        """Ends it: SIGINT in good order, after breaking off what goes on; SIGQUIT as a crash would,
        which it recovers from when it is started again."""
        if self.process is not None:
            self.process.send_signal(signum)
            self.process.wait(_START_SECONDS)
            self.process = None

    def restart(self, signum: int = signal.SIGINT) -> None:
        self.stop(signum)
        self.start()

    def promote(self) -> None:
        """Makes a standby the primary, as whoever manages them does; it takes writes then."""
        _run("pg_ctl", "promote", "--pgdata", str(self.data), at=self)

    def _is_ready(self) -> bool:
        """Whether it is this very process that has written that it is ready, as pg_ctl reads it:
        the last line of its pid file (src/include/utils/pidfile.h)."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        assert self.process is not None
        # It may be empty yet.
        return lines[:1] == [str(self.process.pid)] and lines[-1].strip() == "ready"


@contextmanager
def postgres(**settings: str) -> Iterator[Server]:
    """A running server with these settings of postgresql.conf, besides SETTINGS."""
    with _running({**SETTINGS, **settings}, _initialize) as server:
        yield server


@contextmanager
def standby(primary: Server, way: Path) -> Iterator[Server]:
    """A running copy of `primary`, which streams to it what it commits until it is promoted, over
    the socket in the directory `way`."""

    def copy(server: Server) -> None:
        _run(
            "pg_basebackup", "--pgdata", str(server.data), "--checkpoint", "fast", "--no-sync",
            "--write-recovery-conf", "--host", str(way), "--port", str(primary.port),
            "--username", USER, at=server,
        )  # fmt: skip

    with _running(SETTINGS, copy) as server:
        yield server


@contextmanager
def _running(settings: Mapping[str, str], make: Callable[[Server], None]) -> Iterator[Server]:
    """A server whose files `make` has made, until the `with` block ends."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        server = Server(Path(name), free_port(), settings)
        if os.getuid() == 0:
            shutil.chown(server.directory, UNPRIVILEGED)
        make(server)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _initialize(server: Server) -> None:
    """Makes the server's files: one superuser, who needs a password over TCP only."""
    password = server.directory / "password"
    password.write_text(PASSWORD)
    if os.getuid() == 0:
        shutil.chown(password, UNPRIVILEGED)
    _run(
        "initdb", "--pgdata", str(server.data), "--no-sync", "--username", USER,
        "--pwfile", str(password), "--encoding", "UTF8", "--locale", "C",
        "--auth-local", "trust", "--auth-host", "scram-sha-256", at=server,
    )  # fmt: skip


def _run(program: str, *words: str, at: Server) -> None:
    """Has a program of PostgreSQL, as the server's user, do something to that."""
    done = subprocess.run(
        [*_unprivileged(), _program(program), *words],
        cwd=at.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _unprivileged() -> list[str]:
    """What runs a command as a user who may do nothing special."""
    if os.getuid() != 0:
        return ["setpriv"]
    user = pwd.getpwnam(UNPRIVILEGED)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _program(name: str) -> str:
    """The program of the newest PostgreSQL that is installed; Debian keeps each major release's
    apart from the others', and off PATH."""
    found = {
        int(path.parts[-3]): path
        for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
        if path.parts[-3].isdigit()
    }
    if found and max(found) >= OLDEST:
        return str(found[max(found)])
    on_path = shutil.which(name)
    assert on_path, f"no PostgreSQL {OLDEST} or newer here; run: sudo .ci/setup"
    return on_path
