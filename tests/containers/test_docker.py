"""The command lines of docs/containers.md as they stand there, with a real docker."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.commands import until
from tests.containers.aws import Aws
from tests.containers.conftest import IMAGE, needs_root, script
from tests.containers.docker import Docker, daemon
from tests.containers.registry import registry
from tests.containers.test_image import HEALTH, SECRET

# The image is built, and its base handed to the daemon, within the tests' time.
pytestmark = pytest.mark.timeout(900)


@contextmanager
def running(docker: Docker, name: str) -> Iterator[None]:
    """The container with this name is away afterwards."""
    try:
        yield
    finally:
        docker(f"rm --force --volumes {name}")


def test_docker_s_own_command_lines(server: Aws, tmp_path: Path) -> None:
    """In one test, since all of it needs a daemon that has the image."""
    needs_root()
    if shutil.which("dockerd") is None:
        pytest.skip("without dockerd: sudo .ci/setup installs docker.io")
    with daemon(tmp_path) as docker:
        docker.load_base()
        docker("build -t moc_jobs -f Dockerfile .")
        runs_as_it_always_did(docker)
        runs_for_long(docker, tmp_path)
        runs_every_program(docker)
        builds_and_pushes_for_an_environment(docker, server, tmp_path)


def runs_as_it_always_did(docker: Docker) -> None:
    """With a key and a network; no node answers, so it waits."""
    with running(docker, "moc_jobs_1"):
        docker(
            f"run -d --name moc_jobs_1 --env ACCOUNT_PK_SECRET={SECRET} "
            "--env MOC_JOBS_NETWORK=mocTestnetAlpha moc_jobs"
        )
        until(lambda: "Waiting for the node: " in docker("logs moc_jobs_1"), seconds=90)
        assert docker(f"exec moc_jobs_1 {' '.join(HEALTH)}").startswith("alive: moc_jobs (")
        stops(docker, "moc_jobs_1")
        assert SECRET not in docker("logs moc_jobs_1")


def runs_for_long(docker: Docker, home: Path) -> None:
    """With a read-only root, no capability, a volume, and the key in a file; docker itself finds it
    well, by the image's HEALTHCHECK, for which nobody here waits a minute."""
    key = home / "key"
    key.write_text(SECRET)
    key.chmod(0o600)
    shutil.chown(key, 10001)
    with running(docker, "moc_jobs_1"):
        docker(
            "run -d --name moc_jobs_1 --restart on-failure --read-only --cap-drop ALL "
            f"--network host --volume moc_jobs:/data/scheduler --volume {key}:/run/key:ro "
            "--env ACCOUNT_PK_SECRET_FILE=/run/key --env MOC_JOBS_NETWORK=mocTestnet "
            "--health-interval 1s moc_jobs"
        )
        until(lambda: state(docker, "moc_jobs_1")["Health"]["Status"] == "healthy", seconds=90)
        assert SECRET not in docker("inspect moc_jobs_1")
        stops(docker, "moc_jobs_1")


def stops(docker: Docker, name: str) -> None:
    """docker stop, to which the first process listens: else its end would be 137, by SIGKILL."""
    docker(f"stop --time 60 {name}")
    assert state(docker, name)["ExitCode"] == 0


def runs_every_program(docker: Docker) -> None:
    for program in ("scheduler", "eth_alarm"):
        assert docker(f"run --rm moc_jobs {program} --version") == f"{program}, version 0.1.0"


def builds_and_pushes_for_an_environment(docker: Docker, server: Aws, home: Path) -> None:
    """The engine that answers is docker. Its builder of old walks the context in another way than
    buildah: what .dockerignore lets through, it has to find."""
    built = script("build.sh", "-e", "ec2_testnet", environment=docker.environment)
    assert built.returncode == 0, built.stdout + built.stderr
    assert f"== building {IMAGE} with docker" in built.stderr
    with registry(home) as address:
        environment = {**server.environment, **docker.environment, "REGISTRY": address}
        environment["PATH"] = server.environment["PATH"]
        pushed = script("tag_and_push.sh", "-e", "moc-testnet", environment=environment)
        assert pushed.returncode == 0, pushed.stderr
        assert f"== pushed {address}/{IMAGE}:latest" in pushed.stderr
        assert "QVdTOj" not in (home / ".docker" / "config.json").read_text(), "AWS:…, as base64"


def state(docker: Docker, name: str) -> dict[str, Any]:
    """What docker says of the container's process, and of its health."""
    found: dict[str, Any] = json.loads(docker(f"inspect --format '{{{{json .State}}}}' {name}"))
    return found
