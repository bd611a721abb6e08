"""The networks that are known by name."""

import re

import pytest

from scheduler.networks import Network, network_of, networks


def test_no_chain_id_belongs_to_two_networks() -> None:
    ids = [chain_id for network in networks().values() for chain_id in network.chain_ids]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("network", networks().values(), ids=lambda network: network.name)
def test_every_network_can_be_worked_with(network: Network) -> None:
    assert network.node in ("geth", "rskj")
    assert network.block_time > 0
    assert network.confirmations >= 1
    assert all(network_of(chain_id) == network for chain_id in network.chain_ids)
    for contract in network.alarm:
        assert re.fullmatch("0x[0-9a-f]{40}", contract.address)


def test_only_chains_that_may_be_reset_are_development_chains() -> None:
    assert {name for name, network in networks().items() if network.development} == {
        "dev",
        "rsk-regtest",
    }


def test_the_alarm_clock_of_mainnet_is_known_by_version() -> None:
    mainnet = networks()["mainnet"]
    assert mainnet.alarm_contract("0.7") == "0x6c8f2a135f6ed072de4503bd7c4999a1a17f824b"
    assert mainnet.alarm_contract("0.6") == "0xe109ecb193841af9da3110c80fdd365d1c23be2a"
    assert mainnet.alarm_contract("0.8") is None


def test_an_unknown_chain_is_treated_as_cautiously_as_mainnet() -> None:
    unknown = network_of(424242)
    assert (unknown.name, unknown.chain_ids) == ("chain 424242", (424242,))
    assert unknown.confirmations >= networks()["mainnet"].confirmations
    assert not unknown.development
    assert unknown.alarm_contract("0.7") is None
