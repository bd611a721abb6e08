"""Money on Chain's real contracts stand on the development chain, and can be driven."""

from collections.abc import Iterator

import pytest

from scheduler.chain.errors import RpcError
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.moc import X2, deploy_moc
from scheduler.devchain.moc_contracts import GENERATIONS, call_data
from scheduler.devchain.moc_market import (
    BUCKET_LIQUIDATION_PRICE,
    LIQUIDATION_PRICE,
    Market,
)
from scheduler.devchain.nodes import Node
from tests import nodes


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with nodes.anvil(gas_limit=6_800_000, chain_id=31) as node:
        yield node


@pytest.fixture
def endpoint(node: Node) -> Iterator[Endpoint]:
    """The node as it was at first: deployments fill blocks, and so raise the price of gas."""
    endpoint = Endpoint(node.http)
    snapshot = endpoint.request("evm_snapshot")
    yield endpoint
    endpoint.request("evm_revert", snapshot)
    endpoint.close()


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "proxied"])
@pytest.mark.parametrize("generation", GENERATIONS)
def test_prices_liquidate_the_bucket_and_then_the_system(
    endpoint: Endpoint, generation: str, proxied: bool
) -> None:
    market = Market(endpoint, deploy_moc(endpoint, generation, proxied=proxied))
    market.seed()
    assert market.view("MoC", "isDailyEnabled()", "bool") == (True,)
    assert market.view("MoC", "isBucketLiquidationReached(bytes32)", "bool", X2) == (False,)
    market.set_price(BUCKET_LIQUIDATION_PRICE)
    assert market.view("MoC", "isBucketLiquidationReached(bytes32)", "bool", X2) == (True,)
    market.wallet.transact(market.at["MoC"], call_data("evalBucketLiquidation(bytes32)", X2))
    assert market.view("MoCState", "isLiquidationReached()", "bool") == (False,)
    market.set_price(LIQUIDATION_PRICE)
    assert market.view("MoCState", "isLiquidationReached()", "bool") == (True,)
    market.withdraw_price()
    with pytest.raises(RpcError, match="Oracle have no"):
        market.view("MoCState", "isLiquidationReached()", "bool")


def test_a_proxy_s_code_has_no_function_of_the_contract_behind_it(endpoint: Endpoint) -> None:
    direct = deploy_moc(endpoint, "moc_base")
    behind = deploy_moc(endpoint, "moc_base", proxied=True)
    codes = [
        bytes.fromhex(endpoint.request("eth_getCode", each["MoC"], "latest")[2:])
        for each in (direct, behind)
    ]
    assert [call_data("isDailyEnabled()") in code for code in codes] == [True, False]
