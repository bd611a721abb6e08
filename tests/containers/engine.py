"""Images and containers without an engine: buildah makes and unpacks images, crun runs them.

What docker would add when it runs an image, from its configuration to the volume, is added here;
the root file system is read-only throughout, and the network is the machine's.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.commands import Running

_numbers = count(1)

# crun 1.8 refuses a machine that mounts both versions of cgroups, even where it shall use none.
_PLAIN_CGROUPS = 'mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null; exec "$@"'


class Engine:
    """Has its images in `environment`'s storage (tests.containers.base.storage)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    def buildah(self, *arguments: str) -> str:
        """What it says; it must do well."""
        done = subprocess.run(
            ["buildah", *arguments], env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done
        return done.stdout.strip()

    def config(self, image: str) -> dict[str, Any]:
        """What the image says of itself, in docker's words."""
        found = json.loads(self.buildah("inspect", "--type", "image", image))
        config: dict[str, Any] = found["Docker"]["config"]
        return config

    @contextmanager
    def unpacked(self, image: str) -> Iterator["Image"]:
        """Its root file system, for all containers that are run of it."""
        container = self.buildah("from", "--pull-never", image)
        try:
            root = Path(self.buildah("mount", container))
            yield Image(root, self.config(image))
        finally:
            self.buildah("rm", container)


class Image:
    """An image whose root file system is at `root`."""

    def __init__(self, root: Path, config: Mapping[str, Any]) -> None:
        self.root = root
        self.config = config

    def run(
        self, home: Path, *command: str, volume: Path | None = None, **variables: str
    ) -> "Container":
        """docker run --read-only --network host --env … [--volume …] IMAGE [COMMAND]

        `home` is for what the runtime needs, and for a volume where none is given, as docker makes
        one for each container.
        """
        name = f"test-{os.getpid()}-{next(_numbers)}"
        bundle = home / name
        bundle.mkdir()
        (place,) = self.config["Volumes"]
        volume = volume or bundle / "volume"
        if not volume.exists():
            self._fill(volume, place)
        spec = self._spec(list(command) or self.config["Cmd"], variables, {place: volume})
        (bundle / "config.json").write_text(json.dumps(spec))
        return Container(home, name, volume)

    def _fill(self, volume: Path, place: str) -> None:
        """A new volume begins with what the image has in its place, and with its owner."""
        there = self.root / place.lstrip("/")
        shutil.copytree(there, volume)
        os.chown(volume, there.stat().st_uid, there.stat().st_gid)

    def _spec(
        self, command: list[str], variables: Mapping[str, str], volumes: Mapping[str, Path]
    ) -> dict[str, Any]:
        user, group = map(int, self.config["User"].split(":"))
        kinds = ("pid", "ipc", "uts", "mount")
        file_systems = {"/proc": "proc", "/dev": "tmpfs", "/tmp": "tmpfs"}
        return {
            "ociVersion": "1.0.0",
            "root": {"path": str(self.root), "readonly": True},
            "process": {
                "args": command,
                "cwd": self.config["WorkingDir"],
                "env": [
                    *self.config["Env"],
                    *(f"{name}={text}" for name, text in variables.items()),
                ],
                "user": {"uid": user, "gid": group},
                "capabilities": {},
                "noNewPrivileges": True,
            },
            "mounts": [
                *({"destination": to, "type": kind} for to, kind in file_systems.items()),
                *(
                    {"destination": to, "source": str(path), "options": ["rbind", "rw"]}
                    for to, path in volumes.items()
                ),
            ],
            "linux": {"namespaces": [{"type": kind} for kind in kinds]},
        }


class Container(Running):
    """A container that runs; what it says is kept as it comes. Its journal is in `volume`."""

    def __init__(self, home: Path, name: str, volume: Path) -> None:
        self.name = name
        self.home = home
        self.volume = volume
        super().__init__(home, *self._crun("run", "--bundle", str(home / name), name))

    def execute(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """docker exec"""
        return subprocess.run(
            self._crun("exec", self.name, *command), capture_output=True, text=True, timeout=60
        )

    def main_pid(self) -> int | None:
        """The process that is the container's first, as the machine knows it; None before it is."""
        done = subprocess.run(self._crun("state", self.name), capture_output=True, text=True)
        return int(json.loads(done.stdout)["pid"]) if done.returncode == 0 else None

    def kill(self) -> None:
        """docker kill"""
        subprocess.run(self._crun("kill", self.name, "KILL"), check=True)
        self._end(10)

    def _crun(self, *arguments: str) -> list[str]:
        state = f"--root={self.home / 'crun'}"
        crun = ["crun", state, "--cgroup-manager=disabled", *arguments]
        return [
            *("/usr/bin/unshare", "--mount", "--propagation", "private"),
            *("sh", "-c", _PLAIN_CGROUPS, "sh", *crun),
        ]
