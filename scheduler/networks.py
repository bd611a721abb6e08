"""The networks that are known by name, from networks.toml."""

from dataclasses import dataclass
from importlib import resources

from scheduler import toml
from scheduler.chain.model import Address


@dataclass(frozen=True, slots=True)
class AlarmContract:
    """A publicly known contract of the Ethereum Alarm Clock, and its version, such as 0.7."""

    version: str
    address: Address


@dataclass(frozen=True, slots=True)
class Network:
    """What differs between networks. `block_time` in seconds, `confirmations` in blocks.

    `slot_time` is the least time between two blocks' timestamps, in seconds. `inclusion` is in how
    many blocks what pays the market's price is in one, all but certainly.
    """

    name: str
    chain_ids: tuple[int, ...]
    node: str
    block_time: float
    confirmations: int
    development: bool = False
    slot_time: int = 1
    inclusion: int = 10
    alarm: tuple[AlarmContract, ...] = ()

    def alarm_contract(self, version: str) -> Address | None:
        """The network's alarm contract of this version, if one is known."""
        for contract in self.alarm:
            if contract.version == version:
                return contract.address
        return None


def networks() -> dict[str, Network]:
    """The known networks by name."""
    text = (resources.files("scheduler") / "networks.toml").read_text(encoding="utf-8")
    return {
        name: Network(
            name=name,
            chain_ids=tuple(entry["chain-ids"]),
            node=entry["node"],
            block_time=entry["block-time"],
            confirmations=entry["confirmations"],
            development=entry.get("development", False),
            slot_time=entry.get("slot-time", 1),
            inclusion=entry.get("inclusion", 10),
            alarm=tuple(AlarmContract(**contract) for contract in entry.get("alarm", ())),
        )
        for name, entry in toml.loads(text).items()
    }


def chain_id_of(name: str | None) -> int | None:
    """The chain id of the network with this name, of several the first; None for no name."""
    return None if name is None else networks()[name].chain_ids[0]


def network_of(chain_id: int) -> Network:
    """The network with this chain id; for one that is not known, mainnet's cautious values."""
    for network in networks().values():
        if chain_id in network.chain_ids:
            return network
    return Network(
        name=f"chain {chain_id}",
        chain_ids=(chain_id,),
        node="geth",
        block_time=12.0,
        confirmations=12,
    )
