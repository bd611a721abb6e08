"""The value that names a chain."""

from pathlib import Path

import pytest

from scheduler.chain.connection import connect
from scheduler.chain.errors import FirstBlockMissing
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.node import JsonRpcNode
from scheduler.devchain.nodes import Node, start_anvil


async def named(node: Node, development: bool) -> str:
    chain = JsonRpcNode(connect(node.http))
    try:
        return await fingerprint(chain, development)
    finally:
        await chain.close()


async def test_same_for_ever_on_one_chain(anvil: Node) -> None:
    anvil.rpc("anvil_mine", "0x1")
    before = await named(anvil, True), await named(anvil, False)
    anvil.rpc("anvil_mine", "0x64")
    assert (await named(anvil, True), await named(anvil, False)) == before
    assert before[0] != before[1]
    for name in before:
        assert len(bytes.fromhex(name)) == 8


async def test_first_block_is_waited_for_on_a_development_chain(anvil: Node) -> None:
    with pytest.raises(FirstBlockMissing):
        await named(anvil, True)
    assert await named(anvil, False)


async def test_other_chains_have_other_names(tmp_path: Path) -> None:
    """By their chain id, by their first block where they are development chains."""
    names = []
    for number, (chain_id, later) in enumerate([(1337, 100), (1337, 200), (31, 100)]):
        node = start_anvil(
            tmp_path / str(number), chain_id=chain_id, options=["--timestamp", "1600000000"]
        )
        try:
            node.rpc("evm_setNextBlockTimestamp", 1_600_000_000 + later)
            node.rpc("anvil_mine", "0x1")
            names.append((await named(node, False), await named(node, True)))
        finally:
            node.stop()
    (genesis, first), (same_genesis, second), (other_genesis, third) = names
    assert genesis == same_genesis != other_genesis
    assert len({first, second, third}) == 3
