"""Which version of the alarm clock a contract is of: asked of the contract itself."""

from scheduler.alarm.abi import NotThisContract, address, getter, integer
from scheduler.alarm.future_calls import RESERVED_BLOCKS
from scheduler.alarm.v06 import V06
from scheduler.alarm.v07 import API_VERSION, V07
from scheduler.alarm.v10 import V10
from scheduler.alarm.version import Version
from scheduler.chain.model import ZERO_ADDRESS, Address, CallResult, Head
from scheduler.chain.protocol import Chain
from scheduler.errors import NotYet


async def version_at(chain: Chain, contract: Address, head: Head) -> Version:
    """The version that answers at this address at `head`.

    For a BlockScheduler or TimestampScheduler of 1.0 it is that of its RequestFactory. Raises
    NotYet where no contract, or another one, is there.
    """
    [code] = await chain.codes([contract], at=head.hash)
    if not code:
        raise NotYet(
            f"there is no contract at {contract} at block {head.number}; "
            "check --address (eth_alarm addresses lists the known ones) and the node's network"
        )
    probes = ("callAPIVersion()", "getDefaultFee()", "getCallWindowSize()")
    answers = await chain.call([getter(contract, probe) for probe in probes], at=head.hash)
    api, fee, window = map(_number, answers)
    if api == API_VERSION:
        return V07(chain, contract)
    if api is None and fee is not None and window == RESERVED_BLOCKS:
        return V06(chain, contract)
    factory = await _factory(chain, contract, head)
    if factory is not None:
        return V10(chain, factory)
    found = "none" if api is None else str(api)
    raise NotYet(
        f"the contract at {contract} is not an Alarm Clock scheduler of v0.6, v0.7 or 1.0: its "
        f"callAPIVersion is {found}, and it has no RequestFactory; check --address"
    )


async def _factory(chain: Chain, contract: Address, head: Head) -> Address | None:
    """The RequestFactory that this contract is, or belongs to."""
    [answer] = await chain.call([getter(contract, "factoryAddress()")], at=head.hash)
    factory = _address(answer) or contract
    [core] = await chain.call([getter(factory, "transactionRequestCore()")], at=head.hash)
    return None if _address(core) is None else factory


def _number(answer: CallResult) -> int | None:
    try:
        return integer(answer)
    except NotThisContract:
        return None


def _address(answer: CallResult) -> Address | None:
    try:
        found = address(answer)
    except NotThisContract:
        return None
    return None if found == ZERO_ADDRESS else found
