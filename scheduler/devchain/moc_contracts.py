"""Money on Chain's contracts as their own package ships them: creation code by name."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_abi.grammar import TupleType, parse
from eth_utils.crypto import keccak

from scheduler.devchain.toolchain import installed, pin, pip_install

GENERATIONS = ("moc_base", "moc", "rdoc")
"""The package's folders: 2020's contracts, those with vendors, and those on a reserve token."""


_REQUIREMENTS = "requirements-moc.txt"


def moc_package() -> Path:
    """Where the package is unpacked. Only its data is read. Raises ToolchainError."""
    root = installed(
        f"moneyonchain-{pin(_REQUIREMENTS)}",
        "fetching the contracts of Money on Chain",
        lambda target: pip_install(target, _REQUIREMENTS),
    )
    return root / "moneyonchain"


@dataclass(frozen=True)
class Library:
    """The contracts of one generation, with those that all share."""

    generation: str

    @cached_property
    def _folders(self) -> list[Path]:
        package = moc_package()
        # The last for its ReserveToken, which stands in for tokens that the package does not have.
        names = (self.generation, "medianizer", "governance", "rdoc")
        return [package / name / "abi" for name in names]

    def code(self, name: str) -> str:
        """Creation code in hex, not linked. Some of the package's files have quotes, some 0x."""
        return self._file(f"{name}.bin").read_text().strip().strip('"').removeprefix("0x")

    def _file(self, name: str) -> Path:
        for folder in self._folders:
            if (folder / name).exists():
                return folder / name
        raise FileNotFoundError(f"{self.generation} has no {name}")


def call_data(signature: str, *values: Any) -> bytes:
    """Call data of a function, such as call_data("poke()") or with tuples as Python tuples."""
    return keccak(text=signature)[:4] + arguments(signature[signature.index("(") :], *values)


def arguments(types: str, *values: Any) -> bytes:
    """Encoded arguments; `types` is their list in parentheses, such as "(address,uint256)"."""
    if types == "()":
        return b""
    parsed = parse(types)
    assert isinstance(parsed, TupleType)
    return encode([each.to_type_str() for each in parsed.components], values)
