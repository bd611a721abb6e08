"""The v0.7 contracts' interface: what is called and emitted, as bytes."""

from collections.abc import Sequence

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from scheduler.alarm.calls import Status, Terms
from scheduler.chain.model import Address, Call, CallResult, Hash, Log
from scheduler.transactions.expectations import Expectations, Refund, View

API_VERSION = 7


def _selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


def _topic(signature: str) -> Hash:
    return "0x" + keccak(text=signature).hex()


CALL_SCHEDULED = _topic("CallScheduled(address)")
CALL_EXECUTED = _topic("CallExecuted(address,uint256,uint256,uint256,bool)")
CALL_ABORTED = _topic("CallAborted(address,bytes32)")
CLAIMED = _topic("Claimed(address,uint256)")
CANCELLED = _topic("Cancelled(address)")

EXECUTE = _selector("execute()")

_TERMS = (
    ("targetBlock()", "uint256"),
    ("gracePeriod()", "uint8"),
    ("requiredGas()", "uint256"),
    ("basePayment()", "uint256"),
    ("baseDonation()", "uint256"),
    ("callValue()", "uint256"),
    ("contractAddress()", "address"),
    ("abiSignature()", "bytes4"),
    ("schedulerAddress()", "address"),
)
_STATUS = (("claimer()", "address"), ("isCancelled()", "bool"), ("wasCalled()", "bool"))


class NotThisContract(Exception):
    """The address does not answer as a contract of this version does."""


def api_version(scheduler: Address) -> Call:
    return Call(scheduler, _selector("callAPIVersion()"))


def next_call(scheduler: Address, from_block: int) -> Call:
    """The first call whose target is `from_block` or later."""
    return Call(scheduler, _selector("getNextCall(uint256)") + encode(["uint256"], [from_block]))


def next_sibling(scheduler: Address, call: Address) -> Call:
    """The call that follows `call` in the order of targets."""
    return Call(scheduler, _selector("getNextCallSibling(address)") + encode(["address"], [call]))


def is_known_call(scheduler: Address, call: Address) -> Call:
    """Whether `scheduler` made `call`."""
    return Call(scheduler, _selector("isKnownCall(address)") + encode(["address"], [call]))


def target(call: Address) -> Call:
    return Call(call, _selector("targetBlock()"))


def terms_reads(call: Address) -> list[Call]:
    """The reads from which `terms` is made."""
    return [Call(call, _selector(signature)) for signature, _ in _TERMS]


def status_reads(call: Address) -> list[Call]:
    """The reads from which `status` is made."""
    return [Call(call, _selector(signature)) for signature, _ in _STATUS]


def terms(call: Address, results: Sequence[CallResult]) -> Terms:
    """Raises NotThisContract."""
    values = [_value(type_, result) for (_, type_), result in zip(_TERMS, results, strict=True)]
    return Terms(call, *values)  # type: ignore[arg-type]  # in the order of _TERMS


def status(results: Sequence[CallResult]) -> Status:
    """Raises NotThisContract."""
    values = [_value(type_, result) for (_, type_), result in zip(_STATUS, results, strict=True)]
    return Status(*values)  # type: ignore[arg-type]  # in the order of _STATUS


def execution(terms: Terms, executor: Address, block: int, enough_gas: bool) -> Expectations:
    """What is read of a call when `executor` is to execute it in `block`.

    CallLib.checkExecutionAuthorization fails outside the window, and is false while another
    account has the call to itself. What the call pays is what it has, after its target's share;
    one that is aborted for want of gas pays nothing.
    """
    authorized = "checkExecutionAuthorization(address,uint256)"

    def view(signature: str, expected: bool, otherwise: str, arguments: bytes = b"") -> View:
        data = _selector(signature) + arguments
        return View(terms.call, data, encode(["bool"], [expected]), otherwise)

    return Expectations(
        before=(
            view("wasCalled()", False, "it is executed already"),
            view("isCancelled()", False, "it is cancelled"),
            view(
                authorized,
                True,
                "it is out of its window, or claimed by another",
                encode(["address", "uint256"], [executor, block]),
            ),
        ),
        after=(view("wasCalled()", True, "it would not be executed"),),
        refund=Refund(terms.call, reserved=terms.value) if enough_gas else None,
    )


def integer(result: CallResult) -> int:
    """Raises NotThisContract."""
    value = _value("uint256", result)
    assert isinstance(value, int)
    return value


def truth(result: CallResult) -> bool:
    """Raises NotThisContract."""
    return bool(_value("bool", result))


def address(result: CallResult) -> Address:
    """Raises NotThisContract."""
    return str(_value("address", result))


def _value(type_: str, result: CallResult) -> object:
    if not result.ok:
        raise NotThisContract(result.error or "the call reverted")
    return _decoded([type_], result.data)[0]


def _decoded(types: Sequence[str], data: bytes) -> tuple[object, ...]:
    try:
        return tuple(decode(types, data))
    except DecodingError as error:
        raise NotThisContract(str(error)) from error


def scheduled_call(log: Log) -> Address:
    """The new call's address, from CallScheduled(address)."""
    return str(_decoded(["address"], log.data)[0])


def claimed(log: Log) -> Address:
    """The claimer, from Claimed(address, uint256)."""
    return str(_decoded(["address", "uint256"], log.data)[0])


def executed(log: Log) -> tuple[Address, int, bool]:
    """Executor, payment in wei (gas refund and donation's rest included), success of the target.

    From CallExecuted(address indexed executor, gasCost, payment, donation, success); `payment` is
    all that the executor was sent (CallLib.execute adds the gas cost to it before it pays).
    """
    _, payment, _, success = _decoded(["uint256", "uint256", "uint256", "bool"], log.data)
    assert isinstance(payment, int)
    return "0x" + log.topics[1][-40:], payment, bool(success)


def aborted(log: Log) -> str:
    """The reason, from CallAborted(address, bytes32), such as NOT_AUTHORIZED."""
    _, reason = _decoded(["address", "bytes32"], log.data)
    assert isinstance(reason, bytes)
    return reason.rstrip(b"\0").decode("ascii", errors="replace")
