"""What happens to Money on Chain from outside: minting, prices, requests. Drives its conditions."""

from typing import Any

from eth_abi.abi import decode

from scheduler.chain.model import Address
from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.moc import ETHER, PRICE, X2, MocDeployment
from scheduler.devchain.moc_contracts import call_data

_GAS = 2_000_000

# A price that no test outlives, seconds.
_FOR_EVER = 10**8

# At these parts of the first price what `seed` minted is liquidated: the bucket of the leveraged
# tokens, and the whole system once that is.
BUCKET_LIQUIDATION_PRICE = PRICE * 5_117 // 10_000
LIQUIDATION_PRICE = PRICE * 117 // 1_000


class Market:
    """Acts from one account, by default the one that feeds the prices; waits for each transaction.

    Each method raises TransactionFailed where the contracts refuse.
    """

    def __init__(
        self, endpoint: Endpoint, deployment: MocDeployment, role: Role = Role.DEPLOYER
    ) -> None:
        self.endpoint = endpoint
        self.at = deployment
        self.wallet = Wallet(endpoint, role)

    def seed(self) -> None:
        """Ten of the risk token, two coins' worth of the stable one, and one of the leveraged."""
        self._mint("mintRiskPro" if self.at.on_token else "mintBPro", 10 * ETHER)
        self.trade(stable=2 * ETHER, leveraged=ETHER)

    def trade(self, stable: int, leveraged: int) -> None:
        """Mints for so much of the reserve, in wei, of both tokens."""
        self._mint("mintStableToken" if self.at.on_token else "mintDoc", stable)
        self._mint("mintRiskProx" if self.at.on_token else "mintBProx", leveraged, X2)

    def as_role(self, role: Role) -> "Market":
        """The same for another development account, which feeds no prices."""
        return Market(self.endpoint, self.at, role)

    def set_price(self, price: int, seconds: int = _FOR_EVER) -> None:
        """Feeds a price, in 1e-18 dollars, that expires after so many seconds."""
        expiry = min(self.now + seconds, 2**32 - 1)
        post = "post(uint128,uint32,address)"
        self._send("PriceFeed", post, price, expiry, self.at["MoCMedianizer"])

    def withdraw_price(self) -> None:
        """The feed has no price any more, and the medianizer knows: nothing can be priced."""
        self._send("PriceFeed", "void()")
        self._send("MoCMedianizer", "poke()")

    def request_redemption(self, amount: int = 100 * ETHER) -> None:
        """Asks for stable tokens to be redeemed with the next settlement."""
        name = "redeemStableTokenRequest" if self.at.on_token else "redeemDocRequest"
        self._send("MoC", f"{name}(uint256)", amount)

    @property
    def now(self) -> int:
        """The latest block's time, seconds since the epoch."""
        return int(self.endpoint.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def view(self, name: str, signature: str, types: str, *values: Any) -> tuple[Any, ...]:
        """What a contract's function answers now, such as types="bytes32,bool"."""
        call = {"to": self.at[name], "data": "0x" + call_data(signature, *values).hex()}
        answer = self.endpoint.request("eth_call", call, "latest")
        return tuple(decode(types.split(","), bytes.fromhex(answer[2:])))

    def _mint(self, function: str, amount: int, *bucket: bytes) -> None:
        signature = f"{function}({'bytes32,' if bucket else ''}uint256)"
        # A fifth more for commissions and interest; what is too much comes back.
        enough = amount * 6 // 5
        if self.at.on_token:
            self._send("ReserveToken", "claim(uint256)", enough)
            self._send("ReserveToken", "approve(address,uint256)", self.at["MoC"], enough)
            self._send("MoC", signature, *bucket, amount)
        else:
            self._send("MoC", signature, *bucket, amount, value=enough)

    def _send(self, name: str, signature: str, *values: Any, value: int = 0) -> None:
        to: Address = self.at[name]
        self.wallet.transact(to, call_data(signature, *values), value=value, gas=_GAS)
