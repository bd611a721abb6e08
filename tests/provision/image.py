"""The Debian 12 that the boxes of these tests begin with, made once by debootstrap.

Mirror and package clients' settings are the host's own.
"""

import json
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from scheduler.devchain.toolchain import cache_directory, installed
from tests.debian import archives_of_host, bootstrap

# What a cloud's image has beside debootstrap's smallest variant, as far as it matters here.
PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "kmod",
    "openssh-server",
    "sudo",
    "systemd",
    "systemd-sysv",
    "udev",
)
SUITE = "bookworm"
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")


def image() -> Path:
    """The root of a bare Debian 12 with systemd, sshd and the host's package sources."""
    digest = sha256(json.dumps([SUITE, PACKAGES, _sources(), _apt_settings()]).encode())
    return installed(
        f"debian-12-{digest.hexdigest()[:12]}", "making a Debian 12 with debootstrap", _build
    )


def archives() -> Path:
    """Where the packages are kept that boxes download, from one test run to the next."""
    directory = cache_directory() / "debian-12-archives"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def share(source: Path, target: Path) -> None:
    """Has every package of `source` in `target`, too; apt would lock a directory of both."""
    for package in source.glob("*.deb"):
        with suppress(FileExistsError):
            (target / package.name).hardlink_to(package)


def _build(target: Path) -> None:
    bootstrap(SUITE, target, PACKAGES)
    (target / "etc/apt/sources.list").write_text(_sources())
    (target / "etc/apt/apt.conf.d/00host").write_text(_apt_settings())
    # What the box's clients trust is what the host's trust.
    shutil.copyfile(Path("/") / CERTIFICATES, target / CERTIFICATES)
    for archive in (target / "var/cache/apt/archives").glob("*.deb"):
        archive.unlink()


def _sources() -> str:
    """The host's sources of this suite, in apt's one-line style."""
    return "".join(f"deb {uri} {suite} main\n" for uri, suite in archives_of_host(SUITE))


def _apt_settings() -> str:
    """How the host's apt fetches: proxies, checks and the like."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)
    wanted = re.compile(r"Acquire::(Check-|http|https|ftp|Retries|Proxy)")
    lines = [line for line in dump.stdout.splitlines() if wanted.match(line)]
    return "".join(f"{line}\n" for line in lines)


def pip_settings() -> dict[str, str]:
    """How the host's pip fetches: what its configuration and its environment say."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"(?m)^(?:global|:env:)\.([a-z-]+)='(.*)'$", shown))
