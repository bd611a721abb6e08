"""moc_jobs' surroundings: a chain that has Rootstock's chain id, and the configuration for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eth_keys.datatypes import PrivateKey

from scheduler.moc.jobs import TASKS
from tests import nodes
from tests.moc.rig import World
from tests.rskj.server import StandIn, in_front_of


@contextmanager
def rootstock(key: PrivateKey) -> Iterator[tuple[World, StandIn]]:
    """Rootstock's testnet as far as moc_jobs can tell, with a block every second, and ten coins in
    the account of the key."""
    rules = {**nodes.RSK_RULES, "chain_id": 31, "history": 100}
    with nodes.anvil(**rules) as node, in_front_of(node) as stand_in:
        world = World(node)
        node.rpc("anvil_setMinGasPrice", "0x0")
        node.rpc("anvil_setBalance", key.public_key.to_address(), hex(10**19))
        world.request("evm_setIntervalMining", 1)
        yield world, stand_in
        world.close()


def written(tmp_path: Path, world: World, *uris: str, chain_id: int = 31, **tasks: int) -> Path:
    """A configuration with these tasks' intervals, all seven's where none is named."""
    intervals = tasks or {name: task.interval for name, task in TASKS.items()}
    path = tmp_path / "config.json"
    network = {
        "app_mode": "MoC",
        "uri": uris,
        "chain_id": chain_id,
        "accounts": [],
        "addresses": {name: at for name, at in world.at.addresses.items() if "MoC" in name},
    }
    content = {
        "tasks": {
            name: {"interval": interval, "wait_timeout": 240, "gas_limit": 2_000_000}
            for name, interval in intervals.items()
        },
        "timeout": 60,
        "gas_price": 64_000_000,
        "networks": {"mocTestnet": network},
    }
    path.write_text(json.dumps(content))
    return path
