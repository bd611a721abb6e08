"""Deploys the alarm clock and the target contracts, and remembers where they are."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import rlp
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from scheduler.chain.model import Address
from scheduler.devchain.accounts import Role, Wallet, receipt_of
from scheduler.devchain.compiler import own_contracts
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.originals import chronologic, future_calls

FILE_NAME = "deployment.json"

# Claim windows open 265 blocks before a target, and the contract's arithmetic goes wrong for
# targets below that (FutureBlockCall v0.7: claim amounts of 0).
MINIMUM_HEIGHT = 300

# Creates a contract that consists of what follows it: PUSH3 length, DUP1, PUSH1 13, PUSH1 0,
# CODECOPY, PUSH1 0, RETURN.
_DATA_CONTRACT = "62{length:06x}80600d6000396000f3"


@dataclass(frozen=True)
class Deployment:
    """Where the contracts of a development chain are; addresses in lower case.

    `scheduler`, `call_lib` and `accounting_lib` are the alarm clock's v0.7, `request_factory` and
    the schedulers for blocks and timestamps its 1.0.
    `chain_id`, and number and hash of the block with the first deployment, which tell this chain
    from one that was reset.
    """

    endpoint: str
    chain_id: int
    first_block: int
    first_block_hash: str
    scheduler: Address
    call_lib: Address
    accounting_lib: Address
    counter: Address
    reverter: Address
    guzzler: Address
    scheduler_v06: Address
    request_factory: Address
    block_scheduler: Address
    timestamp_scheduler: Address

    def write(self, directory: Path) -> None:
        """Writes deployment.json into `directory`, whole or not at all."""
        directory.mkdir(parents=True, exist_ok=True)
        partial = directory / f".{FILE_NAME}.{os.getpid()}"
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n")
        partial.replace(directory / FILE_NAME)

    @staticmethod
    def read(directory: Path) -> "Deployment | None":
        """What `write` wrote there; None where nothing, or something else, is."""
        try:
            return Deployment(**json.loads((directory / FILE_NAME).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @staticmethod
    def forget(directory: Path) -> None:
        """Removes what `write` wrote there."""
        (directory / FILE_NAME).unlink(missing_ok=True)

    def is_current(self, endpoint: Endpoint) -> bool:
        """Whether the chain behind `endpoint` is the one that this deployment is on."""
        block = endpoint.request("eth_getBlockByNumber", hex(self.first_block), False)
        return block is not None and block["hash"] == self.first_block_hash


def deploy(endpoint: Endpoint) -> Deployment:
    """Deploys everything from the deployer's account, which must have ether.

    All transactions are sent before the first is mined. The first of them is a deployment, so on
    a chain that was empty block 1 carries one. Raises RpcError, NodeUnavailable,
    TransactionFailed, ToolchainError.
    """
    own = own_contracts()
    wallet = Wallet(endpoint, Role.DEPLOYER)
    gas_price = wallet.gas_price()
    nonce = endpoint.number("eth_getTransactionCount", wallet.address, "pending")
    sent: list[str] = []

    def create(code: bytes) -> Address:
        number = nonce + len(sent)
        sent.append(wallet.send(None, code, gas_price=gas_price, nonce=number))
        return contract_address(wallet.address, number)

    accounting_lib = create(own["AccountingLib"].code)

    def create_scheduler(version: str, contract: str, call_lib: Address) -> Address:
        libraries = {"AccountingLib": accounting_lib, "CallLib": call_lib}
        call = link(future_calls(version)["FutureBlockCall"], libraries)
        blueprint = create(data_contract(b"\0" + call))
        return create(own[contract].code + encode(["address"], [blueprint]))

    original = future_calls("0.7")["CallLib"]
    call_lib = create(link(original, {"AccountingLib": accounting_lib}))
    scheduler = create_scheduler("0.7", "Scheduler", call_lib)
    counter = create(own["Counter"].code)
    reverter = create(own["Reverter"].code)
    guzzler = create(own["GasGuzzler"].code)
    scheduler_v06 = create_scheduler("0.6", "SchedulerV06", create(own["CallLib"].code))
    request_factory, block_scheduler, timestamp_scheduler = _chronologic(create, wallet.address)
    receipts = [receipt_of(endpoint, transaction) for transaction in sent]
    return Deployment(
        endpoint=endpoint.url,
        chain_id=endpoint.number("eth_chainId"),
        first_block=int(receipts[0]["blockNumber"], 16),
        first_block_hash=receipts[0]["blockHash"],
        scheduler=scheduler,
        call_lib=call_lib,
        accounting_lib=accounting_lib,
        counter=counter,
        reverter=reverter,
        guzzler=guzzler,
        scheduler_v06=scheduler_v06,
        request_factory=request_factory,
        block_scheduler=block_scheduler,
        timestamp_scheduler=timestamp_scheduler,
    )


def _chronologic(
    create: Callable[[bytes], Address], fee_recipient: Address
) -> tuple[Address, Address, Address]:
    """Deploys 1.0: its RequestFactory, and its schedulers for blocks and for timestamps."""
    codes = chronologic()
    libraries: dict[str, Address] = {}

    def deploy(name: str, *arguments: Address) -> Address:
        types = ["address"] * len(arguments)
        return create(link(codes[name], libraries) + encode(types, arguments))

    for name in ("MathLib", "IterTools", "PaymentLib", "RequestScheduleLib", "RequestLib"):
        libraries[name] = deploy(name)
    factory = deploy("RequestFactory", deploy("TransactionRequestCore"))
    by_block = deploy("BlockScheduler", factory, fee_recipient)
    return factory, by_block, deploy("TimestampScheduler", factory, fee_recipient)


def contract_address(creator: Address, nonce: int) -> Address:
    """The address of the contract that a transaction with this nonce creates."""
    return "0x" + keccak(rlp.encode([bytes.fromhex(creator[2:]), nonce]))[12:].hex()


def link(code: str, libraries: Mapping[str, Address]) -> bytes:
    """Creation code in hex with the libraries' addresses put in place of their names.

    A placeholder is two underscores and the name, filled with underscores to the 40 characters
    of an address (solc before 0.5).
    """
    for name, address in libraries.items():
        code = code.replace(f"__{name}".ljust(40, "_"), address.removeprefix("0x"))
    return bytes.fromhex(code.removeprefix("0x"))


def data_contract(data: bytes) -> bytes:
    """Creation code of a contract whose code is `data`, of at most 24,576 bytes (EIP-170)."""
    return bytes.fromhex(_DATA_CONTRACT.format(length=len(data))) + data
