"""One image for all tests of a run: built, pushed and pulled again by the commands of operators."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands import BIN
from tests.containers.aws import Aws, aws
from tests.containers.base import ROOT, base, storage, wheels
from tests.containers.engine import Engine, Image
from tests.containers.registry import registry
from tests.containers.tools import Tools

ENVIRONMENT = "moc-testnet"
IMAGE = f"moc_jobs_{ENVIRONMENT}"


@contextmanager
def shared(directory: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """The directory, made by whichever process needs it first of those that test at the same time.
    The last one that leaves removes it."""
    users = directory / "users"

    @contextmanager
    def alone() -> Iterator[None]:
        with directory.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    with alone():
        if not users.exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            make(directory)
            users.mkdir()
        mine = users / str(os.getpid())
        mine.touch()
    try:
        yield directory
    finally:
        with alone():
            mine.unlink()
            if not any(users.iterdir()):
                shutil.rmtree(directory)


def script(
    name: str, *arguments: str, environment: dict[str, str], seconds: float = 600
) -> "subprocess.CompletedProcess[str]":
    """A script of the checkout, as it is typed there."""
    return subprocess.run(
        [str(ROOT / name), *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def build_options() -> list[str]:
    """What a build needs where there are neither a registry of images nor one of packages."""
    return [
        f"--build-arg=BASE=docker-archive:{base() / 'base.tar'}",
        "--build-arg=PIP_NO_INDEX=1",
        "--build-arg=PIP_FIND_LINKS=/wheels",
        f"--volume={wheels()}:/wheels:ro",
    ]


def make(directory: Path) -> None:
    """Builds the image, pushes it to a registry, forgets it and pulls it again."""
    engine = Engine(storage(directory / "storage"))
    tools = Tools(directory, f"{BIN}{os.pathsep}{os.environ['PATH']}")
    environment = {**engine.environment, "PATH": tools.path}
    built = script("build.sh", "-e", "ec2_testnet", "--", *build_options(), environment=environment)
    assert built.returncode == 0, built.stderr
    (directory / "build.log").write_text(built.stdout + built.stderr)
    with registry(directory) as address, aws(directory) as server:
        account = {**server.environment, **environment, "REGISTRY": address}
        pushed = script("tag_and_push.sh", "-e", ENVIRONMENT, environment=account)
        assert pushed.returncode == 0, pushed.stderr
        (directory / "push.log").write_text(pushed.stdout + pushed.stderr)
        shutil.copy(environment["REGISTRY_AUTH_FILE"], directory / "logins")
        engine.buildah("rmi", "--all")
        credentials = "--creds=AWS:123456789012-auth-token"
        remote = f"docker://{address}/{IMAGE}:latest"
        engine.buildah("pull", "--quiet", "--tls-verify=false", credentials, remote)
        engine.buildah("tag", f"{address}/{IMAGE}:latest", IMAGE)


PACKAGES = ("buildah", "crun", "debootstrap", "docker-registry")


def needs_root() -> None:
    """Skips the test where nothing can be unpacked or mounted."""
    missing = [name for name in PACKAGES if shutil.which(name) is None]
    if missing:
        pytest.skip(f"without {', '.join(missing)}: sudo .ci/setup installs what is missing")
    if os.geteuid() != 0:
        pytest.skip("images are made as root: sudo scripts/test tests/containers")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Path]:
    """The directory with the image's storage, and what the scripts said."""
    needs_root()
    top = tmp_path_factory.getbasetemp()
    with shared((top if worker_id == "master" else top.parent) / "image", make) as directory:
        yield directory


@pytest.fixture(scope="session")
def engine(made: Path) -> Engine:
    """The engine that has the image."""
    return Engine(storage(made / "storage"))


@pytest.fixture(scope="session")
def image(engine: Engine) -> Iterator[Image]:
    """The image of an environment, to be run."""
    with engine.unpacked(IMAGE) as image:
        yield image


@pytest.fixture(scope="session")
def all_of_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with aws(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def server(all_of_aws: Aws) -> Aws:
    """An AWS that has nothing yet."""
    all_of_aws.forget()
    return all_of_aws
