"""What happens to a chain and to a node's pool while programs work; anvil can be told to do it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.stages import BASE_FEE, CHEAP
from tests.transactions.rig import CONFIRMATIONS

Call = tuple[int, str, list[object]]

# A base fee at which nothing gets into a block, wei per gas.
EMPTYING = 10_000 * CHEAP

# Gas of a block with room for one hit.
NARROW = 150_000


@dataclass(frozen=True)
class Happening:
    """Methods for the node, each before the block that it makes as the so many-th."""

    name: str
    calls: Sequence[Call]

    def __str__(self) -> str:
        return self.name


def happenings() -> list[Happening]:
    return [
        *[reorgs(depth) for depth in range(1, CONFIRMATIONS + 2)],
        Happening(
            "the pool loses everything",
            [(time, "anvil_dropAllTransactions", []) for time in (1, 3, 5)],
        ),
        Happening(
            "a base fee ten times as high",
            [(time, BASE_FEE, [hex(10 * CHEAP)]) for time in range(1, 6)],
        ),
        Happening(
            "blocks that stay empty",
            [(time, BASE_FEE, [hex(EMPTYING)]) for time in range(1, 4)]
            + [(4, BASE_FEE, [hex(CHEAP)])],
        ),
        Happening("blocks with room for one", [(1, "evm_setBlockGasLimit", [hex(NARROW)])]),
    ]


def reorgs(depth: int) -> Happening:
    """So many blocks are replaced by empty ones, twice."""
    calls: list[Call] = [(time, "anvil_reorg", [depth, []]) for time in (4, 6)]
    return Happening(f"reorgs of depth {depth}", calls)
