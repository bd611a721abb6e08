"""A docker daemon of a test's own: what it has is in a directory, and its processes end with it.

It makes no bridge and no rule of the packet filter, so a container has the machine's network
(`--network host`) or none. Needs root, and Debian's docker.io.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.commands import until
from tests.containers.base import NAME, ROOT, base, wheels

# Everything that the daemon starts is in its own namespaces: killing its first process ends all of
# it, and takes its mounts away.
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")

# Where the machine's own containerd runs, dockerd would take that one, of other namespaces.
_WITHOUT_THE_MACHINES = """
mkdir --parents /run/containerd
mount -t tmpfs none /run/containerd
exec dockerd "$@"
"""

_QUIETLY = ("--bridge=none", "--iptables=false", "--ip6tables=false")

# The Dockerfile's own base cannot be had without a network: the tests' base gets its name, and the
# packages for pip to find.
_STAND_IN = f"""\
FROM {NAME}
COPY . /wheels
RUN printf '[global]\\nno-index = true\\nfind-links = /wheels\\n' >/etc/pip.conf
"""


class Docker:
    """The client, of the daemon that `environment` names."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, line: str, given: str = "") -> str:
        """What `docker LINE` says, as it would be typed, on both streams; it must do well."""
        done = subprocess.run(
            ["docker", *shlex.split(line)],
            env=self.environment,
            cwd=ROOT,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, (line, done.stdout)
        return done.stdout.strip()

    def load_base(self) -> None:
        """The image that the Dockerfile names as its base, and NAME."""
        self(f"load --quiet --input {base() / 'base.tar'}")
        own = re.search(r"(?m)^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text())
        assert own
        self(f"build --quiet --tag {own[1]} --file - {wheels()}", given=_STAND_IN)


@contextmanager
def daemon(directory: Path) -> Iterator[Docker]:
    """A daemon that answers, and has no image."""
    # The names of its sockets may have no more than 107 characters (unix(7)).
    with (
        tempfile.TemporaryDirectory(prefix="docker-", ignore_cleanup_errors=True) as run,
        (directory / "dockerd.log").open("w") as log,
    ):
        socket = f"unix://{run}/socket"
        places = (f"--data-root={directory / 'docker'}", f"--exec-root={run}/exec")
        (settings := Path(run) / "daemon.json").write_text("{}")
        command = [
            *_ALONE,
            *("sh", "-ec", _WITHOUT_THE_MACHINES, "dockerd"),
            *_QUIETLY,
            *places,
            f"--config-file={settings}",
            f"--pidfile={run}/pid",
            f"--host={socket}",
        ]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "DOCKER_HOST": socket}
        try:
            until(lambda: process.poll() is not None or _answers(environment), seconds=60)
            assert process.poll() is None, (directory / "dockerd.log").read_text()
            yield Docker(environment)
        finally:
            process.kill()
            process.wait(10)
            # Images are large, and pytest keeps the directories of three runs.
            shutil.rmtree(directory / "docker", ignore_errors=True)


def _answers(environment: dict[str, str]) -> bool:
    done = subprocess.run(["docker", "info"], env=environment, capture_output=True)
    return done.returncode == 0
