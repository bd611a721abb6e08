"""A base image made with debootstrap, and the packages for it: made once, kept in the cache.

The Dockerfile's own base comes from a registry of images, which is not at hand wherever tests run.
What it is made of comes from where apt and pip of this machine have theirs.
"""

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from scheduler.devchain.toolchain import installed
from tests.debian import bootstrap

ROOT = Path(__file__).parents[2]

PACKAGES = "ca-certificates,python3,python3-venv"

# What docker and podman call it when they have loaded it.
NAME = "scheduler-base:latest"

# What only takes room.
_NEEDLESS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache", "var/lib/apt/lists")

REQUIREMENTS = tuple(f"requirements{part}.txt" for part in ("", "-aws", "-image", "-postgresql"))


def base() -> Path:
    """A directory with `base.tar`, this machine's distribution with Python as an image that every
    engine loads, and `python`, its version. Needs root."""
    suite = _release()["VERSION_CODENAME"]
    key = sha256(f"{suite} {PACKAGES} {_NEEDLESS} 2".encode()).hexdigest()[:12]
    return installed(f"container-base-{key}", f"making a base image of {suite}", _make_base)


def wheels() -> Path:
    """The packages that the image is made of, as wheels for the base's Python."""
    python = (base() / "python").read_text().strip()
    pins = b"".join((ROOT / name).read_bytes() for name in REQUIREMENTS)
    key = sha256(pins + python.encode()).hexdigest()[:12]

    def download(target: Path) -> None:
        options = ["--require-hashes", "--only-binary", ":all:", "--python-version", python]
        files = [part for name in REQUIREMENTS for part in ("-r", str(ROOT / name))]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(target)]
        subprocess.run([*pip, *options, *files], check=True)

    return installed(f"container-wheels-{key}", "downloading the image's packages", download)


def _make_base(target: Path) -> None:
    suite = _release()["VERSION_CODENAME"]
    root = target / "root"
    bootstrap(suite, root, PACKAGES.split(","))
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    python = subprocess.check_output(["chroot", str(root), "python3", "-c", version])
    (target / "python").write_bytes(python)
    for name in _NEEDLESS:
        for each in (root / name).glob("*"):
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
    _archive(root, target)
    shutil.rmtree(root)


def _archive(root: Path, target: Path) -> None:
    """The root directory as an image of one layer."""
    environment = storage(target / "storage")
    (container,) = _buildah(environment, "from", "scratch")
    _buildah(environment, "add", "--quiet", container, str(root), "/")
    _buildah(environment, "config", "--cmd", "sh", container)
    _buildah(
        environment,
        "commit",
        "--quiet",
        "--rm",
        container,
        f"docker-archive:{target}/base.tar:{NAME}",
    )
    shutil.rmtree(target / "storage")


def _buildah(environment: dict[str, str], *arguments: str) -> list[str]:
    command = ["buildah", *arguments]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.split()


def storage(directory: Path) -> dict[str, str]:
    """The environment in which buildah keeps all that it has in this directory, and needs neither
    an overlay file system nor a runtime of containers."""
    directory.mkdir(parents=True, exist_ok=True)
    places = {"graphroot": directory / "images", "runroot": directory / "run"}
    lines = ["[storage]", 'driver = "vfs"', *(f'{key} = "{path}"' for key, path in places.items())]
    (directory / "storage.conf").write_text("\n".join(lines) + "\n")
    # buildah looks for it before it has to log in anywhere.
    (directory / "auth.json").write_text("{}")
    return {
        **os.environ,
        "BUILDAH_ISOLATION": "chroot",
        "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
        "REGISTRY_AUTH_FILE": str(directory / "auth.json"),
        "STORAGE_DRIVER": "vfs",
    }


def _release() -> dict[str, str]:
    """os-release(5) of this machine."""
    lines = Path("/etc/os-release").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {name: json.loads(value) if value[:1] == '"' else value for name, value in pairs}
