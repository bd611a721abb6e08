"""Whether a contract has a function: in its code, behind its proxy, or as it turns out."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from scheduler.chain.connection import connect
from scheduler.chain.node import JsonRpcNode
from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.compiler import own_contracts
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.nodes import Node
from scheduler.jobs.contracts import IMPLEMENTATION_SLOTS, functions_found
from scheduler.jobs.declaration import Action
from tests import nodes

PROXY = "0x" + "9a" * 20

# Delegates everything to the contract whose address follows, as minimal proxies do (EIP-1167).
MINIMAL = "0x363d3d373d3d3d363d73{}5af43d82803e903d91602b57fd5bf3"
# The same with an address from the storage slot that follows.
FROM_SLOT = "0x363d3d373d3d3d363d7f{:064x}545af43d82803e903d91603757fd5bf3"
ACCEPTS_ANYTHING = "0x00"


@pytest.fixture(scope="module")
def anvil() -> Iterator[Node]:
    with nodes.anvil() as node:
        yield node


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


async def found(node: JsonRpcNode, contract: str, signature: str) -> str | None:
    head = await node.block()
    assert head is not None
    [answer] = await functions_found(node, [Action(contract, signature)], at=head.hash)
    return answer


async def test_the_contract_s_own_code_says(node: JsonRpcNode, counter: str) -> None:
    assert await found(node, counter, "hit()") == f"{counter} has hit() in its code"
    assert await found(node, counter, "miss()") is None


@pytest.mark.parametrize("slot", IMPLEMENTATION_SLOTS, ids=["EIP-1967", "ZeppelinOS"])
async def test_behind_a_proxy_the_code_that_it_delegates_to_says(
    anvil: Node, node: JsonRpcNode, counter: str, slot: int
) -> None:
    anvil.rpc("anvil_setCode", PROXY, FROM_SLOT.format(slot))
    anvil.rpc("anvil_setStorageAt", PROXY, f"0x{slot:064x}", f"0x{int(counter, 16):064x}")
    anvil.rpc("anvil_mine")
    says = await found(node, PROXY, "hit()")
    assert says == f"{counter}, behind {PROXY}, has hit() in its code"
    assert await found(node, PROXY, "miss()") is None
    anvil.rpc("anvil_setStorageAt", PROXY, f"0x{slot:064x}", f"0x{0:064x}")


async def test_a_proxy_of_another_kind_is_probed(
    anvil: Node, node: JsonRpcNode, counter: str
) -> None:
    anvil.rpc("anvil_setCode", PROXY, MINIMAL.format(counter[2:]))
    anvil.rpc("anvil_mine")
    assert await found(node, PROXY, "hit()") == f"{PROXY} accepts hit()"
    assert await found(node, PROXY, "miss()") is None


async def test_what_accepts_anything_shows_nothing(anvil: Node, node: JsonRpcNode) -> None:
    anvil.rpc("anvil_setCode", PROXY, ACCEPTS_ANYTHING)
    anvil.rpc("anvil_mine")
    assert await found(node, PROXY, "hit()") is None


async def test_where_no_contract_is_there_is_no_function(node: JsonRpcNode) -> None:
    assert await found(node, "0x" + "77" * 20, "hit()") is None
