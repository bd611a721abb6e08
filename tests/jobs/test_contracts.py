"""Whether a contract has a function: in its code, behind its proxy, or as it turns out."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from scheduler.chain.connection import connect
from scheduler.chain.node import JsonRpcNode
from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.compiler import own_contracts
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.nodes import Node
from scheduler.jobs.contracts import IMPLEMENTATION_SLOTS, Finding, functions_found
from scheduler.jobs.declaration import Action
from tests.jobs.rig import Keepers

PROXY = "0x" + "9a" * 20

# Delegates everything to the contract whose address follows, as minimal proxies do (EIP-1167).
MINIMAL = "0x363d3d373d3d3d363d73{}5af43d82803e903d91602b57fd5bf3"
# The same with an address from the storage slot that follows.
FROM_SLOT = "0x363d3d373d3d3d363d7f{:064x}545af43d82803e903d91603757fd5bf3"
ACCEPTS_ANYTHING = "0x00"


@pytest.fixture(scope="module")
def counter(anvil: Node) -> str:
    endpoint = Endpoint(anvil.http)
    wallet = Wallet(endpoint, Role.DEPLOYER)
    receipt = wallet.transact(None, own_contracts()["Counter"].code)
    endpoint.close()
    return str(receipt["contractAddress"])


@pytest_asyncio.fixture
async def node(anvil: Node) -> AsyncIterator[JsonRpcNode]:
    node = JsonRpcNode(connect(anvil.http))
    yield node
    await node.close()


async def found(node: JsonRpcNode, contract: str, signature: str) -> Finding:
    head = await node.block()
    assert head is not None
    [finding] = await functions_found(node, [Action(contract, signature)], at=head.hash)
    return finding


async def test_the_contract_s_own_code_says(node: JsonRpcNode, counter: str) -> None:
    hit, miss = await found(node, counter, "hit()"), await found(node, counter, "miss()")
    assert hit == Finding(True, counter, f"{counter} has hit() in its code")
    assert miss == Finding(False, counter, f"{counter} has no miss() in its code")


@pytest.mark.parametrize("slot", IMPLEMENTATION_SLOTS, ids=["EIP-1967", "ZeppelinOS"])
async def test_behind_a_proxy_the_code_that_it_delegates_to_says(
    anvil: Node, node: JsonRpcNode, counter: str, slot: int
) -> None:
    anvil.rpc("anvil_setCode", PROXY, FROM_SLOT.format(slot))
    anvil.rpc("anvil_setStorageAt", PROXY, f"0x{slot:064x}", f"0x{int(counter, 16):064x}")
    anvil.rpc("anvil_mine")
    hit, miss = await found(node, PROXY, "hit()"), await found(node, PROXY, "miss()")
    assert hit == Finding(True, counter, f"{counter}, behind {PROXY}, has hit() in its code")
    assert miss == Finding(False, counter, f"{counter}, behind {PROXY}, has no miss() in its code")
    anvil.rpc("anvil_setStorageAt", PROXY, f"0x{slot:064x}", f"0x{0:064x}")


async def test_a_proxy_of_another_kind_is_probed(
    anvil: Node, node: JsonRpcNode, counter: str
) -> None:
    anvil.rpc("anvil_setCode", PROXY, MINIMAL.format(counter[2:]))
    anvil.rpc("anvil_mine")
    hit, miss = await found(node, PROXY, "hit()"), await found(node, PROXY, "miss()")
    assert hit == Finding(True, None, f"{PROXY} accepts hit()")
    assert (miss.there, miss.where) == (None, None), "nobody can tell"


async def test_what_accepts_anything_shows_nothing(anvil: Node, node: JsonRpcNode) -> None:
    anvil.rpc("anvil_setCode", PROXY, ACCEPTS_ANYTHING)
    anvil.rpc("anvil_mine")
    anything = await found(node, PROXY, "hit()")
    assert anything == Finding(False, PROXY, f"{PROXY} has no hit() in its code")
    anvil.rpc("anvil_setCode", PROXY, "0x00f4")
    anvil.rpc("anvil_mine")
    assert (await found(node, PROXY, "hit()")).there is None


async def test_a_delegating_contract_s_own_words_show_its_function_though_it_refuses(
    anvil: Node, node: JsonRpcNode, world: Keepers
) -> None:
    """As one that must not be called too early does."""
    anvil.rpc("anvil_setCode", PROXY, MINIMAL.format(world.at["Worker"][2:]))
    anvil.rpc("anvil_mine")
    work = await found(node, PROXY, "work()")
    assert work == Finding(True, None, f"{PROXY} refuses work() in words of its own")
    assert (await found(node, PROXY, "miss()")).there is None


async def test_where_no_contract_is_there_is_no_function(node: JsonRpcNode) -> None:
    nobody = "0x" + "77" * 20
    nothing = await found(node, nobody, "hit()")
    assert nothing == Finding(False, nobody, f"there is no contract at {nobody}")
