"""Deploys Money on Chain: the real contracts of one generation, direct or behind their proxies."""

from dataclasses import dataclass, field
from typing import Any

from scheduler.chain.model import Address
from scheduler.devchain.accounts import Role, Wallet, address_of, receipt_of
from scheduler.devchain.deployment import contract_address, link
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.moc_contracts import Library, arguments, call_data

ETHER = 10**18

DAY = 20
"""Blocks of a day: the contracts' own setting for development."""

HOLDERS_SPAN = 7 * DAY
SETTLEMENT_SPAN = 90 * DAY


@dataclass(frozen=True)
class Spans:
    """After how many blocks what is periodic is due again, by the contracts' settings."""

    day: int = DAY
    average: int = DAY
    holders: int = HOLDERS_SPAN
    settlement: int = SETTLEMENT_SPAN


DEVELOPMENT = Spans()

PRICE = 10_000 * ETHER
"""The price of the reserve currency at first, in 1e-18 dollars."""

X2 = b"X2".ljust(32, b"\0")
C0 = b"C0".ljust(32, b"\0")

# The contracts take up to 225 gas for each byte of their creation code, which has zeros in it: 200
# for what is stored, up to 16 for what is sent (yellow paper, appendix G).
_CREATION_GAS, _BYTE_GAS = 150_000, 240
_CALL_GAS = 1_000_000


@dataclass(frozen=True)
class MocDeployment:
    """Where the contracts of one generation are, by the names of its package.

    `proxied`: the addresses of those that deployed networks have behind proxies are the proxies'.
    """

    generation: str
    proxied: bool
    addresses: dict[str, Address]

    def __getitem__(self, name: str) -> Address:
        return self.addresses[name]

    @property
    def on_token(self) -> bool:
        """Whether the reserve is a token, not the chain's own currency."""
        return self.generation == "rdoc"


@dataclass
class _Site:
    """Sends from the deployer's account, a block's gas at a time without waiting; `finish` waits.

    `block_gas` is a block's limit. Anvil drops what an account sent behind a transaction that has
    no room in the next block (1.7.1).
    """

    library: Library
    wallet: Wallet
    proxied: bool
    spans: Spans
    gas_price: int
    block_gas: int
    nonce: int
    sent: list[str] = field(default_factory=list)
    promised: int = 0
    libraries: dict[str, Address] = field(default_factory=dict)

    def create(self, name: str, types: str = "()", *values: Any) -> Address:
        """Deploys a contract whose constructor has arguments of these types."""
        code = link(self.library.code(name), self.libraries)
        address = contract_address(self.wallet.address, self.nonce)
        data = code + arguments(types, *values)
        self._send(None, data, _CREATION_GAS + _BYTE_GAS * len(data), 0)
        return address

    def place(self, name: str) -> Address:
        """Deploys a contract that is made ready by `initialize`, behind a proxy where wanted."""
        logic = self.create(name)
        if not self.proxied:
            return logic
        # A proxy answers its admin in its own name, so that is an account which does nothing else.
        admin = address_of(Role.CROWD)
        types = "(address,address,bytes)"
        return self.create("AdminUpgradeabilityProxy", types, logic, admin, b"")

    def call(self, to: Address, signature: str, *values: Any, value: int = 0) -> None:
        self._send(to, call_data(signature, *values), _CALL_GAS, value)

    def finish(self) -> None:
        """Waits for all; raises TransactionFailed for the first that reverted."""
        for transaction in self.sent:
            receipt_of(self.wallet.endpoint, transaction)
        self.sent.clear()
        self.promised = 0

    def _send(self, to: Address | None, data: bytes, gas: int, value: int) -> None:
        if self.promised + gas > self.block_gas:
            self.finish()
        self.promised += gas
        price, nonce = self.gas_price, self.nonce
        send = self.wallet.send
        self.sent.append(send(to, data, value=value, gas=gas, gas_price=price, nonce=nonce))
        self.nonce += 1


def deploy_moc(
    endpoint: Endpoint, generation: str, *, proxied: bool = False, spans: Spans = DEVELOPMENT
) -> MocDeployment:
    """Deploys one of GENERATIONS with a first price, ready to mint, from the deployer's account.

    Nothing is minted yet (see scheduler.devchain.moc_market). Raises RpcError, NodeUnavailable,
    TransactionFailed, ToolchainError.
    """
    wallet = Wallet(endpoint, Role.DEPLOYER)
    nonce = endpoint.number("eth_getTransactionCount", wallet.address, "pending")
    latest = endpoint.request("eth_getBlockByNumber", "latest", False)
    block_gas = int(latest["gasLimit"], 16)
    site = _Site(Library(generation), wallet, proxied, spans, wallet.gas_price(), block_gas, nonce)
    at = _created(site)
    _govern(site, at)
    _price(site, at, endpoint)
    _connect(site, at)
    _initialize(site, at)
    _hand_over_tokens(site, at)
    site.finish()
    return MocDeployment(generation, proxied, at)


def _created(site: _Site) -> dict[str, Address]:
    base, token = site.library.generation == "moc_base", site.library.generation == "rdoc"
    at = {name: site.place(name) for name in ("Governor", "Stopper")}
    site.libraries["MoCHelperLib"] = at["MoCHelperLib"] = site.create("MoCHelperLib")
    at |= {name: site.create(name) for name in ("MoCMedianizer", "PriceFeed")}
    if token:
        at |= {name: site.create(name) for name in ("StableToken", "RiskProToken", "ReserveToken")}
    else:
        at |= {name: site.create(name) for name in ("DocToken", "BProToken")}
    placed = ["MoC", "MoCConnector", "MoCSettlement", "MoCState", "MoCExchange", "MoCInrate"]
    placed.append("MoCRiskProxManager" if token else "MoCBProxManager")
    placed += ["MoCConverter", "MoCBurnout"] if base else ["MoCVendors"]
    at |= {name: site.place(name) for name in placed}
    if not base:
        at["MoCPriceMedianizer"] = site.create("MoCMedianizer")
        at["MoCPriceFeed"] = site.create("PriceFeed")
        # The package has no code of the MoC token; nothing here depends on which one it is.
        at["MoCToken"] = site.create("ReserveToken")
    return at


def _govern(site: _Site, at: dict[str, Address]) -> None:
    for name in ("Governor", "Stopper"):
        site.call(at[name], "initialize(address)", site.wallet.address)


def _price(site: _Site, at: dict[str, Address], endpoint: Endpoint) -> None:
    """Feeds whose prices do not expire in any test."""
    now = int(endpoint.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    pairs = [("MoCMedianizer", "PriceFeed"), ("MoCPriceMedianizer", "MoCPriceFeed")]
    for medianizer, feed in pairs:
        if medianizer in at:
            site.call(at[medianizer], "set(address)", at[feed])
            post = "post(uint128,uint32,address)"
            site.call(at[feed], post, PRICE, min(now + 10**8, 2**32 - 1), at[medianizer])


def _connect(site: _Site, at: dict[str, Address]) -> None:
    if site.library.generation == "rdoc":
        tokens = ["StableToken", "RiskProToken", "MoCRiskProxManager"]
    else:
        tokens = ["DocToken", "BProToken", "MoCBProxManager"]
    connected = ["MoC", *tokens, "MoCState", "MoCSettlement"]
    connected += ["MoCConverter"] if "MoCConverter" in at else []
    connected += ["MoCExchange", "MoCInrate"]
    connected += ["MoCBurnout"] if "MoCBurnout" in at else ["MoCVendors"]
    connected += ["ReserveToken"] if "ReserveToken" in at else []
    signature = f"initialize({','.join(['address'] * len(connected))})"
    site.call(at["MoCConnector"], signature, *(at[name] for name in connected))


def _initialize(site: _Site, at: dict[str, Address]) -> None:
    connector, governor, us = at["MoCConnector"], at["Governor"], site.wallet.address
    owned = (connector, governor)
    prox = at.get("MoCBProxManager") or at["MoCRiskProxManager"]
    moc = "initialize(address,address,address,bool)"
    site.call(at["MoC"], moc, connector, governor, at["Stopper"], False)
    for name in ("MoCExchange", "MoCConverter", "MoCBurnout"):
        if name in at:
            site.call(at[name], "initialize(address)", connector)
    buckets = "initialize(address,address,uint256,uint256)"
    site.call(prox, buckets, *owned, 4 * ETHER, 2 * ETHER)
    settlement = "initialize(address,address,uint256)"
    site.call(at["MoCSettlement"], settlement, *owned, site.spans.settlement)
    if "MoCVendors" in at:
        site.call(at["MoCVendors"], "initialize(address,address,address)", *owned, us)
    _initialize_rates(site, at)
    _initialize_state(site, at)


def _initialize_rates(site: _Site, at: dict[str, Address]) -> None:
    # Interest and commissions go to accounts that do nothing.
    targets = (f"0x{0xA1:040x}", f"0x{0xA2:040x}")
    rates = (133_681 * 10**9, 4, 4 * 10**15, 47_945 * 10**9, site.spans.holders)
    stable = (0, 1, 0)
    values = (at["MoCConnector"], at["Governor"], *rates, *targets)
    types = "address,address,uint256,uint256,uint256,uint256,uint256,address,address"
    if site.library.generation == "moc_base":
        signature = f"initialize({types},uint256)"
        site.call(at["MoCInrate"], signature, *values, 2 * 10**15)
    elif site.library.generation == "moc":
        signature = f"initialize(({types},uint256,uint256,uint256))"
        site.call(at["MoCInrate"], signature, (*values, *stable))
    else:
        signature = f"initialize({types},uint256,uint256,uint256)"
        site.call(at["MoCInrate"], signature, *values, *stable)


def _initialize_state(site: _Site, at: dict[str, Address]) -> None:
    owned = (at["MoCConnector"], at["Governor"], at["MoCMedianizer"])
    liquidation, cover, discount = 1_040 * 10**15, 2 * ETHER, ETHER // 2
    smoothing = 16_530 * 10**12
    spans = (site.spans.day, PRICE, smoothing, site.spans.average)
    values = (*owned, liquidation, cover, discount, *spans)
    types = "address,address,address" + ",uint256" * 7
    state = at["MoCState"]
    if site.library.generation == "moc_base":
        site.call(state, f"initialize({types})", *values)
        # Without it every mint mints nothing.
        changer = site.create("MocStateMaxMintBProChanger", "(address,uint256)", state, 10**24)
        site.call(at["Governor"], "executeChange(address)", changer)
    else:
        more = (10**24, at["MoCPriceMedianizer"], at["MoCToken"], at["MoCVendors"], True, 0)
        signature = f"initialize(({types},uint256,address,address,address,bool,uint256))"
        site.call(state, signature, (*values, *more))


def _hand_over_tokens(site: _Site, at: dict[str, Address]) -> None:
    stable = at.get("DocToken") or at["StableToken"]
    risk = at.get("BProToken") or at["RiskProToken"]
    for token in (stable, risk):
        site.call(token, "addMinter(address)", at["MoCExchange"])
        site.call(token, "renounceMinter()")
    site.call(stable, "transferOwnership(address)", at["MoCExchange"])
    site.call(risk, "addPauser(address)", at["MoC"])
    site.call(risk, "renouncePauser()")
