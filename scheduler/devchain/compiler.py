"""Compiles the project's own contracts, once per version of their sources."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from scheduler.devchain.toolchain import PINS, ToolchainError, installed, solc_command

SOURCES = Path(__file__).parent / "contracts"


@dataclass(frozen=True)
class Artifact:
    """A compiled contract: its creation code and its ABI as JSON data."""

    code: bytes
    abi: list[dict[str, Any]]


def own_contracts(sources: Path = SOURCES) -> Mapping[str, Artifact]:
    """The contracts in the files of a directory, by name. Raises ToolchainError."""
    request = _request(sources)

    def build(target: Path) -> None:
        (target / "contracts.json").write_text(json.dumps(_compile(request)))

    digest = sha256(request.encode() + (PINS / "package-lock.json").read_bytes())
    name = f"contracts-{digest.hexdigest()[:12]}"
    path = installed(name, "compiling the development contracts", build) / "contracts.json"
    return {
        name: Artifact(bytes.fromhex(entry["code"]), entry["abi"])
        for name, entry in json.loads(path.read_text()).items()
    }


def _request(directory: Path) -> str:
    sources = {path.name: {"content": path.read_text()} for path in sorted(directory.glob("*.sol"))}
    settings = {
        # The oldest rules that the tests use; code for them runs on every later fork.
        "evmVersion": "istanbul",
        "optimizer": {"enabled": True, "runs": 200},
        "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
    }
    return json.dumps({"language": "Solidity", "sources": sources, "settings": settings})


def _compile(request: str) -> dict[str, dict[str, Any]]:
    command = [*solc_command(), "--standard-json"]
    done = subprocess.run(command, input=request, capture_output=True, text=True, timeout=300)
    start = done.stdout.find("{")
    if start < 0:
        raise ToolchainError(
            f"solc failed with code {done.returncode}: {done.stderr.strip()[:300]}"
        )
    answer = json.loads(done.stdout[start:])
    errors = [e["formattedMessage"] for e in answer.get("errors", []) if e["severity"] == "error"]
    if errors:
        raise ToolchainError(f"the development contracts do not compile: {errors[0]}")
    return {
        name: {"abi": contract["abi"], "code": contract["evm"]["bytecode"]["object"]}
        for contracts in answer["contracts"].values()
        for name, contract in contracts.items()
    }
