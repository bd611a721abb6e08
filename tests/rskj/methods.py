"""What rskj answers to each method, made of what an anvil answers."""

from collections.abc import Callable
from threading import RLock
from typing import Any, NamedTuple, TypeAlias

from scheduler.chain.errors import RpcError
from scheduler.devchain.endpoint import Endpoint
from tests.rskj.pool import OUTDATED_BLOCKS, Circumstances, Sent, Unreadable, objection, waiting

Fields: TypeAlias = dict[str, Any]

# Asked of anvil as they are; what is neither here nor a method below, rskj does not have.
SHARED = (
    "eth_blockNumber", "eth_chainId", "eth_estimateGas", "eth_getLogs", "eth_getTransactionReceipt",
    "eth_syncing", "net_version", "txpool_content", "txpool_inspect",
)  # fmt: skip

METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL = -32601, -32602, -32603
BLOCK_NOT_FOUND, TRANSACTION_ERROR, EXECUTION_ERROR = -32600, -32010, -32015  # RskJsonRpcRequest…

# Of BlockHeaderNotification.
HEADER_FIELDS = (
    "difficulty", "extraData", "gasLimit", "gasUsed", "logsBloom", "miner", "number", "parentHash",
    "receiptsRoot", "sha3Uncles", "stateRoot", "timestamp", "transactionsRoot", "hash",
)  # fmt: skip

# Of CallArgumentsParam: whatever else a call or transaction names is not looked at.
CALL_FIELDS = (
    "from", "to", "gas", "gasPrice", "gasLimit", "nonce", "chainId", "value", "data", "input",
)  # fmt: skip

# GasCost.TRANSACTION_DEFAULT: the limit of an eth_sendTransaction that names none.
DEFAULT_GAS = 90_000

REMASC = "0x0000000000000000000000000000000001000008"
NOBODY = "0x" + "00" * 20


class _Arrival(NamedTuple):
    """A transaction that the pool took, and the best block at the time."""

    sender: str
    raw: str
    hash: str
    block: int


class Methods:
    """The methods of one node. `minimum_gas_price` of its blocks is in wei; a test may change it.

    `asked` are the methods that were asked for, in order.
    """

    def __init__(self, anvil: str, minimum_gas_price: int) -> None:
        self._anvil = Endpoint(anvil)
        self._lock = RLock()
        self._arrivals: list[_Arrival] = []
        self.minimum_gas_price = minimum_gas_price
        self.asked: list[str] = []

    def answer(self, method: str, params: list[Any]) -> Any:
        """The result of the method. Raises RpcError as rskj would answer it."""
        with self._lock:
            self.asked.append(method)
            self._drop_outdated()
            if method in SHARED:
                return self._ask(method, *params)
            own: Callable[..., Any] | None = getattr(self, f"_{method}", None)
            if own is None:
                raise RpcError(METHOD_NOT_FOUND, "method not found")
            return own(*params)

    def head(self, header: Fields) -> Fields:
        """A newHeads notification."""
        return {key: header[key] for key in HEADER_FIELDS} | {"baseEvent": "0x"}

    def close(self) -> None:
        with self._lock:
            self._anvil.close()

    def _ask(self, method: str, *params: Any) -> Any:
        return self._anvil.request(method, *params)

    def _web3_clientVersion(self) -> str:
        return "RskJ/9.0.0/Linux/Java17/STAND-IN"

    def _eth_accounts(self) -> list[str]:
        return [account.lower() for account in self._ask("eth_accounts")]

    def _eth_gasPrice(self) -> str:
        """GasPriceTracker, as long as there are few transactions: the best block's minimum."""
        return hex(self.minimum_gas_price)

    def _txpool_status(self) -> Fields:
        return {kind: int(n, 16) for kind, n in self._ask("txpool_status").items()}

    def _eth_getBlockByNumber(self, which: str, full: bool) -> Fields | None:
        _check_tag(which)
        shown = self._block(self._ask("eth_getBlockByNumber", which, full), full)
        unknown = {"number": None, "hash": None, "miner": None, "logsBloom": None}
        return shown | unknown if shown and which == "pending" else shown

    def _eth_getBlockByHash(self, which: str, full: bool) -> Fields | None:
        return self._block(self._ask("eth_getBlockByHash", which, full), full)

    def _block(self, block: Fields | None, full: bool) -> Fields | None:
        if block is None:
            return None
        foreign = ("baseFeePerGas", "blobGasUsed", "excessBlobGas", "withdrawalsRoot")
        shown = {key: value for key, value in block.items() if key not in foreign}
        shown["minimumGasPrice"] = hex(self.minimum_gas_price)
        if int(block["number"], 16):
            last = _remasc(block)
            shown["transactions"] = [
                *map(_transaction, block["transactions"]), last if full else last["hash"]
            ]  # fmt: skip
        return shown

    def _eth_getTransactionByHash(self, hash_: str) -> Fields | None:
        found = self._ask("eth_getTransactionByHash", hash_)
        if found is None or (found["blockNumber"] is None and self._is_queued(found)):
            return None
        shown: Fields = _transaction(found)
        return shown

    def _is_queued(self, transaction: Fields) -> bool:
        pool = waiting(self._ask("txpool_content"), transaction["from"].lower())
        return any(one.hash == transaction["hash"] and one.queued for one in pool)

    def _eth_pendingTransactions(self) -> list[Fields]:
        own, pool = self._eth_accounts(), self._ask("txpool_content")["pending"]
        return [
            _transaction(entry)
            for account, entries in pool.items()
            if account.lower() in own
            for entry in entries.values()
        ]

    def _eth_getBalance(self, account: str, at: Any = "latest") -> Any:
        return self._ask("eth_getBalance", account, self._number(at))

    def _eth_getCode(self, account: str, at: Any) -> Any:
        return self._ask("eth_getCode", account, self._number(at))

    def _eth_getStorageAt(self, account: str, slot: str, at: Any) -> Any:
        return self._ask("eth_getStorageAt", account, slot, self._number(at))

    def _eth_getTransactionCount(self, account: str, at: Any) -> Any:
        return self._ask("eth_getTransactionCount", account, self._number(at))

    def _eth_call(self, call: Fields, at: Any) -> Any:
        try:
            return self._ask("eth_call", _known_fields(call), self._number(at))
        except RpcError as error:
            if error.code != 3:  # not by REVERT: out of gas, an invalid opcode or jump
                return "0x"
            reason = error.message.partition("execution reverted: ")[2]
            what = f"revert {reason}" if reason else "transaction reverted"
            raise RpcError(
                EXECUTION_ERROR, f"VM Exception while processing transaction: {what}", error.data
            ) from error

    def _number(self, at: Any) -> str:
        """The block that is meant, as rskj takes it (EIP-1898)."""
        if isinstance(at, str):
            _check_tag(at)
            return at
        if not all(isinstance(value, str) for value in at.values()):
            raise RpcError(INTERNAL, "Internal server error")
        if "blockHash" not in at:
            return str(at["blockNumber"])
        hash_ = at["blockHash"]
        block = self._ask("eth_getBlockByHash", hash_, False)
        if block is None:
            raise RpcError(BLOCK_NOT_FOUND, f"Block with hash {hash_} not found")
        if at.get("requireCanonical", "").lower() == "true":
            canonical = self._ask("eth_getBlockByNumber", block["number"], False)
            if canonical is None or canonical["hash"] != hash_:
                raise RpcError(
                    BLOCK_NOT_FOUND,
                    f"Block with hash {hash_} is not canonical and it is required",
                )
        return str(block["number"])

    def _eth_sendTransaction(self, fields: Fields) -> str:
        """Fees of EIP-1559 are not read; without a gas price it is 0 (TransactionArgumentsUtil)."""
        sender = fields.get("from", "").lower()
        if sender not in self._eth_accounts():
            raise RpcError(INVALID_PARAMS, f"Could not find account for address: {sender}")
        known = _known_fields(fields)
        known.setdefault("gas", known.pop("gasLimit", hex(DEFAULT_GAS)))
        known.setdefault("gasPrice", "0x0")
        known.setdefault("value", "0x0")
        if known.get("nonce") is None:
            known["nonce"] = self._ask("eth_getTransactionCount", sender, "pending")
        return self._eth_sendRawTransaction(self._ask("eth_signTransaction", known))

    def _eth_sendRawTransaction(self, raw: str) -> str:
        try:
            sent = Sent.read(bytes.fromhex(raw[2:]))
        except Unreadable:
            raise RpcError(INTERNAL, "Internal server error") from None
        problem = objection(sent, self._circumstances(sent.sender))
        if problem is not None:
            raise RpcError(TRANSACTION_ERROR, problem)
        hash_ = str(self._ask("eth_sendRawTransaction", raw))
        self._arrivals.append(_Arrival(sent.sender, raw, hash_, self._best()))
        return hash_

    def _circumstances(self, sender: str) -> Circumstances:
        return Circumstances(
            nonce=self._anvil.number("eth_getTransactionCount", sender, "latest"),
            balance=self._anvil.number("eth_getBalance", sender, "latest"),
            gas_limit=int(self._ask("eth_getBlockByNumber", "latest", False)["gasLimit"], 16),
            minimum_gas_price=self.minimum_gas_price,
            waiting=waiting(self._ask("txpool_content"), sender),
        )

    def _best(self) -> int:
        return self._anvil.number("eth_blockNumber")

    def _drop_outdated(self) -> None:
        """anvil drops no queued transaction alone: the sender's others are put back."""
        if not self._arrivals:
            return
        oldest = self._best() - OUTDATED_BLOCKS
        for outdated in [one for one in self._arrivals if one.block < oldest]:
            self._arrivals.remove(outdated)
            pool = {one.hash for one in waiting(self._ask("txpool_content"), outdated.sender)}
            if outdated.hash in pool:
                self._ask("anvil_removePoolTransactions", outdated.sender)
                for other in self._arrivals:
                    if other.hash in pool and other.sender == outdated.sender:
                        self._ask("eth_sendRawTransaction", other.raw)


def _check_tag(which: str) -> None:
    if which not in ("earliest", "latest", "pending") and not which.startswith("0x"):
        raise RpcError(INVALID_PARAMS, f"Invalid block identifier '{which}'")


def _known_fields(fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if key in CALL_FIELDS}


def _transaction(entry: Any) -> Any:
    """Of a block: its hash or itself, without what TransactionResultDTO lacks."""
    if isinstance(entry, str):
        return entry
    return {key: entry[key] for key in entry if key not in ("chainId", "blockTimestamp")}


def _remasc(block: Fields) -> Fields:
    """The last transaction of each block (RemascTransaction); its hash depends on the block's."""
    unset = dict.fromkeys(("gas", "gasPrice", "value", "type"), "0x0")
    return {
        **unset,
        "hash": "0x" + block["hash"][:1:-1],
        "nonce": hex(int(block["number"], 16) - 1),
        "from": NOBODY,
        "to": REMASC,
        "input": "0x",
        "transactionIndex": hex(len(block["transactions"])),
        "blockHash": block["hash"],
        "blockNumber": block["number"],
        **dict.fromkeys(("v", "r", "s")),
    }
