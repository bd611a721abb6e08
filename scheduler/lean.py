"""Keeps out of a running program's memory what its libraries would load and it never uses."""

import sys
from types import ModuleType


def leave_out_pydantic() -> None:
    """From now on `import eth_utils` does without pydantic, which is 8 MiB, a fifth of a program.

    The package imports its module `eth_utils.pydantic` (eth-utils 6.0.0) for the sake of one class,
    CamelModel, which nothing else of it uses, nor eth_abi, eth_keys and rlp. A stand-in is there
    before that is looked for. pydantic itself can still be imported: the commands read the
    configuration with it, in processes of their own.
    """
    sys.modules.setdefault("eth_utils.pydantic", _NeverUsed("eth_utils.pydantic"))


class _NeverUsed(ModuleType):
    """A module in which every name is a class without anything in it, so that a version of the
    package that imports another one starts, too."""

    def __getattr__(self, name: str) -> type:
        # Python's own marks of a module, such as __path__, are absent where they are not set.
        if name.startswith("__"):
            raise AttributeError(f"{self.__name__} has no {name}")
        return object
