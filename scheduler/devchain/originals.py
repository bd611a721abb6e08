"""The alarm clock's own contracts, from the packages in which they were published.

They are fetched once into the user's cache, pinned by version and hash in `pins/`, and are no part
of this project.
"""

import json
import shutil
import sys
import tarfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha512
from pathlib import Path

from scheduler.devchain import toolchain
from scheduler.devchain.toolchain import ToolchainError, installed, npm, pip_install, run

# Versions of the contracts: the pins of the client that carries them, and where they are in it.
_CLIENTS = {
    "0.6": ("requirements-alarm-0.6.txt", "eth_alarm_client/versions/v0.6/contracts.json"),
    "0.7": ("requirements-alarm-0.7.txt", "eth_alarm_client/contracts.json"),
}

_CHRONOLOGIC = (
    "MathLib",
    "IterTools",
    "PaymentLib",
    "RequestScheduleLib",
    "RequestLib",
    "TransactionRequestCore",
    "RequestFactory",
    "BlockScheduler",
    "TimestampScheduler",
)


def future_calls(version: str) -> Mapping[str, str]:
    """The contracts of v0.6 or v0.7 by name, as their client on PyPI has them.

    Creation code in hex, unlinked: FutureBlockCall of both, CallLib of v0.7. Raises ToolchainError.
    """
    requirements, member = _CLIENTS[version]

    def fetch(target: Path) -> None:
        # pip asks the package for its metadata, which runs its setup.py, after checking the
        # hash; the setuptools that this needs is pinned as well.
        pip_install(target / "build", "requirements-build.txt")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", ":all:", "--use-pep517", "--no-build-isolation"]
        command += ["--require-hashes", "-r", str(toolchain.PINS / requirements)]
        run("contracts", [*command, "-d", str(target)], {"PYTHONPATH": str(target / "build")})
        (archive,) = target.glob("*.tar.gz")
        [text] = _members(archive, [f"{archive.name[:-7]}/{member}"])
        _write(target, {name: entry["code"] for name, entry in json.loads(text).items()})
        archive.unlink()
        shutil.rmtree(target / "build")

    return _read(
        installed(
            f"alarm-{version}-{toolchain.pin(requirements)}",
            f"fetching the alarm clock's contracts of v{version}",
            fetch,
        )
    )


def chronologic() -> Mapping[str, str]:
    """The contracts of 1.0 ("Chronologic") by name, as their package on npm has them.

    Creation code in hex, unlinked. Raises ToolchainError.
    """
    pinned = json.loads((toolchain.PINS / "chronologic.json").read_text())

    def fetch(target: Path) -> None:
        # Not installed: its dependencies, a compiler and a test framework, are of no use here.
        run("contracts", [*npm(), "pack", "--silent", pinned["package"]], {}, cwd=target)
        (archive,) = target.glob("*.tgz")
        found = "sha512-" + b64encode(sha512(archive.read_bytes()).digest()).decode()
        if found != pinned["integrity"]:
            raise ToolchainError(
                f"{pinned['package']} has another hash than the pinned one: {found}; "
                "do not use that package registry"
            )
        wanted = [f"package/build/contracts/{name}.json" for name in _CHRONOLOGIC]
        texts = _members(archive, wanted)
        codes = [json.loads(text)["bytecode"] for text in texts]
        _write(target, dict(zip(_CHRONOLOGIC, codes, strict=True)))
        archive.unlink()

    return _read(
        installed(
            f"alarm-1.0-{toolchain.pin('chronologic.json')}",
            "fetching the alarm clock's contracts of 1.0",
            fetch,
        )
    )


def _members(archive: Path, names: Sequence[str]) -> list[bytes]:
    with tarfile.open(archive) as package:
        files = [package.extractfile(name) for name in names]
        return [file.read() for file in files if file is not None]


def _write(target: Path, codes: Mapping[str, str]) -> None:
    (target / "contracts.json").write_text(json.dumps(codes))


def _read(directory: Path) -> Mapping[str, str]:
    codes: Mapping[str, str] = json.loads((directory / "contracts.json").read_text())
    return codes
